/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In LTP each header in lapi/ stands in for what an old C library or old headers of
 * the kernel lack. Nothing is old here: the Makefile lets all of them be this one.
 */

#ifndef COMPAT_LAPI_H
#define COMPAT_LAPI_H

#include <asm/unistd.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/loop.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/uio.h>

#include "tst_test.h"

/* Is @err that of a call that the kernel does not have? Leaves errno as it is. */
static inline bool tst_is_missing_(int err)
{
	bool missing;

	syscall(-1L);
	missing = errno == err;
	errno = err;
	return missing;
}

/* Such a call is no failure of the test. */
#define tst_syscall(nr, ...)						\
({									\
	long tst_sysret_ = syscall(nr, ##__VA_ARGS__);			\
									\
	if (tst_sysret_ == -1 && tst_is_missing_(errno))		\
		tst_brk(TCONF, "the kernel does not have %s", #nr);	\
	tst_sysret_;							\
})

static inline int sys_memfd_create(const char *name, unsigned int flags)
{
	return tst_syscall(__NR_memfd_create, name, flags);
}

static inline int io_uring_enter(int fd, unsigned int to_submit, unsigned int min_complete,
				 unsigned int flags, sigset_t *sig)
{
	return tst_syscall(__NR_io_uring_enter, fd, to_submit, min_complete, flags, sig,
			   _NSIG / 8);
}

static inline int io_uring_register(int fd, unsigned int opcode, const void *arg,
				    unsigned int nr_args)
{
	return tst_syscall(__NR_io_uring_register, fd, opcode, arg, nr_args);
}

#endif /* COMPAT_LAPI_H */
