#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The unit tests and selftests once more, in a kernel that watches itself: KASAN,
# lockdep, kmemleak. Then the tests that break the rules on purpose, one boot
# each, where the kernel has to complain.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" debug
for list in kunit restrictedmem kvm; do
	"$scripts/boot-test.sh" debug "$list" 1800
done
