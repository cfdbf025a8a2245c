// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that memfd_restricted() returns a new descriptor:
 *
 * - with close-on-exec if and only if RMFD_CLOEXEC is given
 * - open for reading and writing
 * - for an empty regular file that no other call returns
 * - whatever the second argument is, as no flag says what it means
 */

#define _GNU_SOURCE

#include "memfd_restricted.h"

static struct tcase {
	unsigned int flags;
	int mount_fd;
	int fd_flags;
} tcases[] = {
	{.flags = 0, .mount_fd = -1, .fd_flags = 0},
	{.flags = 0, .mount_fd = 0, .fd_flags = 0},
	{.flags = 0, .mount_fd = INT_MIN, .fd_flags = 0},
	{.flags = RMFD_CLOEXEC, .mount_fd = -1, .fd_flags = FD_CLOEXEC},
	{.flags = RMFD_CLOEXEC, .mount_fd = INT_MAX, .fd_flags = FD_CLOEXEC},
};

static void run(unsigned int n)
{
	struct tcase *tc = &tcases[n];
	int fd, other;
	struct stat st;

	fd = TST_EXP_FD(memfd_restricted(tc->flags, tc->mount_fd),
			"memfd_restricted(0x%x, %d)", tc->flags, tc->mount_fd);
	if (!TST_PASS)
		return;

	TST_EXP_EQ_LI(SAFE_FCNTL(fd, F_GETFD) & FD_CLOEXEC, tc->fd_flags);
	TST_EXP_EQ_LI(SAFE_FCNTL(fd, F_GETFL) & O_ACCMODE, O_RDWR);

	SAFE_FSTAT(fd, &st);
	TST_EXP_EXPR(S_ISREG(st.st_mode), "a regular file");
	TST_EXP_EQ_LI(st.st_size, 0);
	TST_EXP_EQ_LI(st.st_blocks, 0);

	other = SAFE_MEMFD_RESTRICTED(0);
	TST_EXP_EXPR(inode_of(other) != st.st_ino, "each call makes a file of its own");
	SAFE_FTRUNCATE(other, page_size());
	TST_EXP_EQ_LI(size_of(fd), 0);

	SAFE_CLOSE(other);
	SAFE_CLOSE(fd);
}

static struct tst_test test = {
	.test = run,
	.tcnt = ARRAY_SIZE(tcases),
	.setup = become_variant,
	.test_variants = VARIANTS,
};
