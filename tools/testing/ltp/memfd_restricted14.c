// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that a restricted file knows no ioctls of files (ENOTTY) and no seals
 * (EINVAL).
 */

#define _GNU_SOURCE

#include <sys/ioctl.h>
#include "memfd_restricted.h"
#include "lapi/fcntl.h"
#include "lapi/fs.h"

static int fd = -1;
static off_t size;
static char *buf;

static struct tcase {
	unsigned long request;
	const char *desc;
} tcases[] = {
	{FIONREAD, "FIONREAD"},
	{FS_IOC_GETFLAGS, "FS_IOC_GETFLAGS"},
	{FS_IOC_SETFLAGS, "FS_IOC_SETFLAGS"},
	{FS_IOC_FSGETXATTR, "FS_IOC_FSGETXATTR"},
	{FS_IOC_FSSETXATTR, "FS_IOC_FSSETXATTR"},
	{TCGETS, "TCGETS"},
	{_IO(0xff, 0xff), "a request that nobody knows"},
};

static void seals(void)
{
	TST_EXP_FAIL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EINVAL);
	TST_EXP_FAIL(fcntl(fd, F_ADD_SEALS, 0), EINVAL);
	TST_EXP_FAIL2(fcntl(fd, F_GET_SEALS), EINVAL);
}

static void run(unsigned int n)
{
	if (n == ARRAY_SIZE(tcases))
		seals();
	else
		TST_EXP_FAIL(ioctl(fd, tcases[n].request, buf), ENOTTY,
			     "ioctl() with %s", tcases[n].desc);

	expect_unchanged(fd, size, size);
}

static void setup(void)
{
	become_variant();
	size = page_size();
	fd = new_reserved_file(size);
}

static void cleanup(void)
{
	if (fd != -1)
		SAFE_CLOSE(fd);
}

static struct tst_test test = {
	.test = run,
	.tcnt = ARRAY_SIZE(tcases) + 1,
	.setup = setup,
	.cleanup = cleanup,
	.test_variants = VARIANTS,
	.bufs = (struct tst_buffers []) {
		{&buf, .size = 4096},
		{}
	},
};
