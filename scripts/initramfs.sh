#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# initramfs.sh KERNEL: build what runs inside the test machine, and pack it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=/build/$1
selftests=$tree/tools/testing/selftests
arch=x86_64
triple=x86_64-unknown-linux-gnu
compiler=clang$llvm
root=
user=/build/user			# built user space, the same for every kernel of x86_64
kvm_list=kvm_tests.list
crate_tests=(--test system_call --test subcommands)
if [ "$1" = arm64 ]; then
	arch=arm64
	triple=aarch64-unknown-linux-gnu
	root=/arm64
	user=/build/user-arm64
	kvm_list=kvm_tests_arm64.list
	crate_tests+=(--bin rmem)	# what is of arm64 alone cannot be tested elsewhere
	compiler+=" --target=aarch64-linux-gnu --sysroot=$root -fuse-ld=lld -Wno-unused-command-line-argument"
fi
files=$kernel/initramfs			# what gets packed
lists=$selftests/restrictedmem

headers=/build/$arch/usr/include
user_headers() {
	make -C "$tree" O=/build/$arch ARCH=$arch LLVM="$llvm" headers
}

# make_in FOLDER ARGUMENT...: static programs, as there are no libraries in the machine.
make_in() {
	local folder=$1
	shift
	mkdir -p "$user/$folder"
	make -C "$selftests/$folder" -j"$(nproc)" ARCH=$arch LLVM="$llvm" CC="$compiler" \
		OUTPUT="$user/$folder" KHDR_INCLUDES="-isystem $headers" USERLDFLAGS=-static "$@"
}

# The commands that one of our lists of tests names.
commands() { sed 's/#.*//; /^[[:space:]]*$/d' "$lists/$1"; }

kvm_programs() { commands "$kvm_list" | awk '{ print $1 }' | sort -u; }

# Those and no others. libvfio is for a test that is not among them and would
# bring in libuuid; -no-pie, which the Makefile sets, means nothing beside -static.
build_kvm() {
	local programs
	mapfile -t programs < <(kvm_programs)
	mkdir -p "$user/kvm/tools"	# headers that are generated for arm64
	make_in kvm USERCFLAGS=-Wno-unused-command-line-argument abs_objdir="$user/kvm" \
		LIBVFIO_O= LIBVFIO_O_DIRS= LDLIBS=-ldl "${programs[@]/#/$user/kvm/}"
}

# The tests for LTP, with the runner that stands in for it.
make_ltp() {
	mkdir -p "$user/ltp"
	make -C "$tree/tools/testing/ltp/compat" -j"$(nproc)" CC="$compiler" OUTPUT="$user/ltp" \
		KHDR_INCLUDES="-isystem $headers" USERLDFLAGS=-static
}

build_tools() {
	cd "$repo/tools/restrictedmem"
	cargo build --release --locked --target $triple
	cargo test --no-run --locked --target $triple "${crate_tests[@]}" --message-format=json |
		sed -n 's/.*"executable":"\([^"]*\/deps\/[^"]*\)".*/\1/p' > "$user/crate-tests"
}

# add FILE FOLDER: to what gets packed, without its debug information.
add() {
	mkdir -p "$files/$2"
	"llvm-strip$llvm" --strip-debug "$1" -o "$files/$2/${1##*/}"
}

# The crate's command and tests, and the lists that run them.
pack_tools() {
	local program name
	add /build/cargo/$triple/release/rmem bin
	while read -r program; do
		name=$(basename "${program%-*}")
		add "$program" tests
		mv "$files/tests/${program##*/}" "$files/tests/$name"
		echo "./$name --include-ignored" >> "$files/lists/crate"
	done < "$user/crate-tests"
	echo "rmem bench --mib 16 --teardown 16 --touch 16 --bindings 64 --slots 128 --rounds 1" > "$files/lists/bench-smoke"
	if [ "$arch" = arm64 ]; then
		echo "rmem demo --linux /linux/Image --initramfs /linux/initramfs.cpio" > "$files/lists/demo"
		pack_linux
		return
	fi
	printf 'rmem demo%s\n' "" " --gunyah" > "$files/lists/demo"
	# What is asked for comes with the kernel's command line.
	echo "rmem bench \$bench" > "$files/lists/bench"
	echo "rmem bench --instructions --rounds 3 \$bench" > "$files/lists/bench-instructions"
	echo "rmem bench --native \$bench" > "$files/lists/bench-native"
}

