#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# splats.sh NAME CONSOLE: a kernel's log must be free of warnings and worse.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

splat='BUG:|WARNING:|INFO: (possible|task|rcu|suspicious|trying)|KASAN|UBSAN|Oops'
splat+='|general protection|Call Trace|detected stall|refcount_t|[Kk]ernel panic'

if [ -s "$2" ] && ! grep -qE "$splat" "$2"; then
	tally "$1: no splat in the kernel's log" 1 0 0
else
	tally "$1: no splat in the kernel's log" 0 1 0
	grep -E -m 1 -A 20 "$splat" "$2" | sed 's/^/    | /' || true
fi
