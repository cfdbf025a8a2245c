// SPDX-License-Identifier: GPL-2.0
/*
 * What a program of 32 bits can do with restricted memory on a kernel of 64 bits: the
 * same as any other. It makes its calls by interrupt 0x80, as this one does.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/memfd.h>

#include "restrictedmem.h"
#include "test_consumer.h"

#ifndef MAP_32BIT
#define MAP_32BIT 0
#endif

/* Numbers of the table for 32 bits */
enum {
	READ = 3, WRITE = 4, IOCTL = 54, LLSEEK = 140, PREAD64 = 180, SENDFILE = 187,
	MMAP2 = 192, FTRUNCATE64 = 194, SPLICE = 313, FALLOCATE = 324, MEMFD_CREATE = 356,
	MEMFD_RESTRICTED = __NR_memfd_restricted,
};

/* The halves of a number that is too large for one argument. */
#define LOW(value) ((uint32_t)(value))
#define HIGH(value) ((uint32_t)((uint64_t)(value) >> 32))

struct arguments {
	uint32_t value[6];
};

static int call(long number, struct arguments args)
{
	long ret = number;

#ifdef __x86_64__
	/* Below what the compiler may keep under the stack pointer. */
	asm volatile("lea -128(%%rsp), %%rsp\n\t"
		     "push %%rbp\n\t"
		     "mov %[sixth], %%rbp\n\t"
		     "int $0x80\n\t"
		     "pop %%rbp\n\t"
		     "lea 128(%%rsp), %%rsp"
		     : "+a"(ret)
		     : "b"((long)args.value[0]), "c"((long)args.value[1]),
		       "d"((long)args.value[2]), "S"((long)args.value[3]),
		       "D"((long)args.value[4]), [sixth] "r"((long)args.value[5])
		     : "memory", "cc", "r8", "r9", "r10", "r11");
#else
	ret = -EOPNOTSUPP;
#endif
	if ((int)ret < 0 && (int)ret > -4096) {
		errno = -(int)ret;
		return -1;
	}
	return ret;
}

/* Up to six arguments. Sets errno. */
#define CALL(number, ...) call(number, (struct arguments){ { __VA_ARGS__ } })

static void on_fault(int signal)
{
	_exit(1);
}

/* Does the kernel take such calls? If not, they are a fault, which it logs if nobody sees it. */
static bool have_compat(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		signal(SIGSEGV, on_fault);
		_exit(CALL(MEMFD_RESTRICTED, 0, -1) < 0);
	}
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && !status;
}

FIXTURE(compat) {
	int fd;
	long page;
	char *low;	/* pages below 4 GiB */
};

#define PAGES 8
#define SIZE (5LL << 30)

FIXTURE_SETUP(compat)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	if (!have_compat())
		SKIP(return, "this kernel runs no programs of 32 bits");
	self->page = page_size();
	self->fd = CALL(MEMFD_RESTRICTED, RMFD_CLOEXEC, -1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, CALL(FTRUNCATE64, self->fd, LOW(SIZE), HIGH(SIZE)));
	self->low = mmap(NULL, PAGES * self->page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_GT(1ULL << 32, (uintptr_t)self->low);
	memset(self->low, 0x5a, PAGES * self->page);
}

FIXTURE_TEARDOWN(compat)
{
	close(self->fd);
}

TEST_F(compat, makes_a_file)
{
	EXPECT_EQ(SIZE, size_of(self->fd));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
	EXPECT_REFUSED(CALL(MEMFD_RESTRICTED, 0x80000000, -1), "an unknown flag", EINVAL);
	EXPECT_REFUSED(CALL(FTRUNCATE64, self->fd, LOW(SIZE), HIGH(SIZE)), "twice", EPERM);

	memcpy(self->low, "name", sizeof("name"));
	EXPECT_ALLOWED(CALL(MEMFD_CREATE, (uintptr_t)self->low, MFD_RESTRICTED), "by name");
}

TEST_F(compat, reserves_and_punches)
{
	const long long offset = 1LL << 32, len = 2 * self->page;

	EXPECT_ALLOWED(CALL(FALLOCATE, self->fd, RESERVE, LOW(offset), HIGH(offset),
			    LOW(len), HIGH(len)),
		       "beyond 4 GiB");
	EXPECT_EQ(2, pages_of(self->fd));
	EXPECT_REFUSED(CALL(FALLOCATE, self->fd, RESERVE, LOW(SIZE), HIGH(SIZE),
			    LOW(len), HIGH(len)),
		       "beyond the size", EINVAL);
	EXPECT_ALLOWED(CALL(FALLOCATE, self->fd, PUNCH, LOW(offset), HIGH(offset),
			    LOW(self->page), HIGH(self->page)),
		       "a part of it");
	EXPECT_EQ(1, pages_of(self->fd));
}

TEST_F(compat, loads)
{
	struct rmfd_load *args = (void *)(self->low + self->page);
	const uint64_t offset = (1ULL << 32) + self->page;
	int consumer, id;

	memset(args, 0, self->page);
	*args = (struct rmfd_load){
		.offset = offset,
		.len = self->page,
		.addr = (uintptr_t)self->low,
		.size = sizeof(*args),
	};
	EXPECT_ALLOWED(CALL(IOCTL, self->fd, RMFD_LOAD, (uintptr_t)args), "a page");
	EXPECT_EQ(self->page, args->done);
	EXPECT_ALLOWED(CALL(LLSEEK, self->fd, 0, 0, (uintptr_t)self->low, SEEK_DATA),
		       "finds it");
	EXPECT_EQ(offset, *(uint64_t *)self->low);

	args->addr = 1ULL << 63;
	EXPECT_REFUSED(CALL(IOCTL, self->fd, RMFD_LOAD, (uintptr_t)args), "nowhere", EFAULT);
	if (!have_test_consumer())
		return;
	consumer = new_consumer();
	id = rm_bind(consumer, self->fd, offset / self->page, offset / self->page + 1,
		     RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);
	EXPECT_EQ(0x5a, rm_look(consumer, id, offset / self->page));
	close(consumer);
}

TEST_F(compat, neither_reads_nor_maps)
{
	uint32_t low = (uintptr_t)self->low;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, CALL(FALLOCATE, self->fd, RESERVE, 0, 0, self->page, 0));
	EXPECT_REFUSED(CALL(READ, self->fd, low, 16), "read", EINVAL);
	EXPECT_REFUSED(CALL(WRITE, self->fd, low, 16), "write", EINVAL);
	EXPECT_REFUSED(CALL(PREAD64, self->fd, low, 16, 0, 0), "pread", ESPIPE);
	EXPECT_REFUSED(CALL(SENDFILE, pipes[1], self->fd, 0, 16), "sendfile", EINVAL, ESPIPE);
	EXPECT_REFUSED(CALL(SPLICE, self->fd, 0, pipes[1], 0, 16, 0), "splice", EINVAL);
	EXPECT_REFUSED(CALL(MMAP2, 0, self->page, PROT_READ, MAP_SHARED, self->fd, 0),
		       "mmap", ENODEV);
	EXPECT_EQ(0x5a, self->low[0]);
}

TEST_HARNESS_MAIN
