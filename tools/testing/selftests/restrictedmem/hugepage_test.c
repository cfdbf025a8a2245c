// SPDX-License-Identifier: GPL-2.0
/*
 * RMFD_HUGEPAGE: pages as large as fit into the file, and what the kernel does
 * for them when memory is in small pieces.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "test_consumer.h"

#define DEFRAG "/sys/kernel/mm/transparent_hugepage/defrag"
#define PROACTIVENESS "/proc/sys/vm/compaction_proactiveness"
#define EXCL RMTEST_EXCLUSIVE

#define ORDER 9
#define LARGE 512

/* A file of so many pages, with flags. */
static int new_file(unsigned int flags, uint64_t pages)
{
	int fd = memfd_restricted(flags, -1);

	if (fd >= 0 && ftruncate(fd, pages * page_size())) {
		close(fd);
		return -1;
	}
	return fd;
}

FIXTURE(hugepage) {
	int consumer;
	char enabled[32], defrag[32], proactiveness[32];
};

FIXTURE_SETUP(hugepage)
{
	if (!read_choice(LARGE_POLICY, self->enabled, sizeof(self->enabled)) ||
	    !read_choice(DEFRAG, self->defrag, sizeof(self->defrag)))
		SKIP(return, "this kernel has no large pages");
	if (geteuid())
		SKIP(return, "sets policies of the whole machine");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	ASSERT_EQ(0, write_text(LARGE_POLICY, "never"));
	ASSERT_EQ(0, write_text(DEFRAG, "madvise"));
	/* The kernel's own effort, every half a second, must not count as ours. */
	snprintf(self->proactiveness, sizeof(self->proactiveness), "%lld",
		 read_number(PROACTIVENESS));
	ASSERT_EQ(0, write_text(PROACTIVENESS, "0"));
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
}

FIXTURE_TEARDOWN(hugepage)
{
	write_text(LARGE_POLICY, self->enabled);
	write_text(DEFRAG, self->defrag);
	write_text(PROACTIVENESS, self->proactiveness);
}

TEST_F(hugepage, is_for_those_who_ask)
{
	int small = new_file(0, LARGE);
	int large = new_file(RMFD_HUGEPAGE | RMFD_CLOEXEC, LARGE);
	int id;

	ASSERT_LE(0, small);
	ASSERT_LE(0, large);
	EXPECT_EQ(FD_CLOEXEC, fcntl(large, F_GETFD));

	id = rm_bind(self->consumer, small, 0, LARGE, EXCL);
	EXPECT_EQ(0, rm_order(self->consumer, id, 7));
	EXPECT_EQ(1, pages_of(small));

	id = rm_bind(self->consumer, large, 0, LARGE, EXCL);
	EXPECT_EQ(ORDER, rm_order(self->consumer, id, 7));
	EXPECT_EQ(LARGE, pages_of(large));
	EXPECT_EQ(0, rm_look(self->consumer, id, LARGE - 1));
}

TEST_F(hugepage, reserves_in_large_pages)
{
	int fd = new_file(RMFD_HUGEPAGE, 4 * LARGE), id;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, reserve(fd, LARGE, 3 * LARGE));
	EXPECT_EQ(2 * LARGE, pages_of(fd));
	id = rm_bind(self->consumer, fd, 0, 4 * LARGE, EXCL);
	EXPECT_EQ(ORDER, rm_order(self->consumer, id, LARGE));
	EXPECT_EQ(ORDER, rm_order(self->consumer, id, 3 * LARGE - 1));
	EXPECT_EQ(2 * LARGE, pages_of(fd));
}

TEST_F(hugepage, ends_where_the_file_ends)
{
	int fd = new_file(RMFD_HUGEPAGE, LARGE + 13), id;

	ASSERT_LE(0, fd);
	id = rm_bind(self->consumer, fd, 0, LARGE + 13, EXCL);
	ASSERT_LT(0, id);
	EXPECT_EQ(0, rm_order(self->consumer, id, LARGE + 12));
	for (int i = 0; i < LARGE + 13; i++)
		ASSERT_LE(0, rm_order(self->consumer, id, i));
	EXPECT_EQ(ORDER, rm_order(self->consumer, id, 0));
	EXPECT_EQ(LARGE + 13, pages_of(fd));
	EXPECT_EQ(0, punch(fd, LARGE, LARGE + 13));
	EXPECT_EQ(LARGE, pages_of(fd));
}

