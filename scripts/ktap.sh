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
grep -qE '^(\[ *[0-9.]+\] )?1\.\.[1-9]' "$1" || failed=$((failed + 1))
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
[ "$passed" -gt 0 ] || [ "$(count skipped)" -gt 0 ] || [ "$failed" -gt 0 ] || failed=1
echo "$passed $failed $(count skipped)"
