#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The unit tests and selftests once more, in a kernel that watches itself: KASAN,
# lockdep, kmemleak. Then the tests that break the rules on purpose, one boot
# each, where the kernel has to complain: in user-mode Linux, which boots in a
# moment, unless memory has to fail for it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" debug >&2
# The long ones first, for the lanes to end together.
printf 'debug %s 1800\n' restrictedmem kvm-restrictedmem pressure
printf 'debug %s 600\n' device kunit
"$scripts/kernel.sh" uml >&2
splat_tests | while IFS=$'\t' read -r number command pattern; do
	kernel=uml
	[ "${command##* }" != error ] || kernel=debug
	printf '%s %s 600 "%s"\n' "$kernel" "splat-$number" "$pattern"
done
