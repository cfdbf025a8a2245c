#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The selftests, the tests of the crate, the demo and a benchmark of tiny sizes, in the
# plain kernel under QEMU.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" x86_64 >&2
# The long ones first, for the lanes to end together.
printf 'x86_64 %s 900\n' restrictedmem pressure kvm crate demo bench-smoke init-on-free kvm-shadow
