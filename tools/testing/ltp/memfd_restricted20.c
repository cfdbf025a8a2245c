// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that memory of a file with RMFD_HUGEPAGE comes in large pages:
 *
 * - one page that is reserved brings all of the large one, as far as the file goes
 * - a hole in it takes away what it covers and no more
 *
 * Large pages are an effort and no promise, so one block of several has to be one.
 */

#define _GNU_SOURCE

#include "memfd_restricted.h"

#define BLOCKS 8

static int fd = -1;
static off_t page, large;

static off_t new_memory(off_t offset)
{
	off_t before = memory_of(fd);

	reserve_memory(fd, offset, page);

	return memory_of(fd) - before;
}

static void run(void)
{
	off_t size = BLOCKS * large + page;
	off_t offset, found = -1;

	fd = TST_EXP_FD(memfd_restricted(RMFD_HUGEPAGE | RMFD_CLOEXEC, -1));
	TST_EXP_EQ_LI(SAFE_FCNTL(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	SAFE_FTRUNCATE(fd, size);

	TST_EXP_EQ_LI(new_memory(BLOCKS * large), page);
	for (offset = 0; found < 0 && offset < BLOCKS * large; offset += large) {
		if (new_memory(offset + 3 * page) == large)
			found = offset;
	}
	TST_EXP_EXPR(found >= 0, "one of %d blocks is a large page", BLOCKS);

	if (found >= 0) {
		TST_EXP_EQ_LI(new_memory(found + large - page), 0);
		offset = memory_of(fd);
		TST_EXP_PASS(fallocate(fd, PUNCH, found + page, page));
		TST_EXP_EQ_LI(memory_of(fd), offset - page);
	}
	TST_EXP_EQ_LI(size_of(fd), size);

	SAFE_CLOSE(fd);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	large = large_page_size();
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
