/* SPDX-License-Identifier: GPL-2.0-or-later */

#ifndef LAPI_RESTRICTEDMEM_H__
#define LAPI_RESTRICTEDMEM_H__

#include <linux/ioctl.h>
#include <linux/types.h>
#include "lapi/syscalls.h"

#ifndef RMFD_CLOEXEC
# define RMFD_CLOEXEC	0x0001U
# define RMFD_HUGEPAGE	0x0002U
# define RMFD_USERMNT	0x0004U

struct rmfd_load {
	__u64 offset;
	__u64 len;
	__u64 addr;
	__u64 done;
	__u32 flags;
	__u32 size;
};

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

struct rmfd_collapse {
	__u64 offset;
	__u64 len;
	__u64 done;
	__u32 flags;
	__u32 size;
};

# define RMFD_LOAD	_IOWR(0xBB, 0x00, struct rmfd_load)
# define RMFD_LOAD_FD	_IOWR(0xBB, 0x01, struct rmfd_load_fd)
# define RMFD_MBIND	_IOW(0xBB, 0x02, struct rmfd_mbind)
# define RMFD_COLLAPSE	_IOWR(0xBB, 0x03, struct rmfd_collapse)
#endif

static inline int memfd_restricted(unsigned int flags, int mount_fd)
{
	return tst_syscall(__NR_memfd_restricted, flags, mount_fd);
}

static inline int safe_memfd_restricted(const char *file, const int lineno,
					unsigned int flags)
{
	int fd = memfd_restricted(flags, -1);

	if (fd < 0)
		tst_brk_(file, lineno, TBROK | TERRNO, "memfd_restricted(0x%x, -1) failed", flags);

	return fd;
}

#define SAFE_MEMFD_RESTRICTED(flags) \
	safe_memfd_restricted(__FILE__, __LINE__, (flags))

#endif /* LAPI_RESTRICTEDMEM_H__ */
