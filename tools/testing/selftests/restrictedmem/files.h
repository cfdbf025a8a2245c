/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two files that abi_test.c and memory_test.c begin with: one without a size
 * and one with.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_FILES_H
#define _SELFTESTS_RESTRICTEDMEM_FILES_H

#include "../kselftest_harness.h"
#include "restrictedmem.h"

#define PAGES 16

/* The largest number that is a multiple of the page size. */
static inline off_t last_page(void)
{
	return LLONG_MAX & ~(page_size() - 1);
}

/* For signal handlers that only have to be there. */
static int signals;

static inline void count_signal(int signal)
{
	__atomic_fetch_add(&signals, 1, __ATOMIC_RELAXED);
}

FIXTURE(unsized) {
	int fd;
};

FIXTURE_SETUP(unsized)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	self->fd = memfd_restricted(0, -1);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(unsized)
{
}

FIXTURE(sized) {
	int fd;
	off_t page;
	off_t size;
};

FIXTURE_SETUP(sized)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	self->page = page_size();
	self->size = PAGES * self->page;
	self->fd = new_sized_file(self->size);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(sized)
{
}

#endif /* _SELFTESTS_RESTRICTEDMEM_FILES_H */
