// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that /proc tells size and memory of a restricted file, and nowhere an
 * address of the kernel.
 */

#define _GNU_SOURCE

#include <ctype.h>
#include <stdio.h>
#include "memfd_restricted.h"

#define PAGES	8

static int fd = -1;
static off_t page, size;

/* As many hexadecimal digits in a row, from the upper half of all addresses. */
static bool has_address(const char *text)
{
	size_t digits;

	for (; *text; text += digits ? digits : 1) {
		for (digits = 0; isxdigit((unsigned char)text[digits]); digits++)
			;
		if (digits >= 2 * sizeof(long) && strchr("89abcdefABCDEF", *text))
			return true;
	}

	return false;
}

static void expect_no_address(const char *path)
{
	char text[4096] = "";
	int file = SAFE_OPEN(path, O_RDONLY);

	SAFE_READ(0, file, text, sizeof(text) - 1);
	SAFE_CLOSE(file);
	TST_EXP_EXPR(*text && !has_address(text), "%s has no address", path);
}

static void run(void)
{
	char path[64], name[256] = "";
	long kb;

	fd = new_file(size);
	reserve_memory(fd, 0, 3 * page);

	sprintf(path, "/proc/self/fdinfo/%d", fd);
	SAFE_FILE_LINES_SCANF(path, "size: %ld kB", &kb);
	TST_EXP_EQ_LI(kb, size / 1024);
	SAFE_FILE_LINES_SCANF(path, "memory: %ld kB", &kb);
	TST_EXP_EQ_LI(kb, 3 * page / 1024);
	expect_no_address(path);

	sprintf(path, "/proc/self/fd/%d", fd);
	SAFE_READLINK(path, name, sizeof(name));
	TST_EXP_EXPR(*name && !has_address(name), "it is called %s", name);

	SAFE_CLOSE(fd);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	size = PAGES * page;
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
