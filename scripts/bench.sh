#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot the kernel, measure restricted memory beside others, and write samples,
# tables and plots to DIR. It is measured three times: by the clock; in a machine
# whose clock counts instructions; and, what needs no machine, in user-mode Linux,
# where nothing is emulated. BENCH are options for all of them.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

dir=${DIR:-$work/bench}

# measure KERNEL LIST: boot, and say what is being measured.
measure() {
	"$scripts/boot.sh" "$1" "$2" 3600 | awk -F , '
		NF == 5 && $4 == 0 && !seen[$1]++ { print "    " $1; fflush() }'
	grep -q '^<== 0' "$logs/$1-$2.results" ||
		die "it was not all measured: $(grep '^rmem: ' "$logs/$1-$2.results")"
}

# samples KERNEL LIST: what the machine said, up to its tables, which follow an empty line.
samples() { tr -d '\r' < "$logs/$1-$2.results" | sed '/^==> /d; /^$/,$d'; }

# The numbers alone.
numbers() { samples "$@" | grep -v '^#\|^work,'; }

# Versions and the machine under the machine.
notes() {
	echo "# emulator: $(qemu-system-x86_64 --version | head -n 1)"
	echo "# host: $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1), $(nproc) of them"
	echo "# compilers: $("clang$llvm" --version | head -n 1), $(rustc --version)"
}

lock "$work/lock"
"$scripts/prepare.sh" x86_64
"$scripts/kernel.sh" native
say "measure, without emulation"
measure native bench-native
say "measure, by the clock"
measure x86_64 bench
say "measure, in instructions"
measure x86_64 bench-instructions

mkdir -p "$dir"
{
	echo "# SPDX-License-Identifier: GPL-2.0"
	notes
	samples x86_64 bench
	numbers x86_64 bench-instructions
	numbers native bench-native
} > "$dir/samples.csv"
/build/cargo/x86_64-unknown-linux-gnu/release/rmem bench --from "$dir/samples.csv" --into "$dir"
say "samples, tables and plots are in $dir"
