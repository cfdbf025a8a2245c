#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests of the user-space crate, as far as they run on any kernel.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

log=$logs/crate.log
mkdir -p "$logs"
cd "$repo/tools/restrictedmem"
say "cargo test"
status=0
cargo test --locked > "$log" 2>&1 < /dev/null || status=$?
read -r passed failed < <("$scripts/libtest.sh" "$status" < "$log")
tally "tools/restrictedmem: cargo test" "$passed" "$failed" 0
[ "$failed" -eq 0 ] || tail -n 40 "$log" | sed 's/^/    | /'
