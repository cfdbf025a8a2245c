/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of memfd_restricted(): the system call, files in the states
 * that the tests want them in, and a way to say "this must be refused".
 *
 * To be included after kselftest_harness.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_H
#define _SELFTESTS_RESTRICTEDMEM_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/restrictedmem.h>

#ifndef __NR_memfd_restricted
#define __NR_memfd_restricted 473
#endif

static inline int memfd_restricted(unsigned int flags, int mount_fd)
{
	return syscall(__NR_memfd_restricted, flags, mount_fd);
}

/*
 * The errno of a system call that this kernel does not have, because it is too
 * old or built without it.
 */
static inline int no_such_call(void)
{
	errno = 0;
	syscall(-1L);
	return errno;
}

/*
 * Does this kernel have a system call? It gets arguments that nobody takes. For tests
 * that would count its absence as a refusal.
 */
static inline bool have_call(long number)
{
	long ret = syscall(number, -1L, -1L, -1L, -1L, -1L, -1L);
	int error = errno;

	return ret != -1 || error != no_such_call();
}

/*
 * For FIXTURE_SETUP: if (!have_restrictedmem()) SKIP(return, NO_RESTRICTEDMEM).
 * What fails later fails.
 */
static inline bool have_restrictedmem(void)
{
	int fd = memfd_restricted(0, -1);
	int error = errno;

	if (fd >= 0)
		close(fd);
	return fd >= 0 || error != no_such_call();
}

#define NO_RESTRICTEDMEM "this kernel has no memfd_restricted()"

/* A file of a size, or -1. */
static inline int new_sized_file(off_t size)
{
	int fd = memfd_restricted(0, -1);

	if (fd >= 0 && ftruncate(fd, size)) {
		close(fd);
		return -1;
	}
	return fd;
}

#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define RESERVE	FALLOC_FL_KEEP_SIZE

static inline long page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static inline off_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_size;
}

/* Pages of memory that the file holds, present or reserved. */
static inline long pages_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_blocks * 512 / page_size();
}

#define NOBODY 65534

/* Become a user without any privilege, who may still look at its own /proc. */
static inline int become_nobody(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return -1;
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* A number in a small file such as those of /proc/sys; -1 if there is none. */
static inline long long read_number(const char *path)
{
	long long value = -1;
	FILE *file = fopen(path, "r");

	if (!file)
		return -1;
	if (fscanf(file, "%lld", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

/* The number after @key in @path, such as "Shmem:" in /proc/meminfo, or -1. */
static inline long long read_key(const char *path, const char *key)
{
	char word[128];
	long long value = -1;
	FILE *file = fopen(path, "r");

	if (!file)
		return -1;
	while (fscanf(file, "%127s", word) == 1) {
		if (strcmp(word, key))
			continue;
		if (fscanf(file, "%lld", &value) != 1)
			value = -1;
		break;
	}
	fclose(file);
	return value;
}

/* A number of what the file says about itself in /proc, such as "present:", or -1. */
static inline long long fdinfo_of(int fd, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return read_key(path, key);
}

/* Is @error in the list, which ends with 0? */
static inline bool error_in(int error, ...)
{
	bool found = false;
	va_list list;
	int one;

	va_start(list, error);
	while ((one = va_arg(list, int)))
		if (one == error)
			found = true;
	va_end(list);
	return found;
}

/*
 * EXPECT_REFUSED(call, rule, errno...): @call must fail, with -1 like a system
 * call or MAP_FAILED, and with one of the errnos.
 */
#define EXPECT_REFUSED(call, rule, ...)					\
do {									\
	const char *__rule = rule;					\
	long __ret;							\
	int __errno;							\
									\
	errno = 0;							\
	__ret = (long)(call);						\
	__errno = errno;						\
	EXPECT_EQ(-1, __ret)						\
		TH_LOG("%s: " #call " returned %ld", __rule, __ret);	\
	if (__ret == -1)						\
		EXPECT_TRUE(error_in(__errno, __VA_ARGS__, 0))		\
			TH_LOG("%s: " #call " failed with %s, not with "\
			       #__VA_ARGS__, __rule, strerror(__errno));\
} while (0)

/* EXPECT_ALLOWED(call, rule): @call must not fail. */
#define EXPECT_ALLOWED(call, rule)					\
do {									\
	long __ret;							\
									\
	errno = 0;							\
	__ret = (long)(call);						\
	EXPECT_NE(-1, __ret)						\
		TH_LOG("%s: " #call " failed with %s", rule,		\
		       strerror(errno));				\
} while (0)

#endif /* _SELFTESTS_RESTRICTEDMEM_H */
