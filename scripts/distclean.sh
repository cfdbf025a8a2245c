#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Remove all caches. The toolchain root of an ordinary user has files of other
# owners, which only its user namespace may remove.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" -eq 0 ]; then
	rm -rf "$cache"
else
	unshare --map-root-user --map-auto -- rm -rf "$cache"
fi
