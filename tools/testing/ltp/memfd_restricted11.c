// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that nothing moves or copies between a restricted file and a pipe, a
 * socket or another file: splice() and its relatives, sendfile(),
 * copy_file_range(), FICLONE and FICLONERANGE fail, and what is on the other side
 * stays as it was.
 */

#define _GNU_SOURCE

#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include "memfd_restricted.h"
#include "lapi/ficlone.h"
#include "lapi/memfd.h"
#include "lapi/splice.h"
#include "lapi/tee.h"
#include "lapi/vmsplice.h"

#define LEN 4096

static int fd = -1;
static int other_fd = -1;
static int file_fd = -1;
static int sock[2] = {-1, -1};
static int empty[2] = {-1, -1};
static int full[2] = {-1, -1};
static off_t size;
static char *buf;

static void splices(void)
{
	struct iovec iov = {.iov_base = buf, .iov_len = LEN};
	loff_t off = 0;

	TST_EXP_FAIL2(splice(fd, NULL, empty[1], NULL, LEN, 0), EINVAL);
	TST_EXP_FAIL2(splice(fd, &off, empty[1], NULL, LEN, 0), EINVAL);
	TST_EXP_FAIL2(splice(full[0], NULL, fd, NULL, LEN, 0), EINVAL);
	TST_EXP_FAIL2(splice(full[0], NULL, fd, &off, LEN, 0), EINVAL);
	TST_EXP_FAIL2(tee(fd, empty[1], LEN, 0), EINVAL);
	TST_EXP_FAIL2(tee(full[0], fd, LEN, 0), EINVAL);
	TST_EXP_FAIL2(vmsplice(fd, &iov, 1, 0), EBADF);
}

static void sendfiles(void)
{
	off_t off = 0;

	TST_EXP_FAIL2(sendfile(file_fd, fd, NULL, LEN), EINVAL);
	TST_EXP_FAIL2(sendfile(file_fd, fd, &off, LEN), ESPIPE);
	TST_EXP_FAIL2(sendfile(sock[0], fd, NULL, LEN), EINVAL);
	TST_EXP_FAIL2(sendfile(sock[0], fd, &off, LEN), ESPIPE);
	TST_EXP_FAIL2(sendfile(fd, file_fd, &off, LEN), EINVAL);
}

static void copies(void)
{
	struct file_clone_range range = {.src_fd = fd, .src_length = LEN};
	loff_t in = 0, out = 0;

	TST_EXP_FAIL2(copy_file_range(fd, &in, file_fd, &out, LEN, 0), EXDEV);
	TST_EXP_FAIL2(copy_file_range(file_fd, &in, fd, &out, LEN, 0), EXDEV);
	TST_EXP_FAIL2(copy_file_range(fd, &in, other_fd, &out, LEN, 0), EINVAL);
	TST_EXP_FAIL(ioctl(file_fd, FICLONE, fd), EXDEV);
	TST_EXP_FAIL(ioctl(fd, FICLONE, file_fd), EXDEV);
	TST_EXP_FAIL(ioctl(other_fd, FICLONE, fd), EOPNOTSUPP);
	TST_EXP_FAIL(ioctl(file_fd, FICLONERANGE, &range), EXDEV);
}

static void run(void)
{
	int bytes;

	splices();
	sendfiles();
	copies();

	SAFE_IOCTL(empty[0], FIONREAD, &bytes);
	TST_EXP_EQ_LI(bytes, 0);
	SAFE_IOCTL(full[0], FIONREAD, &bytes);
	TST_EXP_EQ_LI(bytes, LEN);
	SAFE_IOCTL(sock[1], FIONREAD, &bytes);
	TST_EXP_EQ_LI(bytes, 0);
	TST_EXP_EQ_LI(size_of(file_fd), LEN);
	expect_unchanged(other_fd, size, 0);
	expect_unchanged(fd, size, size);
}

static void setup(void)
{
	become_variant();
	size = page_size();
	fd = new_reserved_file(size);
	other_fd = new_file(size);
	SAFE_PIPE(empty);
	SAFE_PIPE(full);
	SAFE_SOCKETPAIR(AF_UNIX, SOCK_STREAM, 0, sock);

	file_fd = sys_memfd_create("ordinary", 0);
	memset(buf, 'x', LEN);
	SAFE_WRITE(SAFE_WRITE_ALL, file_fd, buf, LEN);
	SAFE_LSEEK(file_fd, 0, SEEK_SET);
	SAFE_WRITE(SAFE_WRITE_ALL, full[1], buf, LEN);
}

static void cleanup(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (sock[i] != -1)
			SAFE_CLOSE(sock[i]);
		if (empty[i] != -1)
			SAFE_CLOSE(empty[i]);
		if (full[i] != -1)
			SAFE_CLOSE(full[i]);
	}
	if (file_fd != -1)
		SAFE_CLOSE(file_fd);
	if (other_fd != -1)
		SAFE_CLOSE(other_fd);
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
