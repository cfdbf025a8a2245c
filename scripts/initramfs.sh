#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# initramfs.sh KERNEL: build what runs inside the test machine, and pack it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=/build/$1
selftests=$tree/tools/testing/selftests
user=/build/user			# built user space, the same for every kernel
files=$kernel/initramfs			# what gets packed
lists=$selftests/restrictedmem

headers=/build/x86_64/usr/include
user_headers() {
	make -C "$tree" O=/build/x86_64 ARCH=x86_64 LLVM="$llvm" headers
}

# make_in FOLDER ARGUMENT...: static programs, as there are no libraries in the machine.
make_in() {
	local folder=$1
	shift
	mkdir -p "$user/$folder"
	make -C "$selftests/$folder" -j"$(nproc)" LLVM="$llvm" OUTPUT="$user/$folder" \
		KHDR_INCLUDES="-isystem $headers" USERLDFLAGS=-static "$@"
}

# The programs that our list of KVM tests names.
kvm_programs() {
	sed 's/#.*//' "$lists/kvm_tests.list" | awk 'NF { print $1 }' | sort -u
}

# Those and no others. libvfio is for a test that is not among them and would
# bring in libuuid; -no-pie, which the Makefile sets, means nothing beside -static.
build_kvm() {
	local programs
	mapfile -t programs < <(kvm_programs)
	make_in kvm ARCH=x86_64 USERCFLAGS=-Wno-unused-command-line-argument \
		LIBVFIO_O= LIBVFIO_O_DIRS= LDLIBS=-ldl "${programs[@]/#/$user/kvm/}"
}

build_tools() {
	cd "$repo/tools/restrictedmem"
	cargo build --release --locked
	cargo test --no-run --locked --test system_call --message-format=json |
		sed -n 's/.*"executable":"\([^"]*system_call[^"]*\)".*/\1/p' > $user/crate-test
}

# add FILE FOLDER: to what gets packed, without its debug information.
add() {
	mkdir -p "$files/$2"
	"llvm-strip$llvm" --strip-debug "$1" -o "$files/$2/${1##*/}"
}

pack() {
	local program
	rm -rf "$files"
	mkdir -p "$files"/{bin,dev,proc,sys,lists,tests,kvm,lib/modules}
	cp "$scripts/init" "$files/init"
	cp /bin/busybox "$files/bin/"
	add /build/cargo/x86_64-unknown-linux-gnu/release/rmem bin
	sed -n 's/\.o$/.ko/p' "$kernel/modules.order" | while read -r program; do
		add "$kernel/$program" lib/modules
	done

	add "$(cat $user/crate-test)" tests
	mv "$files"/tests/system_call-* "$files/tests/system_call"

	# One list of commands for each kind of boot.
	make_in restrictedmem -s emit_tests | sed -n 's/.*://p' | while read -r program; do
		add "$user/restrictedmem/$program" tests
		splat_tests | grep -qF "./$program " || echo "./$program" >> "$files/lists/restrictedmem"
	done
	sed 's/#.*//; /^[[:space:]]*$/d; s/^/\/kvm\//' "$lists/kvm_tests.list" > "$files/lists/kvm"
	grep -v 'p guest_memfd' "$files/lists/kvm" > "$files/lists/kvm-restrictedmem"
	kvm_programs | while read -r program; do
		add "$user/kvm/$program" "kvm/$(dirname "$program")"
	done
	echo "./system_call --include-ignored" > "$files/lists/crate"
	echo "rmem demo" > "$files/lists/demo"
	: > "$files/lists/kunit"	# runs at boot, by itself
	splat_tests | while IFS=$'\t' read -r number command _; do
		echo "$command" > "$files/lists/splat-$number"
	done

	(cd "$files" && find . | sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$kernel/initramfs.cpio.tmp"
	mv "$kernel/initramfs.cpio.tmp" "$kernel/initramfs.cpio"
}

inputs=$(git -C "$tree" rev-parse "HEAD^{tree}"; cat "$0" "$scripts/init" "$kernel/built" | sha256sum)
fresh "$kernel/packed" "$inputs" && exit
step headers "headers for user space" user_headers
step selftests "build selftests: restrictedmem" make_in restrictedmem USERCFLAGS=-Werror
step kvm-tests "build selftests: kvm" build_kvm
step tools "build tools/restrictedmem" build_tools
step "initramfs-$1" "pack the initramfs" pack
stamp "$kernel/packed" "$inputs"
