// SPDX-License-Identifier: GPL-2.0
/*
 * No part of the kernel that takes a file and reads, writes, maps or pins what is
 * in it takes restricted memory. One test for each of them.
 */
#include <sys/ioctl.h>
#include <sys/swap.h>
#include <sys/uio.h>

#include <linux/aio_abi.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/io_uring.h>
#include <linux/iommufd.h>
#include <linux/loop.h>
#include <linux/udmabuf.h>

#include "access.h"

/* Parts of the kernel that take files */

TEST_F(access, seals)
{
	EXPECT_REFUSED(fcntl(self->fd, F_ADD_SEALS, F_SEAL_WRITE), "F_ADD_SEALS", EINVAL);
	EXPECT_REFUSED(fcntl(self->fd, F_ADD_SEALS, 0), "F_ADD_SEALS", EINVAL);
	EXPECT_REFUSED(fcntl(self->fd, F_GET_SEALS), "F_GET_SEALS", EINVAL);
}

TEST_F(access, ioctl)
{
	static const struct { unsigned long number; const char *name; } ioctls[] = {
		{ FIONREAD, "FIONREAD" },
		{ FIOQSIZE, "FIOQSIZE" },
		{ FS_IOC_GETFLAGS, "FS_IOC_GETFLAGS" },
		{ FS_IOC_SETFLAGS, "FS_IOC_SETFLAGS" },
		{ FS_IOC_GETVERSION, "FS_IOC_GETVERSION" },
		{ FS_IOC_SETVERSION, "FS_IOC_SETVERSION" },
		{ FS_IOC_FSGETXATTR, "FS_IOC_FSGETXATTR" },
		{ FS_IOC_FSSETXATTR, "FS_IOC_FSSETXATTR" },
		{ FS_IOC_GETFSLABEL, "FS_IOC_GETFSLABEL" },
		{ FS_IOC_ENABLE_VERITY, "FS_IOC_ENABLE_VERITY" },
		{ FS_IOC_MEASURE_VERITY, "FS_IOC_MEASURE_VERITY" },
		{ _IOW('X', 40, char[48]), "FS_IOC_RESVSP" },
		{ _IOW('X', 43, char[48]), "FS_IOC_UNRESVSP64" },
		{ _IOW('X', 57, char[48]), "FS_IOC_ZERO_RANGE" },
		{ 0x5401, "TCGETS" },
		{ _IO(0xAE, 0xff), "an ioctl of somebody else" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++)
		EXPECT_REFUSED(ioctl(self->fd, ioctls[i].number, self->buffer),
			       ioctls[i].name, ENOTTY, EOPNOTSUPP);
}

TEST_F(access, block_map)
{
	struct fiemap map = { .fm_length = self->page };
	int block = 0;

	EXPECT_REFUSED(ioctl(self->fd, FIBMAP, &block), "FIBMAP", ENOTTY, EINVAL, EPERM);
	EXPECT_REFUSED(ioctl(self->fd, FS_IOC_FIEMAP, &map), "FS_IOC_FIEMAP",
		       EOPNOTSUPP, ENOTTY);
}

TEST_F(access, swap)
{
	EXPECT_REFUSED(swapon(self->path, 0), "swapon", ENXIO, EINVAL, EPERM, no_such_call());
}

TEST_F(access, loop_device)
{
	struct loop_config config = { .fd = self->fd, .block_size = self->page };
	char path[32];
	int control, number, loop;

	control = open("/dev/loop-control", O_RDWR);
	if (control < 0)
		SKIP(return, "cannot open /dev/loop-control");
	number = ioctl(control, LOOP_CTL_GET_FREE);
	ASSERT_LE(0, number);
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	loop = open(path, O_RDWR);
	ASSERT_LE(0, loop);
	EXPECT_REFUSED(ioctl(loop, LOOP_SET_FD, self->fd), "LOOP_SET_FD", EINVAL, EBADF);
	EXPECT_REFUSED(ioctl(loop, LOOP_CONFIGURE, &config),
		       "LOOP_CONFIGURE", EINVAL, EBADF);
	config.info.lo_flags = LO_FLAGS_READ_ONLY;
	EXPECT_REFUSED(ioctl(loop, LOOP_CONFIGURE, &config),
		       "LOOP_CONFIGURE", EINVAL, EBADF);
}

TEST_F(access, udmabuf)
{
	struct udmabuf_create create = { .memfd = self->fd, .size = self->page };
	int device = open("/dev/udmabuf", O_RDWR);

	if (device < 0)
		SKIP(return, "cannot open /dev/udmabuf");
	EXPECT_REFUSED(ioctl(device, UDMABUF_CREATE, &create),
		       "UDMABUF_CREATE", EBADFD, EINVAL);
}

TEST_F(access, iommufd)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE,
		.fd = self->fd,
		.length = self->page,
	};
	int device = open("/dev/iommu", O_RDWR);

	if (device < 0)
		SKIP(return, "cannot open /dev/iommu");
	ASSERT_EQ(0, ioctl(device, IOMMU_IOAS_ALLOC, &alloc));
	map.ioas_id = alloc.out_ioas_id;
	/* Takes any file, and pins memory, which it must not, when it needs it. */
	if (!ioctl(device, IOMMU_IOAS_MAP_FILE, &map))
		SKIP(return, "nothing is pinned without a device");
	EXPECT_REFUSED(-1, "IOMMU_IOAS_MAP_FILE", EINVAL, EBADF, EBADFD, EFAULT);
}

