#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test.sh GROUP...: run groups of tests and count what their runs report. A group is
# a script, test-GROUP.sh, or a list of boots that boots-GROUP.sh prints when it has
# made what they need. The boots of all groups share the lanes: while one group is
# running, the kernel of the next is made. A group that breaks off counts as a
# failure of its own.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

lock "$work/lock"
export TALLY=$work/tally
tally=$TALLY
: > "$tally"

broke_off() { tally "$1 could not be run to its end" 0 1 0; }

boots=()
for group; do
	if [ -e "$scripts/boots-$group.sh" ]; then
		boots+=("$group")
		continue
	fi
	say "tests: $group"
	"$scripts/test-$group.sh" || broke_off "$group"
done

# Tests have limits of time, builds have not: they take what the machines leave.
print_boots() {
	for group in "${boots[@]}"; do
		say "tests: $group" >&2
		nice -n 19 "$scripts/boots-$group.sh" || broke_off "$group" >&2
	done
}
[ "${#boots[@]}" -eq 0 ] || print_boots | each "$scripts/boot-test.sh" || broke_off "a boot"

echo
awk '$2 > 0 { $1 = $2 = $3 = ""; print "failed:" $0 }' "$tally" | sed 's/   */ /'
awk '{ passed += $1; failed += $2; skipped += $3 }
	END {
		printf "%d passed, %d failed%s\n", passed, failed, skipped ? ", " skipped " skipped" : ""
		exit failed > 0 || passed == 0
	}' "$tally"
