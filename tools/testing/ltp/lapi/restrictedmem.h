/* SPDX-License-Identifier: GPL-2.0-or-later */

#ifndef LAPI_RESTRICTEDMEM_H__
#define LAPI_RESTRICTEDMEM_H__

#include "lapi/syscalls.h"

#ifndef RMFD_CLOEXEC
# define RMFD_CLOEXEC	0x0001U
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
