// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that io_uring does with a restricted file what the system calls do: it
 * refuses to read, write and splice, for a descriptor as for a registered file,
 * and keeps to the rules of fallocate() and ftruncate().
 */

#define _GNU_SOURCE

#include <sys/mman.h>
#include "memfd_restricted.h"
#include "tst_safe_io_uring.h"

#ifndef IORING_OP_SPLICE
# define IORING_OP_SPLICE 30
#endif

#ifndef IORING_OP_FTRUNCATE
# define IORING_OP_FTRUNCATE 55
#endif

#define LEN 4096

static int fd = -1;
static int full[2] = {-1, -1};
static off_t size;
static char *buf;
static struct iovec iov;
static struct tst_io_uring ring = {.fd = -1};

static int submit(struct io_uring_sqe *sqe)
{
	unsigned int tail = *ring.sqr_tail;
	unsigned int head = *ring.cqr_head;
	unsigned int slot = tail & *ring.sqr_mask;
	int res;

	ring.sqr_entries[slot] = *sqe;
	ring.sqr_array[slot] = slot;
	__atomic_store_n(ring.sqr_tail, tail + 1, __ATOMIC_RELEASE);

	SAFE_IO_URING_ENTER(1, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL);

	if (__atomic_load_n(ring.cqr_tail, __ATOMIC_ACQUIRE) == head)
		tst_brk(TBROK, "A request without a result");
	res = ring.cqr_entries[head & *ring.cqr_mask].res;
	__atomic_store_n(ring.cqr_head, head + 1, __ATOMIC_RELEASE);

	return res;
}

static void expect_refused(const char *what, struct io_uring_sqe sqe, int exp_errno)
{
	int res = submit(&sqe);

	TST_EXP_EXPR(res == -exp_errno, "%s: %s", what,
		     res < 0 ? tst_strerrno(-res) : "not refused");
}

static void reads_and_writes(void)
{
	struct io_uring_sqe sqe = {.fd = fd, .addr = (unsigned long)buf, .len = LEN};

	sqe.opcode = IORING_OP_READ;
	expect_refused("READ", sqe, EINVAL);
	sqe.opcode = IORING_OP_WRITE;
	expect_refused("WRITE", sqe, EINVAL);

	sqe.flags = IOSQE_ASYNC;
	expect_refused("WRITE by a worker", sqe, EINVAL);
	sqe.opcode = IORING_OP_READ;
	expect_refused("READ by a worker", sqe, EINVAL);

	sqe.fd = 0;
	sqe.flags = IOSQE_FIXED_FILE;
	expect_refused("READ of a registered file", sqe, EINVAL);
	sqe.opcode = IORING_OP_WRITE;
	expect_refused("WRITE of a registered file", sqe, EINVAL);

	sqe.opcode = IORING_OP_WRITE_FIXED;
	expect_refused("WRITE_FIXED", sqe, EINVAL);
	sqe.opcode = IORING_OP_READ_FIXED;
	expect_refused("READ_FIXED", sqe, EINVAL);

	sqe.addr = (unsigned long)&iov;
	sqe.len = 1;
	sqe.opcode = IORING_OP_READV;
	expect_refused("READV", sqe, EINVAL);
	sqe.opcode = IORING_OP_WRITEV;
	expect_refused("WRITEV", sqe, EINVAL);
}

static void splices(void)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_SPLICE,
		.fd = full[1],
		.off = -1,
		.len = LEN,
		.splice_fd_in = fd,
		.splice_off_in = -1,
	};

	expect_refused("SPLICE from it", sqe, EINVAL);
	sqe.splice_fd_in = full[0];
	sqe.fd = fd;
	expect_refused("SPLICE into it", sqe, EINVAL);
}

static void same_rules(void)
{
	struct io_uring_sqe sqe = {.fd = fd};

	sqe.opcode = IORING_OP_FTRUNCATE;
	sqe.off = 2 * size;
	expect_refused("FTRUNCATE of what has a size", sqe, EPERM);

	sqe.opcode = IORING_OP_FALLOCATE;
	sqe.off = size;
	sqe.addr = size;
	sqe.len = 0;
	expect_refused("FALLOCATE without a mode", sqe, EOPNOTSUPP);
	sqe.len = RESERVE;
	expect_refused("FALLOCATE beyond the size", sqe, EINVAL);
	sqe.off = 1;
	sqe.len = PUNCH;
	expect_refused("FALLOCATE of part of a page", sqe, EINVAL);
}

static void run(void)
{
	reads_and_writes();
	splices();
	same_rules();

	TST_EXP_EQ_LI(buf[0], 'x');
	expect_unchanged(fd, size, size);
}

static void setup(void)
{
	struct io_uring_params params = {};

	become_variant();
	size = page_size();
	fd = new_reserved_file(size);
	memset(buf, 'x', LEN);
	iov.iov_base = buf;
	iov.iov_len = LEN;
	SAFE_PIPE(full);
	SAFE_WRITE(SAFE_WRITE_ALL, full[1], buf, LEN);

	SAFE_IO_URING_INIT(1, &params, &ring);
	if (io_uring_register(ring.fd, IORING_REGISTER_FILES, &fd, 1) ||
	    io_uring_register(ring.fd, IORING_REGISTER_BUFFERS, &iov, 1))
		tst_brk(TBROK | TERRNO, "io_uring_register() failed");
}

static void cleanup(void)
{
	int i;

	if (ring.fd != -1)
		SAFE_IO_URING_CLOSE(&ring);
	for (i = 0; i < 2; i++) {
		if (full[i] != -1)
			SAFE_CLOSE(full[i]);
	}
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
