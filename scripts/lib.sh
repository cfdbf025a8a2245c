# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# Names and helpers that all scripts share. Sourced, not run.

shopt -s inherit_errexit
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
repo=${scripts%/*}
. "$scripts/settings.sh"

# Caches are shared between checkouts, $work belongs to this one (and to this
# KERNEL_TREE, if one is given). Inside the toolchain root $work also appears as
# /build, so that compiler caches see the same paths for every checkout.
cache=${XDG_CACHE_HOME:-~/.cache}/memfd-restricted
work=$cache/work/$(echo "$repo ${KERNEL_TREE-}" | sha256sum | cut -c1-12)
logs=$work/logs
tally=${TALLY:-/dev/null}
tree=${TREE:-/build/linux}

packages=$(grep -v '^#' "$scripts/toolchain.packages" | tr -s '\n' ',')
toolchain=$cache/toolchain-$(echo "$suite $packages" | sha256sum | cut -c1-12)

say() { echo "==> $*"; }
note() { echo "    $*"; }
die() { echo "error: $*" >&2; exit 1; }

# need_space GIB FOLDER: stop early rather than fill the disk.
need_space() {
	local free
	free=$(df --output=avail -BG "$2" | tail -n 1 | tr -dc 0-9)
	[ "$free" -ge "$1" ] ||
		die "$2 has $free GiB free and this step needs $1; make room or set XDG_CACHE_HOME to a larger disk."
}

# lock FILE: wait until nobody else holds FILE; ours until the script ends.
lock() {
	mkdir -p "$(dirname "$1")"
	exec 9> "$1"
	flock -n 9 || { note "waiting for another run to release $1"; flock 9; }
}

minutes() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# step LOG WHAT COMMAND...: run COMMAND with its output in $logs/LOG.log. Says
# what is going on, every half minute how far it got (kbuild prints a line for
# each file; $steps says how many to expect), and shows the first errors and the end of the log if it fails.
step() {
	local log=$logs/$1.log what=$2 start=$SECONDS ticker status=0
	shift 2
	mkdir -p "$logs"
	say "$what"
	(
		trap 'kill "$pause" 2> /dev/null; exit' TERM
		while sleep 30 & pause=$!; wait "$pause"; do
			done=$(grep -cE '^  [A-Z]' "$log" || true)
			note "${steps:+step $done of about $steps, }$(minutes $((SECONDS - start)))"
		done
	) &
	ticker=$!
	"$@" > "$log" 2>&1 < /dev/null || status=$?
	kill "$ticker" 2> /dev/null || true
	wait "$ticker" 2> /dev/null || true
	if [ "$status" -ne 0 ]; then
		{
			grep -E -A 8 '(^|[ :])error(:|\[)|\*\*\*' "$log" | head -n 30 || true
			echo ...
			tail -n 8 "$log"
		} | sed 's/^/    | /'
		die "$what: failed after $(minutes $((SECONDS - start))); all of its output is in $log"
	fi
	note "done in $(minutes $((SECONDS - start)))"
}

# each COMMAND...: run it with the words of each line of the standard input as further
# arguments, several at a time: a test machine has two processors, of which a test uses
# one, and up to 4 GiB.
each() {
	local room=$(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo) >> 22))
	local lanes=$(($(nproc) < room ? $(nproc) : room))
	xargs -L 1 -P $((lanes > 1 ? lanes : 1)) "$@"
}

# fresh FILE INPUTS: was the result that FILE stands for made from these INPUTS?
# stamp FILE INPUTS: it is now.
fresh() { [ "$(cat "$1" 2> /dev/null)" = "$2" ]; }
stamp() { echo "$2" > "$1"; }

# tally NAME PASSED FAILED SKIPPED: show a result and count it (in TALLY, if it is set).
tally() {
	local mark=ok counts=
	[ "$3" -eq 0 ] || mark="not ok"
	[ $(($2 + $3 + $4)) -eq 1 ] || counts=" ($2 passed, $3 failed, $4 skipped)"
	[ "$4" -eq 0 ] || [ $(($2 + $3)) -ne 0 ] || counts=" # SKIP"
	echo "$mark $1$counts"
	echo "$2 $3 $4 $1" >> "$tally"
}

# Tests that have to make the kernel complain, from lines "COMMAND => PATTERN":
# prints NUMBER, COMMAND and PATTERN of each, with tabs between them.
splat_tests() {
	sed -nE 's/^([^#]*[^#[:space:]])[[:space:]]+=>[[:space:]]+(.*)/\1\t\2/p' \
		"$tree/tools/testing/selftests/restrictedmem/splat_tests.list" | cat -n | sed 's/^ *//'
}
