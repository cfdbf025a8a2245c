#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The KUnit tests, in user-mode Linux with two processors, KASAN and lockdep.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/apply.sh"
"$scripts/kernel.sh" uml

say "run KUnit in user-mode Linux"
log=$logs/unit.console
"$tree/tools/testing/kunit/kunit.py" exec --build_dir=/build/uml --timeout 600 \
	--kernel_args seccomp=on --kernel_args ncpus=2 --raw_output=all > "$log" 2>&1 < /dev/null || true
read -r passed failed skipped < <("$scripts/ktap.sh" "$log")
tally "uml: KUnit" "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] || "$tree/tools/testing/kunit/kunit.py" parse "$log" | grep -vF '[PASSED]' || true
"$scripts/splats.sh" uml "$log"
