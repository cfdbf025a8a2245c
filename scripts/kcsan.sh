#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# kcsan.sh NAME CONSOLE: what the detector of data races said. A race is ours if the
# function that made one of the two accesses, or the one that called it, is in an
# object of ours: whatever is inline, or a helper for Rust, is one call away, and so is
# what we call without the lock that it wants. Races of others are named and counted,
# no more. Apart from the reports the log must be free of splats.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Races of ours that are meant to be, by their title.
#
# KVM: who handles a fault looks without mmu_lock whether an invalidation is going on,
# and once more with it: see mmu_invalidate_retry_gfn_unsafe().
known='data-race in kvm_mmu_faultin_pfn / kvm_mmu_invalidate_(start|end|range_add)$'

parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
: > "$parts/others"
: > "$parts/known"
: > "$parts/rest"

"llvm-nm$llvm" --defined-only --format=just-symbols /build/kcsan/mm/restrictedmem/*.o \
	/build/kcsan/drivers/virt/gunyah/*.o /build/kcsan/virt/kvm/restrictedmem.o | sort -u > "$parts/ours"

# One file for each report, one for the rest, and the titles of those that do not count.
tr -d '\r' < "$2" | awk -v parts="$parts" -v known="$known" '
	NR == FNR { ours[$1]; next }
	{ sub(/^\[[^]]*\] /, "") }
	/^BUG: KCSAN:/ { report = parts "/report" ++n; title = $0; mine = 0 }
	report && /^=====/ {
		close(report)
		if (!mine || title ~ known) {
			print title > (parts (mine ? "/known" : "/others"))
			system("rm " report)
		}
		report = ""
		next
	}
	!report { print > (parts "/rest"); next }
	{ print > report }
	/(read|write|race).* to 0x[0-9a-f]* of / { frame = 0; next }
	match($0, /^ +[^ +]+\+0x/) && ++frame <= 2 {
		name = substr($0, 1, RLENGTH - 3)
		gsub(/ /, "", name)
		if (name in ours)
			mine = 1
	}' "$parts/ours" -

races=$(find "$parts" -name 'report*' | wc -l)
for report in "$parts"/report*; do
	[ -e "$report" ] || continue
	head -n 40 "$report" | sed 's/^/    | /'
done

count() { wc -l < "$parts/$1"; }
note "$races data races of ours, $(count known) that are meant to be, $(count others) of others"
sort "$parts/known" "$parts/others" | uniq -c | sort -rn | head -n 20 | sed 's/^/    /'
if [ "$races" -eq 0 ] && grep -q 'kcsan: enabled' "$parts/rest"; then
	tally "$1: no data race of ours" 1 0 0
else
	tally "$1: no data race of ours" 0 1 0
fi
"$scripts/splats.sh" "$1" "$parts/rest"