TEST_F(access, kernel_modules_and_kexec)
{
	EXPECT_REFUSED(syscall(SYS_finit_module, self->fd, "", 0),
		       "finit_module", EINVAL, EPERM, ETXTBSY, EACCES, ENOEXEC, no_such_call());
	EXPECT_REFUSED(syscall(SYS_kexec_file_load, self->fd, -1, 1, "", 1UL << 2),
		       "kexec_file_load", EINVAL, EPERM, ETXTBSY, EACCES, EBADF, no_such_call());
}

TEST_F(access, process_accounting)
{
	EXPECT_REFUSED(syscall(SYS_acct, self->path),
		       "acct", ENXIO, EACCES, EPERM, no_such_call());
}

TEST_F(access, attributes_of_file_systems)
{
#if defined(__NR_file_getattr) && defined(__NR_file_setattr)
	struct file_attr attr = {};

	EXPECT_REFUSED(syscall(__NR_file_getattr, self->fd, "", &attr, sizeof(attr),
			       AT_EMPTY_PATH),
		       "file_getattr", EOPNOTSUPP, ENOTTY);
	EXPECT_REFUSED(syscall(__NR_file_setattr, self->fd, "", &attr, sizeof(attr),
			       AT_EMPTY_PATH),
		       "file_setattr", EOPNOTSUPP, ENOTTY, EPERM);
#else
	SKIP(return, "built without file_getattr()");
#endif
}

