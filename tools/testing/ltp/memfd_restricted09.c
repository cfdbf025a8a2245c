// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify lseek() on a restricted file that the kernel has not yet used:
 *
 * - SEEK_HOLE finds a hole everywhere, as memory that is only reserved is no data
 * - ENXIO for SEEK_DATA, as there is none
 * - ENXIO outside the size
 * - EINVAL for every other whence, as the file has no position
 */

#define _GNU_SOURCE

#include "memfd_restricted.h"
#include "lapi/seek.h"

#define PAGES 4

static int fd = -1;
static off_t page, size;

static void run(void)
{
	TST_EXP_VAL(lseek(fd, 0, SEEK_HOLE), 0);
	TST_EXP_VAL(lseek(fd, page, SEEK_HOLE), page);
	TST_EXP_VAL(lseek(fd, size - 1, SEEK_HOLE), size - 1);
	TST_EXP_FAIL2(lseek(fd, 0, SEEK_DATA), ENXIO);
	TST_EXP_FAIL2(lseek(fd, page, SEEK_DATA), ENXIO);

	TST_EXP_FAIL2(lseek(fd, size, SEEK_HOLE), ENXIO);
	TST_EXP_FAIL2(lseek(fd, size, SEEK_DATA), ENXIO);
	TST_EXP_FAIL2(lseek(fd, -1, SEEK_HOLE), ENXIO);
	TST_EXP_FAIL2(lseek(fd, -1, SEEK_DATA), ENXIO);

	TST_EXP_FAIL2(lseek(fd, 0, SEEK_SET), EINVAL);
	TST_EXP_FAIL2(lseek(fd, page, SEEK_SET), EINVAL);
	TST_EXP_FAIL2(lseek(fd, 0, SEEK_CUR), EINVAL);
	TST_EXP_FAIL2(lseek(fd, 0, SEEK_END), EINVAL);
	TST_EXP_FAIL2(lseek(fd, 0, SEEK_HOLE + 1), EINVAL);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	size = PAGES * page;
	fd = new_file(size);
	reserve_memory(fd, page, page);
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
