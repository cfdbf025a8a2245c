#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# check.sh NAME: one of the checks that boot nothing (check_NAME, below). Says
# what is wrong and fails. Expects the series to be applied.
set -euo pipefail
. "$(dirname "$0")/series.sh"

base=refs/memfd_restricted/base
top=refs/memfd_restricted/top
crate=tools/restrictedmem
events=include/trace/events

# A check that finds nothing to look at looks in the wrong place.
some() { grep . || { echo "no files to check"; return 1; }; }

# files PATHSPEC...: ours, into the array $files.
files() {
	local list
	list=$(overlay_files "$@" | some)
	mapfile -t files <<< "$list"
}

# The same without the user-space crate, which keeps to the rules of its own trade.
kernel_files() { files "$@" ":!$crate"; }

# none PATTERN...: grep for what must not be there.
none() {
	local status=0
	grep "$@" || status=$?
	[ "$status" -eq 1 ]
}

check_git-am() {
	local dir=/build/am
	rm -rf /build/exported
	DIR=/build/exported "$scripts/patches.sh"
	[ -e $dir/.git ] || git clone -q --shared --no-checkout "$tree" $dir
	cd $dir
	git am --abort 2> /dev/null || true
	git fetch -q "$tree" "+$base:$base" "+$top:$top"
	git checkout -q -f --detach $base
	git -c user.name=test -c user.email=test am -q /build/exported/*.patch
	git diff --exit-code --stat $top HEAD
}

check_rustfmt() {
	kernel_files '*.rs'
	cd "$repo"
	rustfmt --check --edition 2021 --config-path "$tree/.rustfmt.toml" "${files[@]}"
	cd $crate
	cargo fmt --check
}

check_clippy() {
	"$scripts/kernel.sh" clippy
	none -E '^(warning|error)' "$logs/kernel-clippy.log"
}

check_clippy-crate() {
	local target
	cd "$repo/$crate"
	for target in x86_64 aarch64; do
		cargo clippy -q --locked --all-targets --target $target-unknown-linux-gnu -- -D warnings
	done
}

# Not asked: exports that follow their function, which is in Rust; iterators that
# use an argument once, which no for_each of the kernel does; names in what it takes
# for arguments, in __cond_acquires(0, sem); extern where the whole header has it; an
# entry in MAINTAINERS, before there is a place upstream; what a commit fixes that says
# syzkaller, but describes something to it.
checkpatch=(scripts/checkpatch.pl --strict --show-types --terse -q
	--ignore "EXPORT_SYMBOL,MACRO_ARG_REUSE,FUNCTION_ARGUMENTS,AVOID_EXTERNS,FILE_PATH_CHANGES"
	--ignore MISSING_FIXES_TAG)

# checkpatch OPTIONS FILE...: minutes for all files, so those that have passed as they are
# are not looked at again.
checkpatch() {
	local command=("${checkpatch[@]}") passed=/build/checkpatch.passed file sum complaints
	local files=() sums=()
	# shellcheck disable=SC2206 # several words
	command+=($1)
	shift
	touch $passed
	for file; do
		sum=$({ echo "${command[*]} $file" && cat scripts/checkpatch.pl "$file"; } | sha256sum)
		grep -qxF "$sum" $passed || { files+=("$file") && sums+=("$sum"); }
	done
	[ "${#files[@]}" -ne 0 ] || return 0
	if ! complaints=$("${command[@]}" "${files[@]}" 2>&1 | sed '/^total: 0 errors, 0 warnings, 0 checks/d') ||
		[ -n "$complaints" ]; then
		echo "$complaints"
		return 1
	fi
	printf '%s\n' "${sums[@]}" >> $passed
}

check_checkpatch() {
	kernel_files "${overlay[@]}" ":!$events"
	cd "$tree"
	checkpatch -f "${files[@]}"
	# Their lines end and continue as no other C does.
	kernel_files "$events"
	checkpatch "--ignore OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT -f" "${files[@]}"
}

check_checkpatch-series() {
	rm -rf /build/checked
	git -C "$tree" format-patch -q --zero-commit --no-renames -o /build/checked $base..$top -- . \
		":!$crate" ":!$events"
	cd "$tree"
	checkpatch "" /build/checked/*
}

check_kernel-doc() {
	kernel_files 'include/*.h' 'mm/*.[ch]' 'virt/*.[ch]'
	cd "$tree"
	none . < <(tools/docs/kernel-doc -none -Wall -Werror "${files[@]}" 2>&1 || echo failed)
}

check_shellcheck() {
	cd "$repo"
	files '*.sh' .ci/run scripts/init scripts/demo-init
	shellcheck -x "${files[@]}"
}

# The command, for what it writes about itself.
rmem() {
	(cd "$repo/$crate" && cargo run -q --locked -- "$@")
}

check_completions() {
	rmem completions bash | some | bash -n
}

check_man-page() {
	files '*.2'
	rm -rf /build/man
	rmem man /build/man
	cd "$repo"
	for file in "${files[@]}" /build/man/*; do
		none . < <(groff -man -Tutf8 -ww -z "$file" 2>&1)
	done
}

check_readme() {
	"$scripts/readme-examples.sh"
	cd "$repo"
	# What README.md quotes of a table is what the table says.
	sed -nE 's/^<!-- ([^ ]+) -->$/\1/p' README.md | { grep '/README\.md$' || echo "no tables"; } |
		while read -r page; do
			sed -n "\\|^<!-- $page -->$|,/^$/p" README.md | { grep '^|' || echo "no rows of $page"; } |
				{ grep -vxFf "$page" 2>&1 || true; }
		done | none .
}

# The core serves any consumer and names none.
check_words() {
	cd "$repo"
	none -riwE 'kvm|gunyah|guest|vm|vms|hypervisor' mm/restrictedmem \
		include/linux/restrictedmem.h include/uapi/linux/restrictedmem.h
}

check_spdx() {
	files . ':!*.patch' ':!*LICENSE*' ':!*Cargo.lock' ':!*.md'
	cd "$repo"
	for file in "${files[@]}"; do
		head -n 3 "$file" | grep -q 'SPDX-License-Identifier: ' || echo "$file: no SPDX line"
	done | none .
}

check_length() {
	files . ':!*.patch' ':!*LICENSE*' ':!*Cargo.lock' ':!*.csv'
	cd "$repo"
	wc -l "${files[@]}" | awk '$2 != "total" && $1 > 650 { print $2 ": " $1 " lines" }' | none .
}

# Kernel code that is not a wrapper is safe Rust, but for the boundary to C.
check_unsafe() {
	kernel_files '*.rs' ':!rust/kernel' ':!*/ffi.rs' ':!*/ffi/*.rs'
	cd "$repo"
	none -nE '\bunsafe (\{|fn|impl|extern|trait)|unsafe\(' "${files[@]}"
}

# Every table that has the system call has it under the one number, and those
# that this project promises have it.
check_syscall-number() {
	local table tables number
	cd "$tree"
	# In every table, or the build of its architecture warns.
	mapfile -t tables < <(git ls-files 'arch/*/syscall*.tbl' scripts/syscall.tbl)
	for table in "${tables[@]}"; do
		number=$syscall_nr
		[[ $table != arch/alpha/* ]] || number=$((number + 110))
		grep -qE "^${number}[[:space:]]+[a-z0-9]+[[:space:]]+${syscall_name}[[:space:]]+sys_${syscall_name}$" "$table" ||
			{ echo "$table: no $syscall_name, or not with the number $number"; return 1; }
	done
	git grep -iE "(define|const) .*NR_${syscall_name}(:.*=)?[[:space:]]+[0-9]" | none -vE "[^0-9]$syscall_nr;?$"
	grep -qx "#define __NR_syscalls $((syscall_nr + 1))" include/uapi/asm-generic/unistd.h
}

# The pages that say what tests what name tests that are there.
check_promises() {
	local kind name files pattern missing=0
	local pages=(Documentation/mm/restrictedmem-{tests,secrecy}.rst)
	cd "$repo"
	while read -r kind name; do
		case $kind in
		kunit) files=(mm/restrictedmem) pattern="fn $name\\(" ;;
		gunyah) files=(drivers/virt/gunyah) pattern="fn $name\\(" ;;
		kvm) files=(tools/testing/selftests/kvm) pattern=" $name\\(" ;;
		*)
			files=("tools/testing/selftests/restrictedmem/${kind}_test.c")
			pattern="^TEST.*\\b${name}[,)]"
			;;
		esac
		grep -rqE "$pattern" "${files[@]}" || { echo "no test $kind: $name"; missing=1; }
	done < <(cat "${pages[@]}" | tr '`' '\n' | sed -n 's/^\([a-z_]*\): \([a-z_0-9]*\)$/\1 \2/p' | some)
	[ "$missing" -eq 0 ]
}

# What is described to syzkaller is what the headers say, on each architecture.
check_syzkaller() {
	local arch kernel_arch triple
	cd "$repo"
	# describes PAGE HEADER...
	describes() {
		scripts/syzkaller.py "$arch" "tools/testing/syzkaller/$1" "${@:2}" > "/build/syzkaller-$arch.c"
		"clang$llvm" --target="$triple" -fsyntax-only -Werror -nostdinc \
			-isystem "/build/headers-$arch/usr/include" -I . "/build/syzkaller-$arch.c"
	}
	while read -r arch kernel_arch triple; do
		make -s -C "$tree" O="/build/headers-$arch" ARCH="$kernel_arch" LLVM="$llvm" headers < /dev/null
		describes memfd_restricted.txt include/uapi/linux/restrictedmem.h \
			mm/restrictedmem/test_consumer_uapi.h
		describes dev_gunyah.txt include/uapi/linux/gunyah.h
	done <<- end
		amd64 x86_64 x86_64-linux-gnu
		arm64 arm64 aarch64-linux-gnu
	end
}

check_setup-messages() {
	"$scripts/setup-messages.sh"
}

check_places() {
	files . ':!*Cargo.lock'
	cd "$repo"
	none -nE '(^|[^[:alnum:]_.$}*])/(root|home|work)/|//[^/ ]*(debian|ubuntu|mirror)' "${files[@]}"
}

"check_$1"