/* Asynchronous I/O, old and new */

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
			       "io_submit", EINVAL, EBADF);
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
	EXPECT_RING_REFUSED(&ring, &sqe, "READ", EINVAL, EBADF, ESPIPE);
	sqe.opcode = IORING_OP_WRITE;
	EXPECT_RING_REFUSED(&ring, &sqe, "WRITE", EINVAL, EBADF, ESPIPE);
	sqe.flags = IOSQE_ASYNC;
	EXPECT_RING_REFUSED(&ring, &sqe, "WRITE in a worker", EINVAL, EBADF, ESPIPE);
	sqe.opcode = IORING_OP_READ;
	EXPECT_RING_REFUSED(&ring, &sqe, "READ in a worker", EINVAL, EBADF, ESPIPE);
	sqe.flags = 0;

	sqe.addr = (unsigned long)&iov;
	sqe.len = 1;
	sqe.opcode = IORING_OP_READV;
	EXPECT_RING_REFUSED(&ring, &sqe, "READV", EINVAL, EBADF, ESPIPE);
	sqe.opcode = IORING_OP_WRITEV;
	EXPECT_RING_REFUSED(&ring, &sqe, "WRITEV", EINVAL, EBADF, ESPIPE);

	ASSERT_EQ(0, syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &iov, 1));
	sqe.addr = (unsigned long)self->buffer;
	sqe.len = self->page;
	sqe.opcode = IORING_OP_READ_FIXED;
	EXPECT_RING_REFUSED(&ring, &sqe, "READ_FIXED", EINVAL, EBADF, ESPIPE);
	sqe.opcode = IORING_OP_WRITE_FIXED;
	EXPECT_RING_REFUSED(&ring, &sqe, "WRITE_FIXED", EINVAL, EBADF, ESPIPE);
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
	EXPECT_RING_REFUSED(&ring, &sqe, "READ", EINVAL, EBADF, ESPIPE);
	sqe.opcode = IORING_OP_WRITE;
	EXPECT_RING_REFUSED(&ring, &sqe, "WRITE", EINVAL, EBADF, ESPIPE);
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
	EXPECT_RING_REFUSED(&ring, &sqe, "SPLICE from it", EINVAL, EBADF, ESPIPE);
	ASSERT_EQ(self->page, write(pipes[1], self->buffer, self->page));
	sqe.splice_fd_in = pipes[0];
	sqe.splice_off_in = -1ULL;
	sqe.fd = self->fd;
	sqe.off = 0;
	EXPECT_RING_REFUSED(&ring, &sqe, "SPLICE into it", EINVAL, EBADF, ESPIPE);
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

/* Calls that are harmless on any file, and about the page cache */

TEST_F(access, advice_is_harmless)
{
	static const int advice[] = {
		POSIX_FADV_NORMAL, POSIX_FADV_RANDOM, POSIX_FADV_SEQUENTIAL,
		POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED, POSIX_FADV_NOREUSE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		int error = posix_fadvise(self->fd, 0, 0, advice[i]);

		EXPECT_TRUE(error_in(error ?: EINVAL, EINVAL, no_such_call(), EOPNOTSUPP, 0))
			TH_LOG("advice %d: %s", advice[i], strerror(error));
	}
	/* The teardown sees whether something has changed. */
}

TEST_F(access, readahead_is_harmless)
{
	if (readahead(self->fd, 0, self->page))
		EXPECT_TRUE(error_in(errno, EINVAL, no_such_call(), 0));
}

TEST_F(access, sync_is_harmless)
{
	if (fsync(self->fd))
		EXPECT_EQ(EINVAL, errno);
	if (fdatasync(self->fd))
		EXPECT_EQ(EINVAL, errno);
	if (sync_file_range(self->fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE |
			    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER))
		EXPECT_TRUE(error_in(errno, EINVAL, ESPIPE, no_such_call(), 0));
	EXPECT_ALLOWED(syncfs(self->fd), "syncfs");
}

TEST_F(access, cachestat_tells_nothing)
{
#ifdef __NR_cachestat
	struct cachestat_range { __u64 off, len; } range = { 0, 0 };
	struct { __u64 cache, dirty, writeback, evicted, recently; } stat = {};

	if (syscall(__NR_cachestat, self->fd, &range, &stat, 0)) {
		EXPECT_TRUE(error_in(errno, EOPNOTSUPP, EPERM, EBADF, no_such_call(), 0));
		return;
	}
	EXPECT_EQ(0, stat.cache);
	EXPECT_EQ(0, stat.dirty);
	EXPECT_EQ(0, stat.writeback);
	EXPECT_EQ(0, stat.evicted);
#endif
}

TEST_HARNESS_MAIN
