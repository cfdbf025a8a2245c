// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify the attributes of a restricted file:
 *
 * - fstat() shows a regular file of the user who made it, which nobody executes,
 *   with its size and the memory that it has
 * - mode, owner and times cannot be set (EPERM), not even to what they are
 */

#define _GNU_SOURCE

#include <stdio.h>
#include "memfd_restricted.h"

#define PAGES 4

static int fd = -1;
static off_t page;
static char path[64];

static void attributes_are_true(void)
{
	struct stat st;

	SAFE_FSTAT(fd, &st);
	TST_EXP_EXPR(S_ISREG(st.st_mode), "a regular file");
	TST_EXP_EQ_LI(st.st_mode & 0111, 0);
	TST_EXP_EQ_LI(st.st_uid, geteuid());
	TST_EXP_EQ_LI(st.st_gid, getegid());
	TST_EXP_EQ_LI(st.st_nlink, 1);
	TST_EXP_EQ_LI(st.st_size, PAGES * page);
	TST_EXP_EQ_LI(st.st_blocks, page / 512);
	TST_EXP_EQ_LI(st.st_blksize, page);
}

static void attributes_are_fixed(void)
{
	struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct stat before, after;

	SAFE_FSTAT(fd, &before);
	TST_EXP_FAIL(fchmod(fd, 0777), EPERM);
	TST_EXP_FAIL(fchmod(fd, before.st_mode & 07777), EPERM);
	TST_EXP_FAIL(chmod(path, 0777), EPERM);
	TST_EXP_FAIL(fchown(fd, geteuid(), -1), EPERM);
	TST_EXP_FAIL(fchown(fd, -1, getegid()), EPERM);
	TST_EXP_FAIL(chown(path, geteuid(), getegid()), EPERM);
	TST_EXP_FAIL(futimens(fd, times), EPERM);

	SAFE_FSTAT(fd, &after);
	TST_EXP_EQ_LI(after.st_mode, before.st_mode);
	TST_EXP_EQ_LI(after.st_uid, before.st_uid);
	TST_EXP_EQ_LI(after.st_gid, before.st_gid);
	TST_EXP_EQ_LI(after.st_mtime, before.st_mtime);
}

static void run(void)
{
	attributes_are_true();
	attributes_are_fixed();
}

static void setup(void)
{
	become_variant();
	page = page_size();
	fd = new_file(PAGES * page);
	reserve_memory(fd, 0, page);
	sprintf(path, "/proc/self/fd/%d", fd);
}

static void cleanup(void)
{
	if (fd != -1)
		SAFE_CLOSE(fd);
}

static struct tst_test test = {
	.test_all = run,
	.setup = setup,
	.cleanup = cleanup,
	.test_variants = VARIANTS,
};
