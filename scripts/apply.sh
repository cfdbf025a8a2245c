#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Put the series (patches and overlay files) on top of the kernel tree, which is
# KERNEL_TREE or a tree of this checkout made from Debian's source. The commits
# are made without touching the work tree; then git moves it there and writes
# only what differs, so that kbuild builds only what depends on that.
set -euo pipefail
. "$(dirname "$0")/series.sh"

name=${KERNEL_TREE:-$work/linux}
base_ref=refs/memfd_restricted/base	# what the series was put on
top_ref=refs/memfd_restricted/top	# its last commit
branch=memfd_restricted

in_tree() { git -C "$tree" "$@"; }
id() { in_tree rev-parse -q --verify "$1^{commit}" || true; }

make_tree() {
	local source
	source=$("$scripts/source.sh")
	if [ "$(cat "$work/linux.source" 2> /dev/null)" != "$source" ]; then
		rm -rf "$tree"
	fi
	if [ ! -e "$tree/.git" ]; then
		need_space 8 "$work"
		rm -rf "$tree.tmp"
		step clone "kernel tree: $name" git clone -q --shared "$source" "$tree.tmp"
		mv "$tree.tmp" "$tree"
		echo "$source" > "$work/linux.source"
	fi
	rm -f "$tree/.git/index.lock"
	# In a cache that was copied git takes every file for a changed one; a reset would
	# write them all, and kbuild would build them all.
	in_tree update-index -q --refresh || true
	in_tree reset -q --hard
	base=$(git -C "$source" rev-parse HEAD)
}

# The user's own tree: nothing of theirs may get lost.
check_tree() {
	[ -e "$tree/.git" ] || die "KERNEL_TREE=$name is not the top folder of a git work tree."
	local version
	version=$(sed -n 's/^VERSION = //p; s/^PATCHLEVEL = //p' "$tree/Makefile" 2> /dev/null | paste -sd.)
	printf '%s\n' "$source_series" "$version" | sort -VC ||
		die "KERNEL_TREE=$name is Linux ${version:-of no known version}; $source_series or later is needed."
	[ -z "$(in_tree status --porcelain --untracked-files=no)" ] ||
		die "KERNEL_TREE=$name has uncommitted changes; commit or stash them first."
	[ -z "$(id $branch)" ] || [ "$(id $branch)" = "$(id $top_ref)" ] ||
		die "KERNEL_TREE=$name: branch $branch has commits that did not come from here; move them to another branch first."
	if [ "$(in_tree symbolic-ref -q HEAD)" = "refs/heads/$branch" ]; then
		base=$(id $base_ref)
	else
		base=$(id HEAD)
	fi
}

check_number() {
	local table taken
	for table in scripts/syscall.tbl arch/x86/entry/syscalls/syscall_64.tbl; do
		taken=$(in_tree show "$base:$table" | awk -v nr="$syscall_nr" '$1 == nr { print $3 }')
		[ "$taken" != "$syscall_name" ] ||
			die "$name has $syscall_name already, not as branch $branch; check out a commit without it."
		[ -z "$taken" ] ||
			die "system call number $syscall_nr is taken in $name (by $taken, $table); give $syscall_name the next free one in scripts/settings.sh and in patches/."
	done
}

# add_overlay FILE...: into the temporary index.
add_overlay() {
	local file mode
	for file; do
		mode=100644
		[ ! -x "$repo/$file" ] || mode=100755
		echo "$mode $(in_tree hash-object -w --no-filters "$repo/$file")	$file"
	done | in_tree update-index --add --index-info
}

# commit_patch PATCH PARENT: print the commit. The temporary index holds PARENT's tree.
commit_patch() {
	local info file files
	info=$(in_tree mailinfo "$tmp/message" "$tmp/diff" < "$repo/patches/$1")
	field() { echo "$info" | sed -n "s/^$1: //p"; }
	in_tree apply --cached --allow-empty --whitespace=nowarn "$tmp/diff" 2> "$tmp/errors" || {
		sed 's/^/    | /' "$tmp/errors" >&2
		die "patches/$1 does not apply to $name, at the places named above."
	}
	mapfile -t files < <(series_files "$1")
	for file in "${files[@]}"; do
		[ -z "$(in_tree ls-tree "$base" "$file")" ] ||
			die "$name has a file $file of its own; is $syscall_name in that tree already?"
	done
	add_overlay "${files[@]}"
	GIT_AUTHOR_NAME=$(field Author) GIT_AUTHOR_EMAIL=$(field Email) GIT_AUTHOR_DATE=$(field Date) \
	GIT_COMMITTER_NAME=$(field Author) GIT_COMMITTER_EMAIL=$(field Email) GIT_COMMITTER_DATE=$(field Date) \
		in_tree commit-tree -p "$2" "$(in_tree write-tree)" \
		< <(field Subject; echo; cat "$tmp/message")
}

series_check
if [ -n "${KERNEL_TREE-}" ]; then
	check_tree
else
	make_tree
fi
check_number

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export GIT_INDEX_FILE=$tmp/index
in_tree read-tree "$base"
top=$base
for patch in $(series_patches); do
	top=$(commit_patch "$patch" "$top")
done
unset GIT_INDEX_FILE

if [ "$(id HEAD)" != "$top" ] || [ "$(id $top_ref)" != "$top" ]; then
	in_tree checkout -q --no-overwrite-ignore --no-track -B "$branch" "$top"
	in_tree update-ref $base_ref "$base"
	in_tree update-ref $top_ref "$top"
	say "applied to $name: $(in_tree rev-list --count "$base..$top") commits, branch $branch"
fi
