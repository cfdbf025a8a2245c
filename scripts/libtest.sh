#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# libtest.sh STATUS: count what cargo's tests say on standard input, given their
# exit status, and print "PASSED FAILED". What is ignored on this kernel is left
# out; the test machine runs it.
set -euo pipefail

sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed; .*/\1 \2/p' | awk -v status="$1" '
	{ passed += $1; failed += $2 }
	END {
		if (!failed && (status || !passed))
			failed = 1
		print passed + 0, failed
	}'
