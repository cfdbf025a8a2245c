// SPDX-License-Identifier: GPL-2.0
/*
 * Asynchronous I/O, old and new, gets no further than read() and write() do.
 */
#include <sys/uio.h>

#include <linux/aio_abi.h>
#include <linux/io_uring.h>

#include "access.h"

TEST_F(access, aio)
{
	static const int opcodes[] = {
		IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_PREADV, IOCB_CMD_PWRITEV,
	};
	struct iovec iov = { self->buffer, self->page };
	aio_context_t context = 0;
	unsigned int i;

	if (syscall(SYS_io_setup, 1, &context))
		SKIP(return, "no aio");
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		bool vector = opcodes[i] == IOCB_CMD_PREADV || opcodes[i] == IOCB_CMD_PWRITEV;
		struct iocb cb = {
			.aio_lio_opcode = opcodes[i],
			.aio_fildes = self->fd,
			.aio_buf = (unsigned long)(vector ? (void *)&iov : self->buffer),
			.aio_nbytes = vector ? 1 : self->page,
		};
		struct iocb *list[] = { &cb };

		EXPECT_REFUSED(syscall(SYS_io_submit, context, 1, list),
			       "io_submit", EINVAL);
	}
}

struct ring {
	int fd;
	struct io_uring_params params;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
};

static int ring_setup(struct ring *ring)
{
	struct io_uring_params *p = &ring->params;
	size_t sq, cq;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(SYS_io_uring_setup, 4, p);
	if (ring->fd < 0)
		return -1;
	sq = p->sq_off.array + p->sq_entries * sizeof(__u32);
	cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	ring->sq = mmap(NULL, sq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			ring->fd, IORING_OFF_SQ_RING);
	ring->cq = mmap(NULL, cq, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			ring->fd, IORING_OFF_CQ_RING);
	ring->sqes = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe),
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			  ring->fd, IORING_OFF_SQES);
	return ring->sq == MAP_FAILED || ring->cq == MAP_FAILED ||
	       ring->sqes == MAP_FAILED ? -1 : 0;
}

/* Submit one request, wait for it and return its result; 1 << 30 if it got lost. */
static int ring_do(struct ring *ring, const struct io_uring_sqe *sqe)
{
	struct io_uring_params *p = &ring->params;
	__u32 *sq_tail = (__u32 *)(ring->sq + p->sq_off.tail);
	__u32 sq_mask = *(__u32 *)(ring->sq + p->sq_off.ring_mask);
	__u32 *array = (__u32 *)(ring->sq + p->sq_off.array);
	__u32 *cq_head = (__u32 *)(ring->cq + p->cq_off.head);
	__u32 *cq_tail = (__u32 *)(ring->cq + p->cq_off.tail);
	__u32 cq_mask = *(__u32 *)(ring->cq + p->cq_off.ring_mask);
	struct io_uring_cqe *cqes = (void *)(ring->cq + p->cq_off.cqes);
	__u32 slot = *sq_tail & sq_mask;
	int result;

	ring->sqes[slot] = *sqe;
	array[slot] = slot;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return 1 << 30;
	if (__atomic_load_n(cq_tail, __ATOMIC_ACQUIRE) == *cq_head)
		return 1 << 30;
	result = cqes[*cq_head & cq_mask].res;
	__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
	return result;
}

#define EXPECT_RING_REFUSED(ring, sqe, rule, ...)			\
do {									\
	int __result = ring_do(ring, sqe);				\
	EXPECT_TRUE(__result < 0 && error_in(-__result, __VA_ARGS__, 0))\
		TH_LOG("%s: result %d", rule, __result);		\
} while (0)

TEST_F(access, io_uring_read_and_write)
{
	struct iovec iov = { self->buffer, self->page };
	struct io_uring_sqe sqe = {
		.fd = self->fd,
		.addr = (unsigned long)self->buffer,
		.len = self->page,
	};
	struct ring ring;

	if (ring_setup(&ring))
		SKIP(return, "no io_uring");
	sqe.opcode = IORING_OP_READ;
	EXPECT_RING_REFUSED(&ring, &sqe, "READ", EINVAL, ESPIPE);
	sqe.opcode = IORING_OP_WRITE;
	EXPECT_RING_REFUSED(&ring, &sqe, "WRITE", EINVAL, ESPIPE);
	sqe.flags = IOSQE_ASYNC;
	EXPECT_RING_REFUSED(&ring, &sqe, "WRITE in a worker", EINVAL, ESPIPE);
	sqe.opcode = IORING_OP_READ;
	EXPECT_RING_REFUSED(&ring, &sqe, "READ in a worker", EINVAL, ESPIPE);
	sqe.flags = 0;

	sqe.addr = (unsigned long)&iov;
	sqe.len = 1;
	sqe.opcode = IORING_OP_READV;
	EXPECT_RING_REFUSED(&ring, &sqe, "READV", EINVAL, ESPIPE);
	sqe.opcode = IORING_OP_WRITEV;
	EXPECT_RING_REFUSED(&ring, &sqe, "WRITEV", EINVAL, ESPIPE);

	ASSERT_EQ(0, syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &iov, 1));
	sqe.addr = (unsigned long)self->buffer;
	sqe.len = self->page;
	sqe.opcode = IORING_OP_READ_FIXED;
	EXPECT_RING_REFUSED(&ring, &sqe, "READ_FIXED", EINVAL, ESPIPE);
	sqe.opcode = IORING_OP_WRITE_FIXED;
	EXPECT_RING_REFUSED(&ring, &sqe, "WRITE_FIXED", EINVAL, ESPIPE);
}

