#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# enter.sh COMMAND...: run COMMAND in the toolchain root (made if it is missing)
# with this repository, the cache and KERNEL_TREE in their usual places.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# An ordinary user's PATH does not lead to chroot.
PATH+=:/usr/sbin:/sbin

if [ "${1-}" != --mounted ]; then
	for tool in unshare mount chroot git; do
		command -v "$tool" > /dev/null || die "$tool is missing; install it (on Debian and Ubuntu: apt-get install util-linux mount coreutils git)."
	done
	namespace=(--mount --propagation private)
	[ "$(id -u)" -eq 0 ] || namespace+=(--map-root-user --map-auto)
	unshare "${namespace[@]}" -- true ||
		die "no mount namespace to be had here; run as root, or allow user namespaces (and install uidmap) for this user."
	mkdir -p "$work" "$cache/ccache" "$cache/home/.cargo"
	echo "$repo ${KERNEL_TREE-}" > "$work/checkout"
	"$scripts/toolchain.sh"
	exec unshare "${namespace[@]}" -- "$0" --mounted "$@"
fi
shift

# bind SOURCE [TARGET]: let SOURCE of the host appear in the root.
bind() {
	local to=$toolchain${2-$1}
	if [ -d "$1" ]; then
		mkdir -p "$to"
	else
		mkdir -p "$(dirname "$to")"
		[ -e "$to" ] || touch "$to"
	fi
	mount --rbind "$1" "$to"
}

# bind_git FOLDER: a work tree together with its git directory, wherever that is.
bind_git() {
	local git
	bind "$1"
	git=$(git -c safe.directory='*' -C "$1" rev-parse --path-format=absolute --git-common-dir 2> /dev/null || true)
	case $git in
	"" | "$1"/*) ;;
	*) bind "$git" ;;
	esac
}

for special in /dev /proc /sys; do
	bind "$special"
done
bind "$cache"
bind "$work" /build
bind_git "$repo"
if [ -n "${DIR-}" ]; then
	mkdir -p "$DIR"
	bind "$DIR"
fi
if [ -n "${KERNEL_TREE-}" ]; then
	bind_git "$KERNEL_TREE"
	bind "$KERNEL_TREE" "$tree"
fi
[ -z "${HYPVM-}" ] || bind "$HYPVM"

# The network as the host reaches it: resolver, certificates, cargo's settings.
for file in /etc/resolv.conf /etc/hosts; do
	[ ! -e "$file" ] || bind "$(realpath "$file")" "$file"
done
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
[ ! -e "$certificates" ] || bind "$certificates" /etc/ssl/certs/ca-certificates.crt
config=${CARGO_HOME:-~/.cargo}/config.toml
[ ! -e "$config" ] || bind "$config" "$cache/home/.cargo/config.toml"

arm64_flags=(-C target-feature=+crt-static -C "linker=clang$llvm" -C link-arg=-fuse-ld=lld
	-C link-arg=--target=aarch64-linux-gnu -C link-arg=--sysroot=/arm64)
environment=(
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	LANG=C.UTF-8
	TERM="${TERM-dumb}"
	HOME="$cache/home"
	XDG_CACHE_HOME="${cache%/*}"
	CCACHE_DIR="$cache/ccache"
	CARGO_TARGET_DIR=/build/cargo
	CARGO_BUILD_TARGET=x86_64-unknown-linux-gnu
	CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS='-C target-feature=+crt-static'
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="${arm64_flags[*]}"
	PYTHONDONTWRITEBYTECODE=1
	GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
)
for name in http_proxy https_proxy no_proxy HTTPS_PROXY MIRROR KERNEL_TREE DIR MINUTES BENCH HYPVM \
		"${!CARGO_HTTP_@}" "${!CARGO_NET_@}" "${!CARGO_REGISTR@}" "${!CARGO_SOURCE_@}"; do
	[ -z "${!name-}" ] || environment+=("$name=${!name}")
done

exec chroot "$toolchain" env -i -C "$repo" "${environment[@]}" "$@"
