// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that ftruncate() sets the size of a restricted file once:
 *
 * - EINVAL for a size that is zero, negative or no multiple of the page size,
 *   which does not count
 * - a size takes no memory
 * - EPERM for every other size once it is set, by this descriptor or another
 */

#define _GNU_SOURCE

#include "memfd_restricted.h"

#define PAGES 4

static int fd = -1;
static off_t page;

static void no_size(void)
{
	TST_EXP_FAIL(ftruncate(fd, 0), EINVAL);
	TST_EXP_FAIL(ftruncate(fd, 1), EINVAL);
	TST_EXP_FAIL(ftruncate(fd, page - 1), EINVAL);
	TST_EXP_FAIL(ftruncate(fd, page + 1), EINVAL);
	TST_EXP_FAIL(ftruncate(fd, -1), EINVAL);
	TST_EXP_FAIL(ftruncate(fd, -page), EINVAL);
	expect_unchanged(fd, 0, 0);
}

static void set_once(void)
{
	int copy = SAFE_DUP(fd);

	TST_EXP_PASS(ftruncate(fd, PAGES * page));
	expect_unchanged(fd, PAGES * page, 0);

	TST_EXP_FAIL(ftruncate(fd, PAGES * page), EPERM, "the same size");
	TST_EXP_FAIL(ftruncate(fd, page), EPERM, "a smaller size");
	TST_EXP_FAIL(ftruncate(fd, 2 * PAGES * page), EPERM, "a larger size");
	TST_EXP_FAIL(ftruncate(copy, page), EPERM, "by another descriptor");
	expect_unchanged(fd, PAGES * page, 0);

	SAFE_CLOSE(copy);
}

static void run(void)
{
	fd = SAFE_MEMFD_RESTRICTED(0);

	no_size();
	set_once();

	SAFE_CLOSE(fd);
}

static void setup(void)
{
	become_variant();
	page = page_size();
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
