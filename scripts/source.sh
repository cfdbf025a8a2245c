#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Bring the pristine kernel source into the cache, as a bare git repository with
# one commit, and print the repository's path.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# A source that is there already stays good after its version left the archive.
newest() { find "$cache" -maxdepth 1 -name "linux-$1.git" | sort -V | tail -n 1; }
found=$(newest "$source_pinned")
[ -n "$found" ] || found=$(newest "$source_series.*")
[ -z "$found" ] || { echo "$found"; exit; }

lock "$cache/source.lock"
found=$(newest "$source_series.*")
[ -z "$found" ] || { echo "$found"; exit; }
need_space 6 "$cache"

package=linux-source-$source_series
new=$cache/source.tmp
apt=(apt-get -o Dir::State::lists="$new/lists" -o Dir::Etc::sourcelist="$new/sources.list"
	-o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root)

list_versions() {
	local mirror=${MIRROR-}
	[ -n "$mirror" ] || mirror=$(awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list)
	rm -rf "$new"
	mkdir -p "$new/lists/partial"
	echo "deb $mirror $source_suite main" > "$new/sources.list"
	"${apt[@]}" update
	"${apt[@]/apt-get/apt-cache}" madison "$package" | awk '{ print $3 }' > "$new/versions"
}

download() {
	cd "$new"
	"${apt[@]}" download "$package=$1"
	dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards "./usr/src/$package.tar*"
	mkdir linux
	tar -C linux --strip-components=1 -xf usr/src/"$package".tar*
}

make_git() {
	export GIT_AUTHOR_NAME=Linux GIT_AUTHOR_EMAIL=linux GIT_AUTHOR_DATE='@0 +0000' \
		GIT_COMMITTER_NAME=Linux GIT_COMMITTER_EMAIL=linux GIT_COMMITTER_DATE='@0 +0000'
	git init -q -b base --separate-git-dir "$new/git" "$new/linux"
	cd "$new/linux"
	git config gc.auto 0
	git add -A -f
	git commit -q -m "Linux $(make -s kernelversion)" -m "Debian's $package $1."
	git config --unset core.worktree || true
	git config core.bare true
}

{
	step source-list "kernel source: which versions of $package are there" list_versions
	version=$source_pinned
	if ! grep -qxF "$version" "$new/versions"; then
		version=$(grep "^${source_series//./\\.}\." "$new/versions" | sort -V | tail -n 1 || true)
		[ -n "$version" ] ||
			die "no $package in $source_suite any more; name another mirror with MIRROR= (an archive of old packages, say) or a git tree of yours with KERNEL_TREE=."
		note "$source_pinned has left the archive, taking $version"
	fi
	step source-download "kernel source: download and unpack $package $version" download "$version"
	step source-git "kernel source: make a git repository of it" make_git "$version"
} >&2
mv "$new/git" "$cache/linux-$version.git"
rm -rf "$new"
echo "$cache/linux-$version.git"
