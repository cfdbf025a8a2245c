#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the set-up says when it cannot go on, or has to go on with something else:
# the scripts themselves, with the reason put before them. Run as root of a mount
# namespace, as enter.sh does.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

dir=/build/setup-messages
rm -rf $dir
mkdir -p $dir/{bin,cache/memfd-restricted,disk,tree}
status=0

# says PATTERN COMMAND...: COMMAND must fail with a line like that.
says() {
	local pattern=$1 output
	shift
	if output=$("$@" 2>&1 < /dev/null); then
		echo "did not fail: $*"
	elif grep -qE "$pattern" <<< "$output"; then
		return
	else
		echo "does not say \"$pattern\": $*"
	fi
	echo "$output"
	status=1
}

# An archive that has the version $1 of the source, and nothing to download.
archive_with() {
	printf '#!/bin/sh\n' > $dir/bin/apt-get
	# shellcheck disable=SC2016 # for the script that is written
	printf '#!/bin/sh\n[ -z "%s" ] || echo " linux-source | %s | archive"\n' "$1" "$1" > $dir/bin/apt-cache
	chmod +x $dir/bin/apt-*
}

fetch_source=(env PATH="$dir/bin:$PATH" XDG_CACHE_HOME="$dir/cache" "$scripts/source.sh")
archive_with ""
says '^error: no linux-source-.* any more; name another mirror with MIRROR=' "${fetch_source[@]}"
archive_with "$source_series.99-1"
says "has left the archive, taking $source_series.99-1" "${fetch_source[@]}"

# A disk that is too small, for each of the two large things.
mount -t tmpfs -o size=1G disk $dir/disk
mkdir $dir/disk/memfd-restricted
says '^error: .* has 1 GiB free and this step needs [0-9]+; make room or set XDG_CACHE_HOME' \
	env XDG_CACHE_HOME=$dir/disk "$scripts/source.sh"
says '^error: .* has 1 GiB free and this step needs [0-9]+; make room or set XDG_CACHE_HOME' \
	env XDG_CACHE_HOME=$dir/disk "$scripts/toolchain.sh"
umount $dir/disk

# A user who cannot install what makes the toolchain. There is none of it in here.
printf '#!/bin/sh\necho 1000\n' > $dir/bin/id
chmod +x $dir/bin/id
says '^error: mmdebstrap is missing; install it first' \
	env PATH=$dir/bin:"$PATH" XDG_CACHE_HOME=$dir/cache "$scripts/toolchain.sh"

# A tree of the user's own that will not do.
mine=$dir/tree
apply=(env KERNEL_TREE="$mine" TREE="$mine" "$scripts/apply.sh")
says 'is not the top folder of a git work tree' "${apply[@]}"
git init -q $mine
printf 'VERSION = 6\nPATCHLEVEL = 1\n' > $mine/Makefile
says 'is Linux 6.1; [0-9.]+ or later is needed' "${apply[@]}"
printf 'VERSION = 99\nPATCHLEVEL = 0\n' > $mine/Makefile
git -C $mine add Makefile
says 'has uncommitted changes; commit or stash them first' "${apply[@]}"

exit $status
