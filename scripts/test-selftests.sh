#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The selftests, the tests of the crate, the demo and a benchmark of tiny sizes, in the
# plain kernel under QEMU.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" x86_64
for list in restrictedmem init-on-free pressure crate kvm demo bench-smoke; do
	"$scripts/boot-test.sh" x86_64 "$list" 900
done
