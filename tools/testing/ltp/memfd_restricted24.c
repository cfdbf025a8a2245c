// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that RMFD_LOAD_FD gives a restricted file contents from another file:
 *
 * - what was loaded has memory and is data; the position of the other file stays
 * - a file that ends inside a page is enough for that page
 * - ENODATA if it ends before; what there was is loaded
 * - EBADF if there is no such file, or it is not open for reading; EISDIR for a
 *   directory, ESPIPE for a pipe, EINVAL for a restricted file
 * - EINVAL for offsets that no file has, and what is reserved has to be 0
 */

#define _GNU_SOURCE

#include <sys/ioctl.h>
#include "memfd_restricted.h"
#include "lapi/memfd.h"

#define PAGES	8

static int fd = -1;
static int source = -1;
static off_t page, size;

static struct rmfd_load_fd load_of(off_t offset, off_t len, int from, off_t source_offset)
{
	return (struct rmfd_load_fd) {
		.offset = offset,
		.len = len,
		.source_offset = source_offset,
		.done = -1,
		.fd = from,
		.size = sizeof(struct rmfd_load_fd),
	};
}

static void loads(void)
{
	struct rmfd_load_fd load = load_of(page, 2 * page, source, 1);

	TST_EXP_PASS(ioctl(fd, RMFD_LOAD_FD, &load));
	TST_EXP_EQ_LI(load.done, 2 * page);
	expect_unchanged(fd, size, 2 * page);
	TST_EXP_VAL(lseek(fd, 0, SEEK_DATA), page);
	TST_EXP_VAL(lseek(fd, page, SEEK_HOLE), 3 * page);
	TST_EXP_VAL(lseek(source, 0, SEEK_CUR), 0);
}

/* The other file has two pages and a half. */
static void short_file(void)
{
	struct rmfd_load_fd load = load_of(0, 3 * page, source, 0);

	TST_EXP_PASS(ioctl(fd, RMFD_LOAD_FD, &load), "until the end");
	TST_EXP_EQ_LI(load.done, 3 * page);

	load = load_of(3 * page, 4 * page, source, 0);
	TST_EXP_FAIL(ioctl(fd, RMFD_LOAD_FD, &load), ENODATA, "beyond the end");
	TST_EXP_EQ_LI(load.done, 3 * page);
	expect_unchanged(fd, size, 6 * page);
}

static void refuse(struct rmfd_load_fd load, int exp_errno, const char *what)
{
	TST_EXP_FAIL(ioctl(fd, RMFD_LOAD_FD, &load), exp_errno, "RMFD_LOAD_FD with %s", what);
	TST_EXP_EQ_LI(load.done, 0);
	expect_unchanged(fd, size, 0);
}

static void other_files(void)
{
	int pipes[2], other;

	refuse(load_of(0, page, -1, 0), EBADF, "no file");
	refuse(load_of(0, page, fd, 0), EINVAL, "the file itself");
	other = new_reserved_file(size);
	refuse(load_of(0, page, other, 0), EINVAL, "another restricted file");
	SAFE_CLOSE(other);
	other = SAFE_OPEN("/", O_RDONLY | O_DIRECTORY);
	refuse(load_of(0, page, other, 0), EISDIR, "a directory");
	SAFE_CLOSE(other);

	SAFE_PIPE(pipes);
	refuse(load_of(0, page, pipes[0], 0), ESPIPE, "a pipe");
	refuse(load_of(0, page, pipes[1], 0), EBADF, "what is open for writing");
	SAFE_CLOSE(pipes[0]);
	SAFE_CLOSE(pipes[1]);
}

static void wrong_arguments(void)
{
	struct rmfd_load_fd load;

	refuse(load_of(1, page, source, 0), EINVAL, "part of a page as offset");
	refuse(load_of(0, page + 1, source, 0), EINVAL, "part of a page as length");
	refuse(load_of(0, 0, source, 0), EINVAL, "nothing");
	refuse(load_of(size, page, source, 0), EINVAL, "an offset beyond the size");
	refuse(load_of(0, page, source, -1), EINVAL, "a negative offset of the source");
	refuse(load_of(0, page, source, LLONG_MAX), EINVAL, "the last offset of the source");
	load = load_of(0, page, source, 0);
	load.flags = 1;
	refuse(load, EINVAL, "a flag");
	load = load_of(0, page, source, 0);
	load.reserved = 1;
	refuse(load, EINVAL, "what is reserved");
}

static void (*tests[])(void) = {
	loads,
	short_file,
	other_files,
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
	size = PAGES * page;
	source = sys_memfd_create("source", 0);
	if (source < 0)
		tst_brk(TBROK | TERRNO, "memfd_create() failed");
	SAFE_FTRUNCATE(source, 2 * page + page / 2);
}

static void cleanup(void)
{
	if (source != -1)
		SAFE_CLOSE(source);
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
