// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that devices that use what is in a file do not take a restricted one:
 *
 * - EINVAL for LOOP_SET_FD and LOOP_CONFIGURE of a loop device
 * - EBADFD for UDMABUF_CREATE of /dev/udmabuf
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <sys/ioctl.h>
#include "memfd_restricted.h"
#include "lapi/loop.h"

/* As in linux/udmabuf.h, which is younger than some systems. */
struct udmabuf_request {
	unsigned int memfd;
	unsigned int flags;
	unsigned long long offset;
	unsigned long long size;
};

#define CREATE_UDMABUF _IOW('u', 0x42, struct udmabuf_request)

static int fd = -1;
static int device = -1;
static off_t size;

static void open_device(const char *path)
{
	device = open(path, O_RDWR);
	if (device < 0)
		tst_brk(TCONF | TERRNO, "Cannot open %s", path);
}

static void loop_device(void)
{
	struct loop_config config = {.fd = fd, .block_size = size};
	char path[32];
	int number;

	open_device("/dev/loop-control");
	number = SAFE_IOCTL(device, LOOP_CTL_GET_FREE);
	SAFE_CLOSE(device);

	sprintf(path, "/dev/loop%d", number);
	open_device(path);
	TST_EXP_FAIL(ioctl(device, LOOP_SET_FD, fd), EINVAL);
	TST_EXP_FAIL(ioctl(device, LOOP_CONFIGURE, &config), EINVAL);
	config.info.lo_flags = LO_FLAGS_READ_ONLY;
	TST_EXP_FAIL(ioctl(device, LOOP_CONFIGURE, &config), EINVAL, "LOOP_CONFIGURE read-only");
	SAFE_CLOSE(device);
}

static void udmabuf_device(void)
{
	struct udmabuf_request request = {.memfd = fd, .size = size};

	open_device("/dev/udmabuf");
	TST_EXP_FAIL2(ioctl(device, CREATE_UDMABUF, &request), EBADFD);
	SAFE_CLOSE(device);
}

static void (*tests[])(void) = {
	loop_device,
	udmabuf_device,
};

/* In a child, as one device may be missing and the other not. */
static void run(unsigned int n)
{
	if (!SAFE_FORK()) {
		tests[n]();
		expect_unchanged(fd, size, size);
		exit(0);
	}
	tst_reap_children();
}

static void setup(void)
{
	become_variant();
	size = page_size();
	fd = new_reserved_file(size);
}

static void cleanup(void)
{
	if (device != -1)
		SAFE_CLOSE(device);
	if (fd != -1)
		SAFE_CLOSE(fd);
}

static struct tst_test test = {
	.test = run,
	.tcnt = ARRAY_SIZE(tests),
	.setup = setup,
	.cleanup = cleanup,
	.forks_child = 1,
	.test_variants = VARIANTS,
};
