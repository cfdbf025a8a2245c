/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file to load, memory to load it from, and a look at what is in the file then:
 * what load_test.c, load_wait_test.c and load_fd_test.c begin with.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_LOAD_FIXTURE_H
#define _SELFTESTS_RESTRICTEDMEM_LOAD_FIXTURE_H

#include <sys/mman.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "load.h"
#include "test_consumer.h"

#define PAGES 64
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

/* As many pages as are loaded at a time. */
#define BATCH 512

FIXTURE(load) {
	int fd, a;
	long page;
	char *bytes;	/* PAGES pages and a bit; no two pages of it are the same */
};

FIXTURE_SETUP(load)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->page = page_size();
	self->fd = new_sized_file(PAGES * self->page);
	ASSERT_LE(0, self->fd);
	self->bytes = mmap(NULL, (PAGES + 1) * self->page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->bytes);
	for (long i = 0; i < (PAGES + 1) * self->page; i++)
		self->bytes[i] = 1 + (i * 7 + i / self->page) % 251;
}

FIXTURE_TEARDOWN(load)
{
	close(self->a);
	close(self->fd);
}

/* Does page @index hold what is at @expected? 1, 0, or -1 for an error. */
static inline int holds(int consumer, int fd, uint64_t index, const void *expected)
{
	char page[page_size()];
	int id = rm_bind(consumer, fd, index, index + 1, SHRD), ret;

	if (id < 0)
		return -1;
	ret = rm_io(consumer, RMTEST_READ, id, 0, index * sizeof(page), page,
		    sizeof(page));
	if (rm_unbind(consumer, id) || ret)
		return -1;
	return !memcmp(page, expected, sizeof(page));
}

/* The byte that is all over a page; as rm_look(), for a page that nobody has. */
static inline int look(int consumer, int fd, uint64_t index)
{
	int id = rm_bind(consumer, fd, index, index + 1, SHRD), byte;

	if (id < 0)
		return -1;
	byte = rm_look(consumer, id, index);
	return rm_unbind(consumer, id) ? -1 : byte;
}

/* Writes @byte all over pages, as somebody who used the memory before. */
static inline int used_before(int consumer, int fd, uint64_t start, uint64_t end,
			      unsigned char byte)
{
	int id = rm_bind(consumer, fd, start, end, EXCL);

	if (id < 0 || rm_fill(consumer, id, start, end, byte))
		return -1;
	return rm_unbind(consumer, id);
}

/* Page @index of the file holds what is at @expected. */
#define EXPECT_HOLDS(index, expected)					\
do {									\
	int __index = index;						\
									\
	EXPECT_EQ(1, holds(self->a, self->fd, __index, expected))	\
		TH_LOG("page %d", __index);				\
} while (0)

/* It has @byte all over it. */
#define EXPECT_BYTE(byte, index)					\
do {									\
	int __index = index;						\
									\
	EXPECT_EQ(byte, look(self->a, self->fd, __index))		\
		TH_LOG("page %d", __index);				\
} while (0)

#endif /* _SELFTESTS_RESTRICTEDMEM_LOAD_FIXTURE_H */
