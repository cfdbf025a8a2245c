# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# patches/series, read. It names the patches in order and with each of them the
# overlay files that go into the same commit, as git pathspecs:
#
#	0001-rust-sync-add-rwsem.patch: rust/kernel/sync/rwsem.rs
#		rust/helpers/rwsem.c
#
# An indented line goes on with the line before it. Sourced instead of lib.sh.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

series=$repo/patches/series

# The patches, in order.
series_patches() {
	sed -n 's/^\([^#[:space:]][^:]*\):.*/\1/p' "$series"
}

# series_pathspecs PATCH: what the series says about PATCH, one a line.
series_pathspecs() {
	awk -v patch="$1:" '
		/^#/ { next }
		/^[^[:space:]]/ { mine = $1 == patch; $1 = "" }
		mine { for (i = 1; i <= NF; i++) if ($i != "") print $i }
	' "$series"
}

# overlay_files PATHSPEC...: files of the checkout as they are now, committed or
# not, but no build artefacts (.gitignore).
overlay_files() {
	(cd "$repo" && git ls-files -co --exclude-standard -- "$@" | sort -u |
		while read -r file; do
			[ ! -e "$file" ] || echo "$file"
		done)
}

# series_files PATCH: the overlay files that go along with PATCH.
series_files() {
	local pathspecs
	mapfile -t pathspecs < <(series_pathspecs "$1")
	[ "${#pathspecs[@]}" -eq 0 ] || overlay_files "${pathspecs[@]}"
}

one_line() { tr -s '\n\t' '  '; }

# Every patch is in the series, every overlay file belongs to exactly one of them.
series_check() {
	local patch claimed problem listed
	[ -e "$series" ] || die "$series is missing."
	listed=$(series_patches)
	problem=$(cd "$repo/patches" && comm -3 <(echo "$listed" | sort) <(printf '%s\n' *.patch | sort) | one_line)
	[ -z "$problem" ] || die "patches/series and the files in patches/ differ: $problem"
	for patch in $listed; do
		for pathspec in $(series_pathspecs "$patch"); do
			[ -n "$(overlay_files "$pathspec")" ] ||
				die "patches/series: no file matches $pathspec ($patch)"
		done
	done
	claimed=$(for patch in $listed; do series_files "$patch"; done | sort)
	problem=$(echo "$claimed" | uniq -d | one_line)
	[ -z "$problem" ] || die "patches/series claims more than once: $problem"
	problem=$(comm -3 <(overlay_files "${overlay[@]}") <(echo "$claimed") | one_line)
	[ -z "$problem" ] || die "patches/series and the overlay differ, no patch claims: $problem"
}
