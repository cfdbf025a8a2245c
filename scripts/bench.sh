#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot the kernel, measure restricted memory beside others, and write samples,
# tables and plots to DIR. It is measured twice: by the clock, and in a machine
# whose clock counts instructions. BENCH are options for both.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

dir=${DIR:-$work/bench}

# measure LIST: boot, and say what is being measured.
measure() {
	"$scripts/boot.sh" x86_64 "$1" 3600 | awk -F , '
		NF == 5 && $4 == 0 && !seen[$1]++ { print "    " $1; fflush() }'
	grep -q '^<== 0' "$logs/x86_64-$1.results" ||
		die "it was not all measured: $(grep '^rmem: ' "$logs/x86_64-$1.results")"
}

# samples LIST: what the machine said, up to its tables, which follow an empty line.
samples() { tr -d '\r' < "$logs/x86_64-$1.results" | sed '/^==> /d; /^$/,$d'; }

# Versions and the machine under the machine.
notes() {
	echo "# emulator: $(qemu-system-x86_64 --version | head -n 1)"
	echo "# host: $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1), $(nproc) of them"
	echo "# compilers: $("clang$llvm" --version | head -n 1), $(rustc --version)"
}

lock "$work/lock"
"$scripts/prepare.sh" x86_64
say "measure, by the clock"
measure bench
say "measure, in instructions"
measure bench-instructions

mkdir -p "$dir"
{
	echo "# SPDX-License-Identifier: GPL-2.0"
	notes
	samples bench
	samples bench-instructions | grep -v '^#\|^work,'
} > "$dir/samples.csv"
/build/cargo/x86_64-unknown-linux-gnu/release/rmem bench --from "$dir/samples.csv" --into "$dir"
say "samples, tables and plots are in $dir"
