#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build what the series touches in other configurations, link where something could be
# missing, and look that KVM is what it was when the option is off. Nothing is booted.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/apply.sh"

for config in "$repo"/configs/variants/*.config; do
	variant=$(basename "$config" .config)
	if "$scripts/kernel.sh" "variant-$variant"; then
		tally "configs: $variant is built" 1 0 0
	else
		tally "configs: $variant is built" 0 1 0
	fi
done

# KVM of the pristine tree, in the configuration "off".
base=$(git -C "$tree" rev-parse refs/memfd_restricted/base)
export TREE=/build/pristine
[ -e $TREE/.git ] || git clone -q --shared --no-checkout "$tree" $TREE
git -C $TREE checkout -q -f --detach "$base"
"$scripts/kernel.sh" variant-off-pristine

sum() { sha256sum < "$1"; }

compared=0 different=0
cd /build/variant-off-pristine
while read -r object; do
	compared=$((compared + 1))
	if [ "$(sum "$object")" != "$(sum "/build/variant-off/$object")" ]; then
		different=$((different + 1))
		note "differs from the pristine tree: $object"
	fi
done < <(find virt arch/x86/kvm -name '*.o')
note "compared $compared objects of KVM, byte for byte"
if [ "$compared" -gt 0 ] && [ "$different" -eq 0 ]; then
	tally "configs: with the option off KVM's objects are those of the pristine tree" 1 0 0
else
	tally "configs: with the option off KVM's objects are those of the pristine tree" 0 1 0
fi
