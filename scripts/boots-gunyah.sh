#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Machines of Gunyah, below the hypervisor that HYPVM names, on an emulated arm64.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" arm64 >&2
echo arm64 gunyah 400
