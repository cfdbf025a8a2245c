#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Remove what was built for this checkout.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

lock "$work/lock"
rm -rf "$work"