TEST_F(hugepage, is_a_wish_that_the_administrator_may_deny)
{
	int fd, id;

	ASSERT_EQ(0, write_text(LARGE_POLICY, "deny"));
	fd = new_file(RMFD_HUGEPAGE, 2 * LARGE);
	ASSERT_LE(0, fd);
	id = rm_bind(self->consumer, fd, 0, 2 * LARGE, EXCL);
	EXPECT_EQ(0, rm_order(self->consumer, id, 3));
	EXPECT_EQ(0, reserve(fd, LARGE, LARGE + 5));
	EXPECT_EQ(6, pages_of(fd));
}

TEST_F(hugepage, a_hole_leaves_the_rest_large)
{
	int fd = new_file(RMFD_HUGEPAGE, LARGE), id;

	ASSERT_LE(0, fd);
	id = rm_bind(self->consumer, fd, 0, LARGE, EXCL);
	ASSERT_EQ(ORDER, rm_order(self->consumer, id, 0));
	ASSERT_EQ(0, rm_fill(self->consumer, id, 300, 301, 0x5a));
	ASSERT_EQ(0, punch(fd, 64, 128));
	EXPECT_EQ(LARGE - 64, pages_of(fd));
	EXPECT_EQ(8, rm_order(self->consumer, id, 300));
	EXPECT_EQ(0x5a, rm_look(self->consumer, id, 300));
	EXPECT_EQ(0, rm_look(self->consumer, id, 100));
}

/*
 * Breaks memory into small pieces: half of it goes to this process, which keeps
 * one page of every 64 and gives the others back.
 */
static void *fragment(size_t size)
{
	const size_t piece = 64 * page_size();
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED || madvise(memory, size, MADV_NOHUGEPAGE))
		return NULL;
	memset(memory, 1, size);
	for (size_t at = 0; at + piece <= size; at += piece)
		if (madvise(memory + at, piece - page_size(), MADV_DONTNEED))
			return NULL;
	return memory;
}

/* How many blocks of the file become large when they are touched. */
static int count_large(int consumer, int id, int blocks)
{
	int large = 0;

	for (int i = 0; i < blocks; i++)
		large += rm_order(consumer, id, i * LARGE) == ORDER;
	return large;
}

TEST_F_TIMEOUT(hugepage, is_worth_an_effort, 240)
{
	enum { BLOCKS = 16 };
	const size_t half = read_key("/proc/meminfo", "MemAvailable:") * 512 &
			    ~(LARGE * page_size() - 1);
	int filler, fd, id, filler_id, lazy, n, small = 0;
	uint64_t blocks = 2 * half / page_size() / LARGE;

	ASSERT_LT(0, blocks);
	ASSERT_NE(NULL, fragment(half));

	/*
	 * What is still in one piece goes to another file. One block that stays
	 * small says little: pieces come together by themselves, and more memory
	 * is free than MemAvailable counts.
	 */
	ASSERT_EQ(0, write_text(DEFRAG, "never"));
	filler = new_file(RMFD_HUGEPAGE, blocks * LARGE);
	ASSERT_LE(0, filler);
	filler_id = rm_bind(self->consumer, filler, 0, blocks * LARGE, EXCL);
	ASSERT_LT(0, filler_id);
	for (n = 0; n < blocks && small < BLOCKS; n++)
		small = rm_order(self->consumer, filler_id, n * LARGE) == ORDER ? 0 : small + 1;
	ASSERT_EQ(BLOCKS, small);

	fd = new_file(RMFD_HUGEPAGE, BLOCKS * LARGE);
	ASSERT_LE(0, fd);
	id = rm_bind(self->consumer, fd, 0, BLOCKS * LARGE, EXCL);
	lazy = count_large(self->consumer, id, BLOCKS);
	ASSERT_EQ(0, punch(fd, 0, BLOCKS * LARGE));

	ASSERT_EQ(0, write_text(DEFRAG, "madvise"));
	n = count_large(self->consumer, id, BLOCKS);
	TH_LOG("%d of %d blocks are large, %d without an effort", n, BLOCKS, lazy);
	EXPECT_LT(lazy, BLOCKS / 2);
	EXPECT_LE(BLOCKS * 3 / 4, n);
}

TEST_HARNESS_MAIN
