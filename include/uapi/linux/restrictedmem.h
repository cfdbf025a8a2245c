/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_RESTRICTEDMEM_H
#define _UAPI_LINUX_RESTRICTEDMEM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Flags of memfd_restricted(2). A bit that is not listed here is -EINVAL. */
#define RMFD_CLOEXEC		0x0001U
/* In pages as large as fit into the file, if they are to be had. */
#define RMFD_HUGEPAGE		0x0002U
/* From the tmpfs whose root mount_fd is. Not together with RMFD_HUGEPAGE. */
#define RMFD_USERMNT		0x0004U

/**
 * struct rmfd_load - initial contents from memory of the caller
 * @offset: Where in the file, in bytes; a multiple of the page size.
 * @len: How much, in bytes; a multiple of the page size above zero.
 * @addr: Where it comes from; any alignment.
 * @done: Result, also of a call that failed: how many bytes were loaded.
 * @flags: 0; anything else is -EINVAL.
 * @size: sizeof(struct rmfd_load). A kernel that knows less takes a larger one
 *	if what it does not know is zero, and is -E2BIG if it is not.
 */
struct rmfd_load {
	__u64 offset;
	__u64 len;
	__u64 addr;
	__u64 done;
	__u32 flags;
	__u32 size;
};

/**
 * struct rmfd_load_fd - initial contents from another file
 * @offset: Where in the file, in bytes; a multiple of the page size.
 * @len: How much, in bytes; a multiple of the page size above zero.
 * @source_offset: Where in the other file, in bytes; any alignment.
 * @done: Result, also of a call that failed: how many bytes were loaded.
 * @fd: The other file, open for reading.
 * @flags: 0; anything else is -EINVAL.
 * @size: sizeof(struct rmfd_load_fd), by the rules of struct rmfd_load.
 * @reserved: 0; anything else is -EINVAL.
 */
struct rmfd_load_fd {
	__u64 offset;
	__u64 len;
	__u64 source_offset;
	__u64 done;
	__s32 fd;
	__u32 flags;
	__u32 size;
	__u32 reserved;
};

/**
 * struct rmfd_mbind - where the memory of a range comes from, as of now
 * @offset: Where in the file, in bytes; a multiple of the page size.
 * @len: How much, in bytes; a multiple of the page size above zero.
 * @nodemask: Address of a bitmap of nodes, by the rules of mbind(2).
 * @maxnode: How many bits it has, by the rules of mbind(2).
 * @mode: A mode of mbind(2) and its flags.
 * @flags: 0; anything else is -EINVAL. Memory that is there stays where it is.
 * @size: sizeof(struct rmfd_mbind), by the rules of struct rmfd_load.
 * @reserved: 0; anything else is -EINVAL.
 */
struct rmfd_mbind {
	__u64 offset;
	__u64 len;
	__u64 nodemask;
	__u64 maxnode;
	__u32 mode;
	__u32 flags;
	__u32 size;
	__u32 reserved;
};

/**
 * struct rmfd_collapse - make memory large again
 * @offset: Where in the file, in bytes; a multiple of the page size.
 * @len: How much, in bytes; a multiple of the page size above zero.
 * @done: Result, also of a call that failed: how many bytes of the range are
 *	large pages now.
 * @flags: 0; anything else is -EINVAL.
 * @size: sizeof(struct rmfd_collapse), by the rules of struct rmfd_load.
 */
struct rmfd_collapse {
	__u64 offset;
	__u64 len;
	__u64 done;
	__u32 flags;
	__u32 size;
};

#define RMFD_IOC		0xBB

#define RMFD_LOAD		_IOWR(RMFD_IOC, 0x00, struct rmfd_load)
#define RMFD_LOAD_FD		_IOWR(RMFD_IOC, 0x01, struct rmfd_load_fd)
#define RMFD_MBIND		_IOW(RMFD_IOC, 0x02, struct rmfd_mbind)
#define RMFD_COLLAPSE		_IOWR(RMFD_IOC, 0x03, struct rmfd_collapse)

#endif /* _UAPI_LINUX_RESTRICTEDMEM_H */
