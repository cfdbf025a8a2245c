// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that with RMFD_USERMNT the memory is that of a mount of tmpfs, by its
 * limits:
 *
 * - what is reserved is missing there, and its size is the limit (ENOSPC)
 * - EBADF if the second argument is no descriptor, ENOTDIR if it is no directory
 * - EINVAL for a directory that is not the root of its mount, for a mount that is
 *   not one of tmpfs, and together with RMFD_HUGEPAGE
 * - EROFS if the mount is read-only
 * - EACCES for who may not create files there
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include "memfd_restricted.h"

#define PAGES 16

enum dir {
	FOR_ALL,
	FOR_ROOT,
	READ_ONLY,
	BELOW_ROOT,
	OF_PROC,
	DIRS,
};

static const char *const names[DIRS] = {
	[FOR_ALL] = "all",
	[FOR_ROOT] = "root",
	[READ_ONLY] = "read-only",
	[BELOW_ROOT] = "all/below",
	[OF_PROC] = "/proc",
};

static int fd = -1;
static int dirs[DIRS] = {-1, -1, -1, -1, -1};
static off_t page;

static off_t free_memory(void)
{
	struct statfs st;

	SAFE_STATFS(names[FOR_ALL], &st);

	return (off_t)st.f_bfree * st.f_bsize;
}

static void is_that_of_the_mount(void)
{
	fd = TST_EXP_FD(memfd_restricted(RMFD_USERMNT | RMFD_CLOEXEC, dirs[FOR_ALL]));
	if (!TST_PASS)
		return;

	SAFE_FTRUNCATE(fd, 2 * PAGES * page);
	TST_EXP_EQ_LI(free_memory(), PAGES * page);
	TST_EXP_PASS(fallocate(fd, RESERVE, 0, 4 * page));
	TST_EXP_EQ_LI(free_memory(), (PAGES - 4) * page);

	TST_EXP_FAIL(fallocate(fd, RESERVE, 0, (PAGES + 1) * page), ENOSPC);
	TST_EXP_EQ_LI(memory_of(fd), 4 * page);
	TST_EXP_PASS(fallocate(fd, RESERVE, 0, PAGES * page));
	TST_EXP_EQ_LI(free_memory(), 0);

	TST_EXP_PASS(fallocate(fd, PUNCH, page, page));
	TST_EXP_EQ_LI(free_memory(), page);
	SAFE_CLOSE(fd);
	TST_EXP_EQ_LI(free_memory(), PAGES * page);
}

static void no_mount(void)
{
	int null_fd = SAFE_OPEN("/dev/null", O_RDWR);

	TST_EXP_FAIL2(memfd_restricted(RMFD_USERMNT, -1), EBADF);
	TST_EXP_FAIL2(memfd_restricted(RMFD_USERMNT, INT_MAX), EBADF);
	TST_EXP_FAIL2(memfd_restricted(RMFD_USERMNT, null_fd), ENOTDIR);
	TST_EXP_FAIL2(memfd_restricted(RMFD_USERMNT, dirs[BELOW_ROOT]), EINVAL);
	TST_EXP_FAIL2(memfd_restricted(RMFD_USERMNT, dirs[OF_PROC]), EINVAL);
	TST_EXP_FAIL2(memfd_restricted(RMFD_USERMNT | RMFD_HUGEPAGE, dirs[FOR_ALL]), EINVAL);

	SAFE_CLOSE(null_fd);
}

static void may_not_write(void)
{
	TST_EXP_FAIL2(memfd_restricted(RMFD_USERMNT, dirs[READ_ONLY]), EROFS);

	if (!is_root()) {
		TST_EXP_FAIL2(memfd_restricted(RMFD_USERMNT, dirs[FOR_ROOT]), EACCES);
		return;
	}
	fd = TST_EXP_FD(memfd_restricted(RMFD_USERMNT, dirs[FOR_ROOT]));
	if (TST_PASS)
		SAFE_CLOSE(fd);
}

static void (*tests[])(void) = {
	is_that_of_the_mount,
	no_mount,
	may_not_write,
};

static void run(unsigned int n)
{
	tests[n]();
}

static void mount_tmpfs(enum dir dir, unsigned long flags, const char *options)
{
	SAFE_MKDIR(names[dir], 0755);
	SAFE_MOUNT("memfd_restricted", names[dir], "tmpfs", flags, options);
}

/* What is mounted here goes with the process, who may not be root any more by then. */
static void setup(void)
{
	char options[64];
	int i;

	page = page_size();
	SAFE_UNSHARE(CLONE_NEWNS);
	SAFE_MOUNT("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	snprintf(options, sizeof(options), "mode=1777,size=%lld", (long long)PAGES * page);
	mount_tmpfs(FOR_ALL, 0, options);
	mount_tmpfs(FOR_ROOT, 0, "mode=755");
	mount_tmpfs(READ_ONLY, MS_RDONLY, "mode=1777");
	SAFE_MKDIR(names[BELOW_ROOT], 0755);
	for (i = 0; i < DIRS; i++)
		dirs[i] = SAFE_OPEN(names[i], O_RDONLY | O_DIRECTORY);

	become_variant();
}

static void cleanup(void)
{
	int i;

	if (fd != -1)
		SAFE_CLOSE(fd);
	for (i = 0; i < DIRS; i++) {
		if (dirs[i] != -1)
			SAFE_CLOSE(dirs[i]);
	}
}

static struct tst_test test = {
	.test = run,
	.tcnt = ARRAY_SIZE(tests),
	.setup = setup,
	.cleanup = cleanup,
	.test_variants = VARIANTS,
	.needs_tmpdir = 1,
	/* For the mounts. */
	.needs_root = 1,
};
