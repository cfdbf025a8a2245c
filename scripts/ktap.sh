#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ktap.sh FILE: count the KTAP results in FILE with the kernel's own parser and
# print "PASSED FAILED SKIPPED". No results, or fewer than planned, or no plan
# are failures.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

status=0
summary=$("$tree/tools/testing/kunit/kunit.py" parse "$1" | grep 'Testing complete') || status=$?

count() { sed -nE "s/.*[ ,]$1: ([0-9]+).*/\1/p" <<< "$summary" | grep . || echo 0; }

passed=$(count passed)
failed=$(($(count failed) + $(count crashed)))
skipped=$(count skipped)
grep -qE '^(\[ *[0-9.]+\] )?1\.\.[1-9]' "$1" || failed=$((failed + 1))
if [ "$failed" -eq 0 ] && [ "$passed" -eq 0 ]; then
	# The parser fails if all was skipped; without a result we do.
	[ "$skipped" -gt 0 ] || failed=1
elif [ "$failed" -eq 0 ] && [ "$status" -ne 0 ]; then
	failed=1
fi
echo "$passed $failed $skipped"
