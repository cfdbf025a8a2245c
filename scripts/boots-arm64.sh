#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The unit tests, the selftests, the crate with its demo and benchmark on arm64, in a machine
# that QEMU emulates.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" arm64 >&2
printf 'arm64 %s 900\n' restrictedmem kvm bench-smoke crate demo kunit