/* As madvise() does, on an address at which it would be mapped. */
TEST_F(access, io_uring_madvise)
{
	static const int advice[] = {
		MADV_WILLNEED, MADV_DONTNEED, MADV_REMOVE, MADV_COLD, MADV_PAGEOUT,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	};
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_MADVISE,
		.len = self->page,
	};
	struct ring ring;
	unsigned int i;

	if (ring_setup(&ring))
		SKIP(return, "no io_uring");
	/* After the ring, which would be mapped there. */
	sqe.addr = (unsigned long)refused_place(self->fd, self->page);
	ASSERT_NE(0, sqe.addr);
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		sqe.fadvise_advice = advice[i];
		EXPECT_RING_REFUSED(&ring, &sqe, "MADVISE", ENOMEM);
	}
}

TEST_F(access, io_uring_registered_file)
{
	struct io_uring_sqe sqe = {
		.flags = IOSQE_FIXED_FILE,
		.addr = (unsigned long)self->buffer,
		.len = self->page,
	};
	struct ring ring;

	if (ring_setup(&ring))
		SKIP(return, "no io_uring");
	ASSERT_EQ(0, syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES,
			     &self->fd, 1));
	sqe.opcode = IORING_OP_READ;
	EXPECT_RING_REFUSED(&ring, &sqe, "READ", EINVAL, ESPIPE);
	sqe.opcode = IORING_OP_WRITE;
	EXPECT_RING_REFUSED(&ring, &sqe, "WRITE", EINVAL, ESPIPE);
}

/* The file is the first one that is registered, and a pipe the second and third. */
TEST_F(access, io_uring_splice_registered)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_SPLICE,
		.flags = IOSQE_FIXED_FILE,
		.splice_flags = SPLICE_F_FD_IN_FIXED,
		.len = self->page,
		.off = -1ULL,
		.splice_off_in = -1ULL,
	};
	int files[3] = { self->fd };
	struct ring ring;

	if (ring_setup(&ring))
		SKIP(return, "no io_uring");
	ASSERT_EQ(0, pipe(files + 1));
	ASSERT_EQ(self->page, write(files[2], self->buffer, self->page));
	ASSERT_EQ(0, syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, files, 3));
	sqe.splice_fd_in = 0;
	sqe.fd = 2;
	EXPECT_RING_REFUSED(&ring, &sqe, "SPLICE from it", EINVAL);
	sqe.splice_fd_in = 1;
	sqe.fd = 0;
	EXPECT_RING_REFUSED(&ring, &sqe, "SPLICE into it", EINVAL);
	sqe.opcode = IORING_OP_TEE;
	EXPECT_RING_REFUSED(&ring, &sqe, "TEE into it", EINVAL);
}

TEST_F(access, io_uring_splice)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_SPLICE,
		.len = self->page,
		.off = -1ULL,
	};
	struct ring ring;
	int pipes[2];

	if (ring_setup(&ring))
		SKIP(return, "no io_uring");
	ASSERT_EQ(0, pipe(pipes));
	sqe.splice_fd_in = self->fd;
	sqe.fd = pipes[1];
	EXPECT_RING_REFUSED(&ring, &sqe, "SPLICE from it", EINVAL, ESPIPE);
	ASSERT_EQ(self->page, write(pipes[1], self->buffer, self->page));
	sqe.splice_fd_in = pipes[0];
	sqe.splice_off_in = -1ULL;
	sqe.fd = self->fd;
	sqe.off = 0;
	EXPECT_RING_REFUSED(&ring, &sqe, "SPLICE into it", EINVAL, ESPIPE);
}

TEST_F(access, io_uring_obeys_the_rules_of_fallocate_and_ftruncate)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_FALLOCATE,
		.fd = self->fd,
		.addr = self->page,
	};
	struct ring ring;

	if (ring_setup(&ring))
		SKIP(return, "no io_uring");
	sqe.len = FALLOC_FL_ZERO_RANGE;
	EXPECT_RING_REFUSED(&ring, &sqe, "ZERO_RANGE", EOPNOTSUPP);
	sqe.len = 0;
	EXPECT_RING_REFUSED(&ring, &sqe, "mode 0", EOPNOTSUPP);
	sqe.len = PUNCH;
	sqe.off = 1;
	EXPECT_RING_REFUSED(&ring, &sqe, "unaligned hole", EINVAL);
	if (variant->state != UNSIZED) {
		memset(&sqe, 0, sizeof(sqe));
		sqe.opcode = IORING_OP_FTRUNCATE;
		sqe.fd = self->fd;
		sqe.off = self->page;
		EXPECT_RING_REFUSED(&ring, &sqe, "FTRUNCATE", EPERM, EINVAL);
	}
}

TEST_HARNESS_MAIN
