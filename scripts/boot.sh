#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# boot.sh KERNEL LIST [SECONDS]: boot KERNEL, let it run the commands of LIST
# and show their output. The kernel's console and the results are kept in
# KERNEL-LIST.console and .results among the logs. Fails if the machine does not
# come to the end of the list in time.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

kernel=$1 list=$2 seconds=${3:-600}
console=$logs/$kernel-$list.console
results=$logs/$kernel-$list.results

# Why KVM of the host cannot be used; nothing if it can.
no_kvm() {
	if ! grep -qwE 'svm|vmx' /proc/cpuinfo; then
		echo "the processor shows neither svm nor vmx"
	elif ! { : <> /dev/kvm; } 2> /dev/null; then
		echo "/dev/kvm cannot be opened"
	elif ! grep -qs '[1Y]' /sys/module/kvm_{amd,intel}/parameters/nested; then
		echo "KVM here does not nest, and the tests run machines inside the machine"
	fi
}

# No five-level page tables: an interrupt that comes while the kernel identifies its
# first processor, and has forgotten for a moment that it has them, makes KASAN
# complain and lockdep switch itself off.
cpu=la57=off

machine=(qemu-system-x86_64 -machine q35)
serial=ttyS
image=arch/x86/boot/bzImage
why=$(no_kvm)
if [ "$kernel" = arm64 ]; then
	# With EL2 for machines inside the machine. No pointer authentication worth its
	# name: what QEMU has to calculate for it takes longer than the rest.
	machine=(qemu-system-aarch64 -machine "virt,virtualization=on,gic-version=3")
	serial=ttyAMA
	image=arch/arm64/boot/Image
	accel=(-accel "tcg,thread=multi" -cpu "max,pauth-impdef=on")
elif [ -n "$why" ]; then
	accel=(-accel "tcg,thread=multi" -cpu "max,$cpu")
	note "no KVM ($why): QEMU emulates the processor"
else
	accel=(-accel kvm -cpu "host,$cpu")
fi

memory=2G
movable=640M
processors=2
nodes=()
append="panic=-1 oops=panic run=$list"
if [ "$kernel" = debug ]; then
	memory=3G
	# KASAN has its shadow of all memory where the memory for what moves is, at the top.
	movable=1024M
	append+=" limit=900"
elif [ "$kernel" = kcsan ]; then
	# One access of 300 is watched, not of 4000: a minute of storms has to do.
	append+=" limit=900 kcsan.skip_watch=300"
fi
[ -z "${MINUTES-}" ] || append+=" minutes=$MINUTES"
case $list in
bench | bench-instructions | bench-native)
	memory=6G
	append+=" limit=3600 bench=\"${BENCH-}\""
	# Else who is first to touch a page of the machine waits for the host's.
	nodes=(-object "memory-backend-ram,id=all,size=$memory,prealloc=on" -machine memory-backend=all)
	;;
pressure)
	# Two nodes, a part of the memory for what can be moved, and a disk to swap to. All
	# of it below 4 GiB, or there would be nothing to move on the first node.
	memory=2560M
	processors+=,sockets=2
	append+=" movablecore=$movable brd.rd_nr=1 brd.rd_size=524288 swap=/dev/ram0"
	for node in 0 1; do
		nodes+=(-object "memory-backend-ram,id=node$node,size=1280M"
			-numa "node,nodeid=$node,memdev=node$node,cpus=$node")
	done
	;;
restrictedmem)
	# A live update is possible, so that it can be refused.
	append+=" liveupdate=on kho=on kho_scratch=8M,8M,8M"
	;;
device)
	# More than half of the memory is for a device: there it is taken first for what moves.
	# And a boot as short as this one has time to note who allocated which page.
	memory=2G
	append+=" cma=1088M page_owner=on"
	;;
init-on-free)
	append+=" init_on_free=1"
	;;
kvm-shadow)
	append+=" kvm_amd.npt=0 kvm_intel.ept=0"
	;;
esac
# The clock of this machine goes on by a nanosecond with each instruction.
[ "$list" != bench-instructions ] || accel=(-accel "tcg,thread=single" -icount "shift=0,sleep=off" -cpu "max,$cpu")
[ "$list" = kunit ] || append+=" kunit.enable=0"
terminals="console=${serial}0 results=${serial}1"
machine+=("${accel[@]}" -smp "$processors" -m "$memory" "${nodes[@]}"
	-nodefaults -display none -no-reboot -kernel "/build/$kernel/$image"
	-initrd "/build/$kernel/initramfs.cpio")

# QEMU starts the hypervisor, and that starts what QEMU has put where the hypervisor
# expects it: our kernel, and the device tree of a machine with half of the memory,
# which is ours. In it is where QEMU would have put the initramfs, so there it has to be.
# The hypervisor knows one processor, by its name, and no property that is newer than
# those of this one; it wants eight of them, of which one is enough for us.
below_gunyah() {
	local shape=virt,virtualization=on,gic-version=3,highmem=off,its=off
	local image=/build/arm64/arch/arm64/boot/Image initramfs=/build/arm64/initramfs.cpio
	local tree=$logs/gunyah.dtb common size
	common=(-smp 8 -nodefaults -display none -no-reboot)
	append+=" maxcpus=1"
	qemu-system-aarch64 -machine "$shape,dumpdtb=$tree" "${common[@]}" -m 1G -serial null -serial null \
		-kernel "$image" -initrd "$initramfs" -append "$terminals $append" 2> /dev/null

	# Who reads the tree has room for what is in it, not for all that QEMU has reserved.
	word() { od -A n -t u4 --endian=big -j "$1" -N 4 "$tree" | tr -d ' '; }
	size=$(($(word 12) + $(word 32)))
	perl -e 'print pack "N", shift' "$size" | dd of="$tree" bs=1 seek=4 conv=notrunc status=none
	truncate -s "$size" "$tree"

	machine=(qemu-system-aarch64 -machine "$shape" -accel "tcg,thread=multi"
		-cpu "neoverse-n2,midr=0x000f0510,cntfrq=62500000" "${common[@]}" -m 2G -kernel "$HYPVM"
		-device "loader,file=$image,addr=0x41000000,force-raw=on"
		-device "loader,file=$tree,addr=0x40f00000,force-raw=on"
		-device "loader,file=$initramfs,addr=0x48000000,force-raw=on")
	appended=()
}

appended=(-append "$terminals $append")
[ "$list" != gunyah ] || below_gunyah

if [ "$list" = shell ]; then
	exec "${machine[@]}" -serial mon:stdio -serial null -append "$terminals $append quiet"
fi

boot() {
	local programs=x86_64
	if [ "$kernel" = native ] || [ "$kernel" = uml ]; then
		# A program of the host, with the programs of another kernel.
		[ "$kernel" = native ] || programs=debug
		timeout --foreground -k 5 "$seconds" "/build/$kernel/linux" mem=2G ncpus=2 seccomp=on \
			"initrd=/build/$programs/initramfs.cpio" con=null con0=null,fd:2 \
			ssl=null ssl1=null,fd:1 results=ttyS1 "$append" 2> "$console"
	else
		timeout --foreground -k 5 "$seconds" "${machine[@]}" -serial "file:$console" \
			-serial stdio "${appended[@]}"
	fi
}

mkdir -p "$logs"
status=0
boot < /dev/null | tee "$results" || status=$?
if ! grep -qx '==> end' "$results"; then
	[ "$status" -ne 124 ] || note "killed after $seconds seconds"
	tail -n 20 "$console" | sed 's/^/    | /'
	die "the machine did not come to the end of its tests; its console is in $console"
fi
