// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify what lseek() finds in a restricted file with contents:
 *
 * - SEEK_DATA what was loaded, and SEEK_HOLE where that ends
 * - memory that is only reserved is a hole, and so is what was punched
 */

#define _GNU_SOURCE

#include <sys/ioctl.h>
#include <sys/mman.h>
#include "memfd_restricted.h"
#include "lapi/seek.h"

#define PAGES	8

static int fd = -1;
static off_t page, size;
static char *buf;

static void load_pages(off_t first, off_t pages)
{
	struct rmfd_load load = {
		.offset = first * page,
		.len = pages * page,
		.addr = (unsigned long)buf,
		.size = sizeof(load),
	};

	SAFE_IOCTL(fd, RMFD_LOAD, &load);
}

static void run(void)
{
	fd = new_file(size);
	load_pages(1, 2);
	reserve_memory(fd, 4 * page, page);
	load_pages(6, 1);
	expect_unchanged(fd, size, 4 * page);

	TST_EXP_VAL(lseek(fd, 0, SEEK_DATA), page);
	TST_EXP_VAL(lseek(fd, page + 1, SEEK_DATA), page + 1);
	TST_EXP_VAL(lseek(fd, 3 * page, SEEK_DATA), 6 * page);
	TST_EXP_VAL(lseek(fd, 4 * page, SEEK_DATA), 6 * page);
	TST_EXP_FAIL2(lseek(fd, 7 * page, SEEK_DATA), ENXIO);

	TST_EXP_VAL(lseek(fd, 0, SEEK_HOLE), 0);
	TST_EXP_VAL(lseek(fd, page, SEEK_HOLE), 3 * page);
	TST_EXP_VAL(lseek(fd, 3 * page - 1, SEEK_HOLE), 3 * page);
	TST_EXP_VAL(lseek(fd, 4 * page, SEEK_HOLE), 4 * page);
	TST_EXP_VAL(lseek(fd, 6 * page, SEEK_HOLE), 7 * page);

	TST_EXP_PASS(fallocate(fd, PUNCH, page, page));
	TST_EXP_VAL(lseek(fd, 0, SEEK_DATA), 2 * page);
	TST_EXP_VAL(lseek(fd, page, SEEK_HOLE), page);

	load_pages(7, 1);
	TST_EXP_VAL(lseek(fd, 6 * page, SEEK_HOLE), size);

	SAFE_CLOSE(fd);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	size = PAGES * page;
	buf = SAFE_MMAP(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
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
