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
mirror=("${MIRROR:+deb $MIRROR $suite main}")

# chosen PATTERN...: the packages that grep finds so, as mmdebstrap wants them.
chosen() { tr ',' '\n' <<< "$packages" | grep "$@" | tr '\n' ','; }

# An ordinary user unpacks in a user namespace, where the folder can have many owners.
in_namespace=()
[ "$(id -u)" -eq 0 ] || in_namespace=(unshare --map-root-user --map-auto --)

# make_root TARGET OPTION...: a Debian in TARGET.
make_root() {
	local target=$1 packed=$new.tar
	shift
	[ "$(id -u)" -ne 0 ] || packed=$target
	mmdebstrap --keyring="$keys" --aptopt='APT::Install-Recommends "false"' "$@" "$suite" "$packed" \
		${MIRROR:+"${mirror[@]}"}
	[ "$packed" != "$target" ] || return 0
	"${in_namespace[@]}" mkdir -p "$target"
	"${in_namespace[@]}" tar -C "$target" -xf "$packed" --exclude='./dev/*'
	rm "$packed"
}

# Programs for arm64 are linked against what is unpacked there. Nothing of it runs here,
# so that no package has to be configured, and no name is in the way of one of ours.
make_roots() {
	"${in_namespace[@]}" rm -rf "$new"
	make_root "$new" --variant=minbase --include="$(chosen -v :)"
	make_root "$new/arm64" --variant=extract --architectures=arm64 \
		--include="$(chosen :arm64 | sed 's/:arm64//g')"
	# Where rustc looks for it.
	"${in_namespace[@]}" ln -s /arm64/usr/lib/rustlib/aarch64-unknown-linux-gnu "$new/usr/lib/rustlib/"
}

step toolchain "toolchain: Debian $suite in $toolchain" make_roots
mv "$new" "$toolchain"
