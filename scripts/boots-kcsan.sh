#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Storms, random operations and KVM in a kernel for x86_64 that watches C code for data
# races.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" kcsan >&2
echo kcsan races 1200
