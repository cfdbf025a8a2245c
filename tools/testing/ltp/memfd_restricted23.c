// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that RMFD_LOAD gives a restricted file contents from memory of the caller:
 *
 * - what was loaded has memory and is data, and the caller cannot read it back
 * - contents that are there can be replaced, and the address may be any
 * - EFAULT where nothing can be read; what comes before that is loaded
 * - EINVAL if offset or length is no multiple of the page size, the length is zero,
 *   the range not inside the size, a flag set, or the structure too short
 * - E2BIG if it is longer than the kernel knows, and something is there
 */

#define _GNU_SOURCE

#include <sys/ioctl.h>
#include <sys/mman.h>
#include "memfd_restricted.h"

#define PAGES	8
#define LOADED	4

/* A kernel of some day may know more. */
struct longer {
	struct rmfd_load load;
	unsigned long long more;
};

static int fd = -1;
static off_t page, size;
/* As much as is loaded; nothing can be read behind it. */
static char *buf;

static struct rmfd_load load_of(off_t offset, off_t len, const void *addr)
{
	return (struct rmfd_load) {
		.offset = offset,
		.len = len,
		.addr = (unsigned long)addr,
		.done = -1,
		.size = sizeof(struct rmfd_load),
	};
}

static void loads(void)
{
	struct rmfd_load load = load_of(page, LOADED * page, buf);

	TST_EXP_PASS(ioctl(fd, RMFD_LOAD, &load));
	TST_EXP_EQ_LI(load.done, LOADED * page);
	expect_unchanged(fd, size, LOADED * page);
	TST_EXP_VAL(lseek(fd, 0, SEEK_DATA), page);
	TST_EXP_VAL(lseek(fd, page, SEEK_HOLE), (1 + LOADED) * page);
	TST_EXP_FAIL2(read(fd, buf, page), EINVAL);

	load = load_of(page, page, buf + 1);
	TST_EXP_PASS(ioctl(fd, RMFD_LOAD, &load), "again, from another address");
	TST_EXP_EQ_LI(load.done, page);
	expect_unchanged(fd, size, LOADED * page);
}

static void cannot_be_read(void)
{
	struct rmfd_load load = load_of(0, (LOADED + 1) * page, buf);

	TST_EXP_FAIL(ioctl(fd, RMFD_LOAD, &load), EFAULT, "memory that ends too early");
	TST_EXP_EQ_LI(load.done, LOADED * page);
	expect_unchanged(fd, size, LOADED * page);

	load = load_of(LOADED * page, page, NULL);
	TST_EXP_FAIL(ioctl(fd, RMFD_LOAD, &load), EFAULT, "no memory");
	TST_EXP_EQ_LI(load.done, 0);
	load = load_of(LOADED * page, page, (void *)(-1UL << 20));
	TST_EXP_FAIL(ioctl(fd, RMFD_LOAD, &load), EFAULT, "memory of the kernel");
	TST_EXP_FAIL(ioctl(fd, RMFD_LOAD, NULL), EFAULT, "no structure");
	expect_unchanged(fd, size, LOADED * page);
}

static void refuse(struct rmfd_load load, const char *what)
{
	TST_EXP_FAIL(ioctl(fd, RMFD_LOAD, &load), EINVAL, "RMFD_LOAD with %s", what);
	expect_unchanged(fd, size, 0);
}

static void wrong_arguments(void)
{
	struct rmfd_load load;

	refuse(load_of(1, page, buf), "part of a page as offset");
	refuse(load_of(0, 1, buf), "part of a page as length");
	refuse(load_of(0, 0, buf), "nothing");
	refuse(load_of(-page, page, buf), "a negative offset");
	refuse(load_of(0, -page, buf), "a negative length");
	refuse(load_of(size, page, buf), "an offset beyond the size");
	refuse(load_of(size - page, 2 * page, buf), "a range that ends beyond the size");
	load = load_of(0, page, buf);
	load.flags = 1;
	refuse(load, "a flag");
	load = load_of(0, page, buf);
	load.size -= 4;
	refuse(load, "too short a structure");
}

static void longer_structure(void)
{
	struct longer longer = {.load = load_of(0, page, buf), .more = 1};

	longer.load.size = sizeof(longer);
	TST_EXP_FAIL(ioctl(fd, RMFD_LOAD, &longer), E2BIG);
	expect_unchanged(fd, size, 0);
	longer.more = 0;
	TST_EXP_PASS(ioctl(fd, RMFD_LOAD, &longer));
	expect_unchanged(fd, size, page);
}

static void (*tests[])(void) = {
	loads,
	cannot_be_read,
	wrong_arguments,
	longer_structure,
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
	size = PAGES * page;
	buf = SAFE_MMAP(NULL, (LOADED + 1) * page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(buf, 'x', LOADED * page);
	SAFE_MPROTECT(buf + LOADED * page, page, PROT_NONE);
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
