#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Make the toolchain root, a small Debian of its own, so that any host will do.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ -e "$toolchain/etc/debian_version" ] && exit

lock "$cache/toolchain.lock"
[ -e "$toolchain/etc/debian_version" ] && exit
need_space 4 "$cache"

install_mmdebstrap() {
	apt-get update && apt-get install -y --no-install-recommends mmdebstrap debian-archive-keyring
}

if ! command -v mmdebstrap > /dev/null; then
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
		die "mmdebstrap is missing; install it first (on Debian and Ubuntu: apt-get install mmdebstrap debian-archive-keyring uidmap)."
	fi
	step mmdebstrap "install mmdebstrap" install_mmdebstrap
fi

# The host's own mirror if it has one, else mmdebstrap's default.
if [ -z "${MIRROR-}" ] && command -v apt-get > /dev/null; then
	# shellcheck disable=SC2016 # apt expands $(REPO_URI), not the shell
	MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
		grep -v security | head -n 1 || true)
fi

# On Ubuntu apt does not trust Debian's keys by itself.
keys=/usr/share/keyrings/debian-archive-keyring.gpg

new=$toolchain.tmp
debootstrap=(mmdebstrap --variant=minbase --keyring="$keys" --include="$packages"
	--aptopt='APT::Install-Recommends "false"' "$suite")
mirror=("${MIRROR:+deb $MIRROR $suite main}")

as_root() {
	rm -rf "$new"
	"${debootstrap[@]}" "$new" ${MIRROR:+"${mirror[@]}"}
}

# An ordinary user unpacks in a user namespace, where the folder can have many owners.
as_user() {
	unshare --map-root-user --map-auto -- rm -rf "$new"
	"${debootstrap[@]}" "$new.tar" ${MIRROR:+"${mirror[@]}"}
	mkdir "$new"
	unshare --map-root-user --map-auto -- tar -C "$new" -xf "$new.tar" --exclude='./dev/*'
	rm "$new.tar"
}

if [ "$(id -u)" -eq 0 ]; then
	step toolchain "toolchain: Debian $suite in $toolchain" as_root
else
	step toolchain "toolchain: Debian $suite in $toolchain" as_user
fi
mv "$new" "$toolchain"
