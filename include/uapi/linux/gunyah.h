/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Machines of the Gunyah hypervisor whose memory is restricted memory. See
 * Documentation/virt/gunyah/index.rst for what calls for what, and when.
 *
 * Names are those of the series that has been proposed for Linux, where both
 * have the same thing; numbers and structures are not the same.
 */
#ifndef _UAPI_LINUX_GUNYAH_H
#define _UAPI_LINUX_GUNYAH_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define GH_IOCTL_TYPE		'G'

/* On /dev/gunyah. The argument is 0. Returns a descriptor of the machine. */
#define GH_CREATE_VM		_IO(GH_IOCTL_TYPE, 0x40)

/**
 * struct gh_vm_memory - all memory of a machine
 * @guest_phys_addr: Where the machine sees it; a multiple of 2 MiB. Has to be
 *	base-address of the memory in the machine's device tree: it is from there
 *	that the resource manager takes it.
 * @offset: Where in the file, in bytes; a multiple of the page size.
 * @size: How much, in bytes; a multiple of the page size above zero.
 * @fd: A file of memfd_restricted(2).
 * @flags: 0; anything else is -EINVAL.
 */
struct gh_vm_memory {
	__u64 guest_phys_addr;
	__u64 offset;
	__u64 size;
	__s32 fd;
	__u32 flags;
};

/* On a machine, once: lends the memory to it. */
#define GH_VM_SET_MEMORY	_IOW(GH_IOCTL_TYPE, 0x41, struct gh_vm_memory)

/**
 * struct gh_vm_config - where a machine begins
 * @image_addr: Where in its memory the machine sees its program, which is
 *	entered at the first byte.
 * @image_size: How long the program is, in bytes; not zero.
 * @dtb_addr: Where in its memory the machine sees its device tree.
 * @dtb_size: How much room the device tree has, in bytes. At least 64 KiB: the
 *	resource manager adds to it.
 * @flags: 0; anything else is -EINVAL.
 */
struct gh_vm_config {
	__u64 image_addr;
	__u64 image_size;
	__u64 dtb_addr;
	__u64 dtb_size;
	__u64 flags;
};

/* On a machine, once: from here on it has its memory until its reset. */
#define GH_VM_CONFIGURE		_IOW(GH_IOCTL_TYPE, 0x42, struct gh_vm_config)
/* On a machine that is configured, once. The argument is 0. */
#define GH_VM_START		_IO(GH_IOCTL_TYPE, 0x43)
/* On a machine that was started: by force, and for good. The argument is 0. */
#define GH_VM_STOP		_IO(GH_IOCTL_TYPE, 0x46)
/*
 * On a machine that has stopped or was not started yet: takes everything away
 * from it. The memory can be touched by holes again. The argument is 0.
 */
#define GH_VM_RESET		_IO(GH_IOCTL_TYPE, 0x47)
/*
 * On a machine that is configured. The argument says which one, from 0; each
 * of them once. Returns a descriptor of the virtual processor.
 */
#define GH_VM_CREATE_VCPU	_IO(GH_IOCTL_TYPE, 0x44)

/* Why GH_VCPU_RUN returned */
/* The machine reads or writes what is no memory, see the fields for it. */
#define GH_VCPU_EXIT_MMIO	1
/* The machine is over, see @status. */
#define GH_VCPU_EXIT_STATUS	2
/* The processor did something that it cannot recover from. */
#define GH_VCPU_EXIT_FAULT	3

/* How a machine came to its end */
#define GH_VM_STATUS_EXIT		0
#define GH_VM_STATUS_OFF		1
#define GH_VM_STATUS_RESET		2
#define GH_VM_STATUS_SYSTEM_RESET2	3
#define GH_VM_STATUS_WATCHDOG		4
#define GH_VM_STATUS_SOFTWARE_ERROR	5
#define GH_VM_STATUS_HARDWARE_ERROR	6
#define GH_VM_STATUS_STOPPED		7

/**
 * struct gh_vcpu_run - what a virtual processor did, and what it gets for it
 * @exit_reason: Result: GH_VCPU_EXIT_*
 * @immediate_exit: If it is not 0 when the call is made the call is -EINTR. A
 *	signal handler sets it, so that a signal just before the call is not lost.
 * @mmio_is_write: Result: 1 if it writes, 0 if it reads.
 * @mmio_len: Result: how much, in bytes: 1, 2, 4 or 8.
 * @reserved: 0
 * @mmio_addr: Result: where the machine sees it.
 * @mmio_data: Result of a write, as the processor has it in a register, not as
 *	bytes; for a read what it gets, to be set before the next call.
 * @status: Result: GH_VM_STATUS_*
 * @reserved2: 0
 *
 * Nothing of it has changed if the call fails.
 */
struct gh_vcpu_run {
	__u32 exit_reason;
	__u8 immediate_exit;
	__u8 mmio_is_write;
	__u8 mmio_len;
	__u8 reserved;
	__u64 mmio_addr;
	__u64 mmio_data;
	__u32 status;
	__u32 reserved2;
};

/* On a virtual processor: runs it until there is something to do for it. */
#define GH_VCPU_RUN		_IOWR(GH_IOCTL_TYPE, 0x45, struct gh_vcpu_run)

#endif /* _UAPI_LINUX_GUNYAH_H */
