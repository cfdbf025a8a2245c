#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests of the user-space crate, as far as they run on any kernel.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

log=$logs/crate-test.log
mkdir -p "$logs"
cd "$repo/tools/restrictedmem"
cargo test --locked > "$log" 2>&1 < /dev/null || status=$?
counts=$(sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed; ([0-9]+) ignored.*/\1 \2 \3/p' "$log" |
	awk '{ passed += $1; failed += $2; ignored += $3 } END { print passed + 0, failed + 0, ignored + 0 }')
read -r passed failed skipped <<< "$counts"
[ "${status:-0}" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
[ "$passed" -gt 0 ] || failed=$((failed + 1))
tally "tools/restrictedmem: cargo test" "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] || tail -n 40 "$log" | sed 's/^/    | /'
