#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# splats.sh NAME CONSOLE [PATTERN]: a kernel's log must be free of warnings and
# worse, or must have the one that PATTERN describes.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

splat='BUG:|WARNING:|INFO: (possible|task|rcu|suspicious|trying)|KASAN|UBSAN|Oops'
splat+='|general protection|Call Trace|detected stall|refcount_t|[Kk]ernel panic'

# Who was out of memory, and how it came to that, is no mistake of the kernel's.
console() { sed -E '/invoked oom-killer/,/oom-kill:|no killable processes/d' "$1"; }

if [ -n "${3-}" ]; then
	if grep -qE "$splat" "$2" && grep -qE "$3" "$2"; then
		tally "$1: the kernel complains ($3)" 1 0 0
	else
		tally "$1: the kernel complains ($3)" 0 1 0
	fi
elif [ -s "$2" ] && ! grep -qE "$splat" < <(console "$2"); then
	tally "$1: no splat in the kernel's log" 1 0 0
else
	tally "$1: no splat in the kernel's log" 0 1 0
	grep -E -m 1 -A 20 "$splat" < <(console "$2") | sed 's/^/    | /' || true
fi
