// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that fallocate() with FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE gives
 * memory back:
 *
 * - whole pages, which shows in st_blocks and leaves the size
 * - what is beyond the size is ignored
 * - where nothing is, nothing happens
 * - EINVAL if offset or length is no multiple of the page size, the offset is
 *   negative or the length not above zero
 * - EFBIG if the range ends beyond what any file can have
 */

#define _GNU_SOURCE

#include "memfd_restricted.h"

#define PAGES 8

static int fd = -1;
static off_t page, size, last;

static void gives_memory_back(void)
{
	TST_EXP_PASS(fallocate(fd, PUNCH, page, page));
	expect_unchanged(fd, size, size - page);
	TST_EXP_PASS(fallocate(fd, PUNCH, page, page), "again");
	expect_unchanged(fd, size, size - page);
	TST_EXP_PASS(fallocate(fd, PUNCH, 0, 4 * page), "around a hole");
	expect_unchanged(fd, size, size - 4 * page);
	TST_EXP_PASS(fallocate(fd, RESERVE, page, page), "new memory in a hole");
	expect_unchanged(fd, size, size - 3 * page);
	TST_EXP_PASS(fallocate(fd, PUNCH, 0, size), "all of it");
	expect_unchanged(fd, size, 0);
}

static void beyond_the_size(void)
{
	int empty = SAFE_MEMFD_RESTRICTED(0);

	TST_EXP_PASS(fallocate(fd, PUNCH, size, page));
	TST_EXP_PASS(fallocate(fd, PUNCH, last - page, page));
	expect_unchanged(fd, size, size);
	TST_EXP_PASS(fallocate(fd, PUNCH, size - page, 2 * page));
	expect_unchanged(fd, size, size - page);
	TST_EXP_PASS(fallocate(fd, PUNCH, 0, last));
	expect_unchanged(fd, size, 0);

	TST_EXP_PASS(fallocate(empty, PUNCH, 0, page), "without a size");
	expect_unchanged(empty, 0, 0);
	SAFE_CLOSE(empty);
}

static void whole_pages(void)
{
	TST_EXP_FAIL(fallocate(fd, PUNCH, 1, page), EINVAL);
	TST_EXP_FAIL(fallocate(fd, PUNCH, page - 1, page), EINVAL);
	TST_EXP_FAIL(fallocate(fd, PUNCH, 0, 1), EINVAL);
	TST_EXP_FAIL(fallocate(fd, PUNCH, 0, page + 1), EINVAL);
	TST_EXP_FAIL(fallocate(fd, PUNCH, 0, 0), EINVAL);
	TST_EXP_FAIL(fallocate(fd, PUNCH, page, -page), EINVAL);
	TST_EXP_FAIL(fallocate(fd, PUNCH, -page, page), EINVAL);
	TST_EXP_FAIL(fallocate(fd, PUNCH, page, last), EFBIG);
	expect_unchanged(fd, size, size);
}

static void (*tests[])(void) = {
	gives_memory_back,
	beyond_the_size,
	whole_pages,
};

static void run(unsigned int n)
{
	fd = new_reserved_file(size);
	tests[n]();
	SAFE_CLOSE(fd);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	size = PAGES * page;
	last = LLONG_MAX & ~(page - 1);
}

static void cleanup(void)
{
	if (fd != -1)
		SAFE_CLOSE(fd);
}

static struct tst_test test = {
	.test = run,
	.tcnt = ARRAY_SIZE(tests),
	.setup = setup,
	.cleanup = cleanup,
	.test_variants = VARIANTS,
};
