// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that a restricted file cannot be mapped:
 *
 * - ENODEV whatever the protection and the flags
 * - EPERM with PROT_EXEC, as its file system is mounted noexec
 * - what MAP_FIXED would have replaced is still there
 */

#define _GNU_SOURCE

#include "memfd_restricted.h"
#include "lapi/mmap.h"

#define PAGES 4

static int fd = -1;
static off_t page, size;

static struct tcase {
	int prot;
	int exp_errno;
	const char *desc;
} tcases[] = {
	{PROT_NONE, ENODEV, "PROT_NONE"},
	{PROT_READ, ENODEV, "PROT_READ"},
	{PROT_WRITE, ENODEV, "PROT_WRITE"},
	{PROT_READ | PROT_WRITE, ENODEV, "PROT_READ | PROT_WRITE"},
	{PROT_EXEC, EPERM, "PROT_EXEC"},
	{PROT_READ | PROT_EXEC, EPERM, "PROT_READ | PROT_EXEC"},
};

static void run(unsigned int n)
{
	struct tcase *tc = &tcases[n];
	char *place;

	tst_res(TINFO, "Mapping with %s", tc->desc);

	TST_EXP_FAIL_PTR_VOID(mmap(NULL, size, tc->prot, MAP_SHARED, fd, 0),
			      tc->exp_errno);
	TST_EXP_FAIL_PTR_VOID(mmap(NULL, size, tc->prot, MAP_PRIVATE, fd, 0),
			      tc->exp_errno);
	TST_EXP_FAIL_PTR_VOID(mmap(NULL, size, tc->prot, MAP_SHARED_VALIDATE, fd, 0),
			      tc->exp_errno);
	TST_EXP_FAIL_PTR_VOID(mmap(NULL, size, tc->prot, MAP_SHARED | MAP_POPULATE, fd, 0),
			      tc->exp_errno);
	TST_EXP_FAIL_PTR_VOID(mmap(NULL, page, tc->prot, MAP_PRIVATE | MAP_NORESERVE, fd, page),
			      tc->exp_errno);

	place = SAFE_MMAP(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*place = 'x';
	TST_EXP_FAIL_PTR_VOID(mmap(place, page, tc->prot, MAP_SHARED | MAP_FIXED, fd, 0),
			      tc->exp_errno);
	TST_EXP_EQ_LI(*place, 'x');
	SAFE_MUNMAP(place, page);

	expect_unchanged(fd, size, size);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	size = PAGES * page;
	fd = new_reserved_file(size);
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
