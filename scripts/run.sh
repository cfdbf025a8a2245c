#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot the kernel and run the demos in it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

lock "$work/lock"
"$scripts/prepare.sh" x86_64
say "the demos, in the kernel just built"
"$scripts/boot.sh" x86_64 demo 300 | sed -u '/^==> /d; /^<== /d; s/\r$//'
answers=$(tr -d '\r' < "$logs/x86_64-demo.results" | grep '^<== ' | sort -u)
[ "$answers" = "<== 0" ] || die "a demo failed."
