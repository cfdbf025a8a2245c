// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that memfd_create() with MFD_RESTRICTED makes a restricted file:
 *
 * - the name shows in /proc/PID/fd
 * - close-on-exec if and only if MFD_CLOEXEC is given
 * - the size is set once, memory can be reserved, and contents neither read nor
 *   written nor mapped
 * - EINVAL together with any other flag, and for a name that is too long
 * - EFAULT for a name that cannot be read
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <sys/mman.h>
#include "memfd_restricted.h"
#include "lapi/memfd.h"

#ifndef MFD_RESTRICTED
# define MFD_RESTRICTED	0x0020U
#endif

#define NAME	"memory of mine"

static int fd = -1;
static off_t page;
static char *buf;

static struct tcase {
	unsigned int flag;
	const char *desc;
} tcases[] = {
	{MFD_ALLOW_SEALING, "MFD_ALLOW_SEALING"},
	{MFD_HUGETLB, "MFD_HUGETLB"},
	{MFD_HUGETLB | 21U << 26, "MFD_HUGETLB | MFD_HUGE_2MB"},
	{MFD_NOEXEC_SEAL, "MFD_NOEXEC_SEAL"},
	{MFD_EXEC, "MFD_EXEC"},
	{1U << 30, "a flag that nobody knows"},
};

static void is_restricted(void)
{
	char path[64], link[256] = "";

	fd = TST_EXP_FD(sys_memfd_create(NAME, MFD_RESTRICTED | MFD_CLOEXEC));
	if (!TST_PASS)
		return;
	TST_EXP_EQ_LI(SAFE_FCNTL(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	sprintf(path, "/proc/self/fd/%d", fd);
	SAFE_READLINK(path, link, sizeof(link));
	TST_EXP_EXPR(!strcmp(link, "/memfd:" NAME " (deleted)"), "it is %s", link);

	TST_EXP_FAIL(ftruncate(fd, 1), EINVAL);
	TST_EXP_PASS(ftruncate(fd, 4 * page));
	TST_EXP_FAIL(ftruncate(fd, page), EPERM);
	TST_EXP_PASS(fallocate(fd, RESERVE, 0, page));
	TST_EXP_FAIL2(read(fd, buf, 1), EINVAL);
	TST_EXP_FAIL2(write(fd, buf, 1), EINVAL);
	TST_EXP_FAIL_PTR_VOID(mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
	TST_EXP_FAIL2(fcntl(fd, F_GET_SEALS), EINVAL);
	expect_unchanged(fd, 4 * page, page);
	SAFE_CLOSE(fd);

	fd = TST_EXP_FD(sys_memfd_create("", MFD_RESTRICTED));
	if (!TST_PASS)
		return;
	TST_EXP_EQ_LI(SAFE_FCNTL(fd, F_GETFD) & FD_CLOEXEC, 0);
	SAFE_CLOSE(fd);
}

static void other_flags(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tcases); i++)
		TST_EXP_FAIL2(sys_memfd_create(NAME, MFD_RESTRICTED | tcases[i].flag), EINVAL,
			      "memfd_create() with MFD_RESTRICTED | %s", tcases[i].desc);
}

static void other_names(void)
{
	const size_t longest = NAME_MAX - strlen("memfd:");

	memset(buf, 'x', longest);
	buf[longest] = '\0';
	fd = TST_EXP_FD(sys_memfd_create(buf, MFD_RESTRICTED), "the longest name");
	if (TST_PASS)
		SAFE_CLOSE(fd);

	buf[longest] = 'x';
	buf[longest + 1] = '\0';
	TST_EXP_FAIL2(sys_memfd_create(buf, MFD_RESTRICTED), EINVAL, "too long a name");
	TST_EXP_FAIL2(sys_memfd_create((const char *)1, MFD_RESTRICTED), EFAULT);
}

static void (*tests[])(void) = {
	is_restricted,
	other_flags,
	other_names,
};

static void run(unsigned int n)
{
	tests[n]();
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
	.test = run,
	.tcnt = ARRAY_SIZE(tests),
	.setup = setup,
	.cleanup = cleanup,
	.test_variants = VARIANTS,
	.bufs = (struct tst_buffers []) {
		{&buf, .size = 4096},
		{}
	},
};
