#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Write the series for git am into DIR, patches and overlay files together.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/apply.sh"
DIR=${DIR:-$repo/out/patches}
mkdir -p "$DIR"
rm -f "$DIR"/[0-9][0-9][0-9][0-9]-*.patch
git -C "$tree" format-patch -q --no-renames --no-signature --zero-commit -o "$DIR" \
	refs/memfd_restricted/base..refs/memfd_restricted/top
say "$(find "$DIR" -name '*.patch' | wc -l) patches in $DIR; git am $DIR/*.patch applies them to Linux $(make -s -C "$tree" kernelversion)"
