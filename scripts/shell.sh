#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot the kernel to a shell, with the tools and tests in it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

(lock "$work/lock" && "$scripts/prepare.sh" x86_64)
exec "$scripts/boot.sh" x86_64 shell
