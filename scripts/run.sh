#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot the kernel and run the demo in it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

lock "$work/lock"
"$scripts/prepare.sh" x86_64
say "the demo, in the kernel just built"
"$scripts/boot.sh" x86_64 demo 300 | sed -u '/^==> /d; /^<== /d; s/\r$//'
grep -q '^<== 0' "$logs/x86_64-demo.results" || die "the demo failed."
