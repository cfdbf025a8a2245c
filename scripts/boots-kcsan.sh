#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Storms, random operations and KVM in a kernel that watches C code for data races, and
# what wants the memory of a device, programs of 32 bits or a security module.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" kcsan >&2
echo kcsan races 1200
