#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# prepare.sh KERNEL: everything that a boot of KERNEL under QEMU needs.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

"$scripts/apply.sh"
"$scripts/kernel.sh" "$1"
"$scripts/initramfs.sh" "$1"
