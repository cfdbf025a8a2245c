// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that fallocate() has no other modes for restricted files than the two
 * that reserve memory and punch holes: EOPNOTSUPP, and nothing changes.
 */

#define _GNU_SOURCE

#include "memfd_restricted.h"

#ifndef FALLOC_FL_UNSHARE_RANGE
# define FALLOC_FL_UNSHARE_RANGE 0x40
#endif

#ifndef FALLOC_FL_WRITE_ZEROES
# define FALLOC_FL_WRITE_ZEROES 0x80
#endif

#define PAGES 4

static int fd = -1;
static off_t page;

static struct tcase {
	int mode;
	const char *desc;
} tcases[] = {
	{0, "no mode, which would change the size"},
	{FALLOC_FL_PUNCH_HOLE, "FALLOC_FL_PUNCH_HOLE alone"},
	{FALLOC_FL_COLLAPSE_RANGE, "FALLOC_FL_COLLAPSE_RANGE"},
	{FALLOC_FL_INSERT_RANGE, "FALLOC_FL_INSERT_RANGE"},
	{FALLOC_FL_ZERO_RANGE, "FALLOC_FL_ZERO_RANGE"},
	{FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	 "FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE"},
	{FALLOC_FL_UNSHARE_RANGE, "FALLOC_FL_UNSHARE_RANGE"},
	{FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE,
	 "FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE"},
	{FALLOC_FL_WRITE_ZEROES, "FALLOC_FL_WRITE_ZEROES"},
	{FALLOC_FL_COLLAPSE_RANGE | PUNCH, "FALLOC_FL_COLLAPSE_RANGE with a hole"},
	{1 << 30, "an unknown mode"},
	{1 << 30 | FALLOC_FL_KEEP_SIZE, "an unknown mode with FALLOC_FL_KEEP_SIZE"},
};

static void run(unsigned int n)
{
	struct tcase *tc = &tcases[n];

	TST_EXP_FAIL(fallocate(fd, tc->mode, page, page), EOPNOTSUPP, "%s", tc->desc);
	expect_unchanged(fd, PAGES * page, 2 * page);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	fd = new_file(PAGES * page);
	reserve_memory(fd, 0, 2 * page);
}

static void cleanup(void)
{
	if (fd != -1)
		SAFE_CLOSE(fd);
}

static struct tst_test test = {
	.test = run,
	.tcnt = ARRAY_SIZE(tcases),
	.setup = setup,
	.cleanup = cleanup,
	.test_variants = VARIANTS,
};
