#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# test-checks.sh [NAME]: the checks of check.sh, or the one, a result each.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if [ $# -eq 0 ]; then
	"$scripts/apply.sh"
	tally "check: series applies" 1 0 0
	sed -n 's/^check_\([^(]*\)() {.*/\1/p' "$scripts/check.sh" | each "$0"
	exit
fi

name=$1
if "$scripts/check.sh" "$name" > "$logs/check-$name.log" 2>&1 < /dev/null; then
	tally "check: $name" 1 0 0
else
	tally "check: $name" 0 1 0
	tail -n 40 "$logs/check-$name.log" | sed 's/^/    | /'
fi
