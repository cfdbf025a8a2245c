// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that RMFD_COLLAPSE makes memory in small pages large:
 *
 * - where something was loaded, all of the large page is there, as data
 * - where nothing was, nothing happens
 * - EINVAL if there is no whole large page in the range, the range is not inside the
 *   size or not of whole pages, or a flag is set
 *
 * Where no large block of memory is free, it is ENOMEM, and nothing has changed.
 */

#define _GNU_SOURCE

#include <sys/ioctl.h>
#include <sys/mman.h>
#include "memfd_restricted.h"

static int fd = -1;
static off_t page, large, size;
static char *buf;

static struct rmfd_collapse collapse_of(off_t offset, off_t len)
{
	return (struct rmfd_collapse) {
		.offset = offset,
		.len = len,
		.done = -1,
		.size = sizeof(struct rmfd_collapse),
	};
}

static void load_page(off_t offset)
{
	struct rmfd_load load = {
		.offset = offset,
		.len = page,
		.addr = (unsigned long)buf,
		.size = sizeof(load),
	};

	SAFE_IOCTL(fd, RMFD_LOAD, &load);
}

static void makes_large(void)
{
	struct rmfd_collapse collapse = collapse_of(0, size);

	TST_EXP_PASS(ioctl(fd, RMFD_COLLAPSE, &collapse), "where nothing is");
	TST_EXP_EQ_LI(collapse.done, 0);
	expect_unchanged(fd, size, 0);

	load_page(large + 3 * page);
	TEST(ioctl(fd, RMFD_COLLAPSE, &collapse));
	if (TST_RET == -1 && TST_ERR == ENOMEM) {
		TST_EXP_EQ_LI(collapse.done, 0);
		expect_unchanged(fd, size, page);
		tst_res(TCONF, "No large block of memory is free");
		return;
	}
	TST_EXP_EQ_LI(TST_RET, 0);
	TST_EXP_EQ_LI(collapse.done, large);
	expect_unchanged(fd, size, large);
	TST_EXP_VAL(lseek(fd, 0, SEEK_DATA), large);
	TST_EXP_VAL(lseek(fd, large, SEEK_HOLE), 2 * large);

	TST_EXP_PASS(ioctl(fd, RMFD_COLLAPSE, &collapse), "again");
	TST_EXP_EQ_LI(collapse.done, large);
}

static void refuse(struct rmfd_collapse collapse, const char *what)
{
	TST_EXP_FAIL(ioctl(fd, RMFD_COLLAPSE, &collapse), EINVAL, "RMFD_COLLAPSE of %s", what);
	TST_EXP_EQ_LI(collapse.done, 0);
}

static void wrong_arguments(void)
{
	struct rmfd_collapse collapse = collapse_of(0, large);

	load_page(0);
	refuse(collapse_of(page, 2 * large - 2 * page), "no whole large page");
	refuse(collapse_of(0, large - page), "less than a large page");
	refuse(collapse_of(1, large), "part of a page");
	refuse(collapse_of(0, 0), "nothing");
	refuse(collapse_of(0, size + large), "more than the file");
	refuse(collapse_of(size, large), "what is beyond the file");
	collapse.flags = 1;
	refuse(collapse, "something, with a flag");
	expect_unchanged(fd, size, page);
}

static void (*tests[])(void) = {
	makes_large,
	wrong_arguments,
};

static void run(unsigned int n)
{
	fd = new_file(size);
	tests[n]();
	SAFE_CLOSE(fd);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	large = large_page_size();
	size = 3 * large;
	buf = SAFE_MMAP(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
