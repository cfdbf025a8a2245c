#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The examples in README.md are the files that the tests compile: a code block in
# C or Rust follows a line "<!-- FILE -->" and equals FILE, or what FILE has
# between lines that end in "begins here." and have "ends here."
set -euo pipefail
cd "$(dirname "$0")/.."

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# N.file names the source of the Nth block, N.block is its text.
awk -v tmp="$tmp" '
	/^```/ && block { close(block); block = ""; next }
	block { print > block; next }
	/^<!-- [^ ]+ -->$/ { file = $2; next }
	/^```(c|rust)$/ {
		block = tmp "/" ++n ".block"
		printf "" > block
		print file > (tmp "/" n ".file")
	}
	{ file = "" }' README.md

# The part between the markers, if there are some, without blank lines around it.
example() {
	if grep -q 'begins here\.$' "$1"; then
		sed -n '/begins here\.$/,/ends here\./ { //!p }' "$1"
	else
		cat "$1"
	fi | sed '/./,$!d' | sed -e :a -e '/^\n*$/ { $d; N; ba' -e '}'
}

status=0
for block in "$tmp"/*.block; do
	[ -e "$block" ] || { echo "README.md: no examples"; exit 1; }
	file=$(cat "${block%.block}.file")
	if [ ! -f "$file" ]; then
		echo "README.md: an example is from '$file', which is no file:"
		head -n 3 "$block"
		status=1
	elif ! example "$file" | diff -u --label "README.md" --label "$file" "$block" -; then
		status=1
	fi
done
exit $status
