#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# boot-test.sh KERNEL LIST SECONDS [SPLAT]: boot KERNEL, let it run LIST and
# count the results. A program that speaks KTAP is judged by the kernel's own
# parser of it, as those of the list "restrictedmem" have to be; tests of cargo by
# their summary, any other program by its exit status. The unit tests, of the list
# "kunit", speak it on the console. The kernel's log must be free of splats, or must
# have SPLAT. The kernel "kcsan" may tell of data races of others, see kcsan.sh.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=$1 list=$2
name=$kernel/$list
results=$logs/$kernel-$list.results
console=$logs/$kernel-$list.console
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

# judge COMMAND STATUS OUTPUT
judge() {
	local passed=0 failed=0 skipped=0
	if [ "$2" = lost ]; then
		note "$name: $1: QEMU mixed up the registers of a nested machine; it ran once more"
		return
	fi
	if [ "$1" = kmemleak ]; then
		if [ -s "$3" ]; then failed=1; else passed=1; fi
	elif grep -qE '^K?TAP version ' "$3"; then
		read -r passed failed skipped < <("$scripts/ktap.sh" "$3")
		# 4 is how kselftest says that all of it was skipped
		[ "$2" -eq 0 ] || [ "$2 $passed" = "4 0" ] || [ "$failed" -gt 0 ] || failed=1
	elif grep -q '^test result: ' "$3"; then
		read -r passed failed < <("$scripts/libtest.sh" "$2" < "$3")
	elif [ "$list" != restrictedmem ] && [ "$2" -eq 0 ] && [ -s "$3" ]; then
		passed=1
	else
		failed=1
	fi
	tally "$name: $1" "$passed" "$failed" "$skipped"
	if [ "$failed" -ne 0 ]; then
		{ grep -B 6 '^not ok' "$3" || tail -n 20 "$3"; } | head -n 60 | sed 's/^/    | /' || true
	fi
}

boot() { "$scripts/boot.sh" "$kernel" "$list" "$1" | sed -un "s,^==> ,    running $name: ,p"; }

# QEMU, where it emulates the processor, mixes up the registers of our kernel and of the
# machines inside in one of some hundred boots, or stops at a breakpoint that is no longer
# there. Then a kernel breaks that has no mistake. The plain kernel gets a second boot;
# the kernel "debug", with the same tests and KASAN, does not, and shows what is ours.
maybe_qemu() {
	[[ $name == x86_64/kvm* ]] && grep -q 'QEMU TCG CPU' "$console" && grep -q Oops "$console"
}

boot_again() {
	note "$name: the kernel broke, in a machine that is emulated; once more"
	grep -A 20 Oops "$console" | sed 's/^/    | /'
	boot "$1"
}

say "boot $kernel to run $list"
if boot "$3" || { maybe_qemu && boot_again "$3"; }; then
	tally "$name: came to its end" 1 0 0
else
	tally "$name: came to its end" 0 1 0
fi

# One file for each command, one for its output, one for its exit status.
tr -d '\r' < "$results" | awk -v parts="$parts" '
	/^==> end$/ { exit }
	/^==> / {
		part = sprintf("%s/%03d", parts, ++n)
		print substr($0, 5) > (part ".command")
		printf "" > (part ".output")
		next
	}
	/^<== / { print $2 > (part ".status"); next }
	part { print > (part ".output") }'

# In one piece, as other machines have something to say, too.
{
	if [ "$list" = kunit ]; then
		read -r passed failed skipped < <("$scripts/ktap.sh" "$console")
		tally "$name: KUnit" "$passed" "$failed" "$skipped"
	elif [ ! -e "$parts/001.command" ]; then
		tally "$name: ran something" 0 1 0
	fi
	for command in "$parts"/*.command; do
		[ -e "$command" ] || continue
		part=${command%.command}
		[ -e "$part.status" ] || echo 1 > "$part.status"
		judge "$(cat "$command")" "$(cat "$part.status")" "$part.output"
	done
	if [ "$kernel" = kcsan ]; then
		"$scripts/kcsan.sh" "$name" "$console"
	else
		"$scripts/splats.sh" "$name" "$console" "${4-}"
	fi
} > "$parts/judgement"
cat "$parts/judgement"