# pack_in FOLDER FILE: all of a folder as an initramfs.
pack_in() {
	(cd "$1" && find . | sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$2"
}

# A Linux for the machine of the demo: the same kernel, and a very short user space.
pack_linux() {
	local small=$kernel/demo-initramfs
	rm -rf "$small"
	mkdir -p "$small"/{bin,proc} "$files/linux"
	cp "$scripts/demo-init" "$small/init"
	cp "$root/usr/bin/busybox" "$small/bin/"
	pack_in "$small" "$files/linux/initramfs.cpio"
	cp "$kernel/arch/arm64/boot/Image" "$files/linux/"
}

pack() {
	local program
	rm -rf "$files"
	mkdir -p "$files"/{bin,dev,proc,sys,lists,tests,kvm,lib/modules}
	cp "$scripts/init" "$files/init"
	cp "$root/usr/bin/busybox" "$files/bin/"
	sed -n 's/\.o$/.ko/p' "$kernel/modules.order" | while read -r program; do
		add "$kernel/$program" lib/modules
	done
	pack_tools

	# One list of commands for each kind of boot.
	commands pressure_tests.list > "$files/lists/pressure"
	make_in restrictedmem -s emit_tests | sed -n 's/.*://p' | while read -r program; do
		add "$user/restrictedmem/$program" tests
		[ "$program" != hypervisor_test ] || continue
		grep -qx "./$program" "$files/lists/pressure" || splat_tests | grep -qF "./$program " ||
			echo "./$program" >> "$files/lists/restrictedmem"
	done
	for program in "$tree"/tools/testing/ltp/*[0-9].c; do
		program=$(basename "$program" .c)
		add "$user/ltp/$program" tests/ltp
		echo "ltp/$program" >> "$files/lists/restrictedmem"
	done
	commands "$kvm_list" | sed 's/^/\/kvm\//' > "$files/lists/kvm"
	grep -v 'p guest_memfd' "$files/lists/kvm" > "$files/lists/kvm-restrictedmem"
	kvm_programs | while read -r program; do
		add "$user/kvm/$program" "kvm/$(dirname "$program")"
	done
	echo "/kvm/restrictedmem_test -u" > "$files/lists/kvm-shadow"
	printf '%s\n' './move_test -t not_for_a_device' './frame_test -t page_owner' > "$files/lists/device"
	echo "./frame_test -t freed_is_cleared_if_asked" > "$files/lists/init-on-free"
	printf '%s\n' ./oracle_test ./storm_test ./fault_test '/kvm/restrictedmem_storm_test -s 20' > "$files/lists/soak"
	# Callbacks of one file wait for each other, so there have to be several.
	printf '%s\n' ./oracle_test ./storm_test ./kill_test ./machine_test \
		'sh -c "/kvm/restrictedmem_storm_test -s 3 & /kvm/restrictedmem_storm_test -s 3 && wait $!"' \
		> "$files/lists/races"
	# Below another hypervisor than KVM.
	printf '%s\n' ./machine_test ./hypervisor_test 'rmem demo --gunyah' > "$files/lists/gunyah"
	: > "$files/lists/kunit"	# runs at boot, by itself
	splat_tests | while IFS=$'\t' read -r number command _; do
		echo "$command" > "$files/lists/splat-$number"
	done

	pack_in "$files" "$kernel/initramfs.cpio.tmp"
	mv "$kernel/initramfs.cpio.tmp" "$kernel/initramfs.cpio"
}

inputs=$(git -C "$tree" rev-parse "HEAD^{tree}"; cat "$0" "$scripts/init" "$scripts/demo-init" "$kernel/built" | sha256sum)
fresh "$kernel/packed" "$inputs" && exit
step headers "headers for user space" user_headers
step selftests "build selftests: restrictedmem" make_in restrictedmem USERCFLAGS=-Werror
step ltp "build the tests for LTP" make_ltp
step kvm-tests "build selftests: kvm" build_kvm
step tools "build tools/restrictedmem" build_tools
step "initramfs-$1" "pack the initramfs" pack
stamp "$kernel/packed" "$inputs"
