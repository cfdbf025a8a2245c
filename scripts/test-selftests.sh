#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The selftests, the tests of the crate and the demo, in the plain kernel under QEMU.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" x86_64
for list in restrictedmem crate kvm demo; do
	"$scripts/boot-test.sh" x86_64 "$list" 900
done
