#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The unit tests and selftests once more, in a kernel that watches itself: KASAN,
# lockdep, kmemleak. Then the tests that break the rules on purpose, one boot
# each, where the kernel has to complain.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" debug

"$scripts/boot-test.sh" debug kunit 600
read -r passed failed skipped < <("$scripts/ktap.sh" "$logs/debug-kunit.console")
tally "debug/kunit: KUnit" "$passed" "$failed" "$skipped"

for list in restrictedmem pressure-debug kvm-restrictedmem; do
	"$scripts/boot-test.sh" debug "$list" 1800
done

splat_tests | while IFS=$'\t' read -r number _ pattern; do
	"$scripts/boot-test.sh" debug "splat-$number" 600 "$pattern"
done
