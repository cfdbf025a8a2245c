// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that a restricted file can be neither read nor written: EINVAL, and
 * ESPIPE for the calls that have an offset. The buffer, the file and its position
 * are what they were.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include "memfd_restricted.h"
#include "lapi/uio.h"

#define PAGES	4
#define LEN	4096

static int fd = -1;
static off_t size;
static char path[64];
static char *buf;
static struct iovec iov;

static void reads(void)
{
	TST_EXP_FAIL2(read(fd, buf, LEN), EINVAL);
	TST_EXP_FAIL2(read(fd, buf, 0), EINVAL);
	TST_EXP_FAIL2(readv(fd, &iov, 1), EINVAL);
	TST_EXP_FAIL2(pread(fd, buf, LEN, 0), ESPIPE);
	TST_EXP_FAIL2(preadv(fd, &iov, 1, 0), ESPIPE);
	TST_EXP_FAIL2(preadv2(fd, &iov, 1, 0, RWF_NOWAIT), ESPIPE);
	TST_EXP_FAIL2(preadv2(fd, &iov, 1, -1, RWF_NOWAIT), EINVAL);
}

static void writes(void)
{
	TST_EXP_FAIL2(write(fd, buf, LEN), EINVAL);
	TST_EXP_FAIL2(write(fd, buf, 0), EINVAL);
	TST_EXP_FAIL2(writev(fd, &iov, 1), EINVAL);
	TST_EXP_FAIL2(pwrite(fd, buf, LEN, 0), ESPIPE);
	TST_EXP_FAIL2(pwritev(fd, &iov, 1, 0), ESPIPE);
	TST_EXP_FAIL2(pwritev2(fd, &iov, 1, 0, RWF_NOWAIT), ESPIPE);
	TST_EXP_FAIL2(pwritev2(fd, &iov, 1, -1, RWF_NOWAIT), EINVAL);
}

static void run(void)
{
	int i = 0, pos;

	reads();
	writes();

	while (i < LEN && buf[i] == 'x')
		i++;
	TST_EXP_EQ_LI(i, LEN);

	SAFE_FILE_LINES_SCANF(path, "pos: %d", &pos);
	TST_EXP_EQ_LI(pos, 0);
	expect_unchanged(fd, size, size);
}

static void setup(void)
{
	become_variant();
	size = PAGES * page_size();
	fd = new_reserved_file(size);
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	memset(buf, 'x', LEN);
	iov.iov_base = buf;
	iov.iov_len = LEN;
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
	.bufs = (struct tst_buffers []) {
		{&buf, .size = LEN},
		{}
	},
};
