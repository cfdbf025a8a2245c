#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test.sh GROUP...: run groups of tests (scripts/test-GROUP.sh) and count what
# their runs report. A group that breaks off counts as a failure of its own.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

lock "$work/lock"
export TALLY=$work/tally
tally=$TALLY
: > "$tally"
for group; do
	say "tests: $group"
	"$scripts/test-$group.sh" || tally "$group could not be run to its end" 0 1 0
done

echo
awk '$2 > 0 { $1 = $2 = $3 = ""; print "failed:" $0 }' "$tally" | sed 's/   */ /'
awk '{ passed += $1; failed += $2; skipped += $3 }
	END {
		printf "%d passed, %d failed%s\n", passed, failed, skipped ? ", " skipped " skipped" : ""
		exit failed > 0 || passed == 0
	}' "$tally"
