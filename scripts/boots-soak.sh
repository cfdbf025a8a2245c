#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What finds the rare things, over and over for MINUTES, in the kernel that watches
# itself: random operations against a model, storms, failing allocations. Each round
# has another seed, which it prints.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/prepare.sh" debug >&2
echo debug soak $((MINUTES * 60 + 1800))
