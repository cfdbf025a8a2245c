/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The file that access_test.c and subsystem_test.c try to get at: without a size,
 * with one, and with memory, for root and for nobody in particular.
 *
 * Memory that is present and used by somebody is the business of the tests that
 * have the test consumer at hand; what is refused there is refused by the same
 * lines of the kernel.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_ACCESS_H
#define _SELFTESTS_RESTRICTEDMEM_ACCESS_H

#include <sys/mman.h>

#include "../kselftest_harness.h"
#include "restrictedmem.h"

#define PAGES 8

enum state { UNSIZED, SIZED, RESERVED };

FIXTURE(access) {
	int fd;
	int ordinary;		/* a file with a page of 'x' in it */
	off_t page;
	off_t size;
	long pages;		/* held by the file */
	ino_t ino;
	char path[64];
	char *buffer;		/* a page of 'x' */
};

FIXTURE_VARIANT(access) {
	enum state state;
	bool root;
};

FIXTURE_VARIANT_ADD(access, unsized_root)	{ UNSIZED, true };
FIXTURE_VARIANT_ADD(access, unsized_nobody)	{ UNSIZED, false };
FIXTURE_VARIANT_ADD(access, sized_root)		{ SIZED, true };
FIXTURE_VARIANT_ADD(access, sized_nobody)	{ SIZED, false };
FIXTURE_VARIANT_ADD(access, reserved_root)	{ RESERVED, true };
FIXTURE_VARIANT_ADD(access, reserved_nobody)	{ RESERVED, false };

FIXTURE_SETUP(access)
{
	struct stat st;

	if (variant->root && geteuid() != 0)
		SKIP(return, "needs root");
	if (!variant->root && geteuid() == 0)
		ASSERT_EQ(0, become_nobody());
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);

	self->page = page_size();
	self->fd = memfd_restricted(0, -1);
	ASSERT_LE(0, self->fd);
	snprintf(self->path, sizeof(self->path), "/proc/self/fd/%d", self->fd);
	if (variant->state >= SIZED) {
		self->size = PAGES * self->page;
		ASSERT_EQ(0, ftruncate(self->fd, self->size));
	}
	if (variant->state >= RESERVED) {
		self->pages = PAGES;
		ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, self->size));
	}
	ASSERT_EQ(0, fstat(self->fd, &st));
	self->ino = st.st_ino;

	self->buffer = aligned_alloc(self->page, self->page);
	ASSERT_NE(NULL, self->buffer);
	memset(self->buffer, 'x', self->page);
	self->ordinary = memfd_create("ordinary", 0);
	ASSERT_LE(0, self->ordinary);
	ASSERT_EQ(self->page, write(self->ordinary, self->buffer, self->page));
}

/* Whatever was tried, the file is as it was, and no bytes came out of it. */
FIXTURE_TEARDOWN(access)
{
	off_t i;

	EXPECT_EQ(self->size, size_of(self->fd));
	EXPECT_EQ(self->pages, pages_of(self->fd));
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_DATA))
		TH_LOG("nothing became present");
	for (i = 0; i < self->page && self->buffer[i] == 'x'; i++)
		;
	EXPECT_EQ(self->page, i)
		TH_LOG("the buffer of a refused read is untouched");
}

#endif /* _SELFTESTS_RESTRICTEDMEM_ACCESS_H */
