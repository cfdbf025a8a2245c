/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The matrix that the ways in are tried on: a file in each state that it can be in,
 * in the hands of each kind of program. One test is one way in; the teardown sees
 * whether anything has changed, and whether anything came out.
 *
 * Contents have one byte all over them, SECRET. They are written by a program that
 * is gone when the test begins, so that a run of this byte in the memory of a test
 * has come out of the file.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_ACCESS_H
#define _SELFTESTS_RESTRICTEDMEM_ACCESS_H

#include <sys/mman.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "restrictedmem.h"
#include "pass.h"
#include "test_consumer.h"
#include "secret.h"

#define PAGES 8

enum state {
	UNSIZED,
	SIZED,
	RESERVED,
	PRESENT,	/* a consumer has it, with contents */
	UNBOUND,	/* a consumer had it, the contents are still there */
};

enum who {
	OWNER,		/* without any privilege */
	ROOT,
	OTHER,		/* another user, who was passed the descriptor */
};

FIXTURE(access) {
	int fd;
	int ordinary;		/* a file with a page of 'x' in it */
	off_t page;
	off_t size;
	long pages;		/* held by the file */
	ino_t ino;
	char path[64];
	char *buffer;		/* a page of 'x' */
	int consumer;
	int id;			/* the binding */
	int owner;		/* socket; the owner stays until it is closed */
};

FIXTURE_VARIANT(access) {
	enum state state;
	enum who who;
};

FIXTURE_VARIANT_ADD(access, unsized_owner) { UNSIZED, OWNER };
FIXTURE_VARIANT_ADD(access, unsized_root) { UNSIZED, ROOT };
FIXTURE_VARIANT_ADD(access, unsized_other) { UNSIZED, OTHER };
FIXTURE_VARIANT_ADD(access, sized_owner) { SIZED, OWNER };
FIXTURE_VARIANT_ADD(access, sized_root) { SIZED, ROOT };
FIXTURE_VARIANT_ADD(access, sized_other) { SIZED, OTHER };
FIXTURE_VARIANT_ADD(access, reserved_owner) { RESERVED, OWNER };
FIXTURE_VARIANT_ADD(access, reserved_root) { RESERVED, ROOT };
FIXTURE_VARIANT_ADD(access, reserved_other) { RESERVED, OTHER };
FIXTURE_VARIANT_ADD(access, present_owner) { PRESENT, OWNER };
FIXTURE_VARIANT_ADD(access, present_root) { PRESENT, ROOT };
FIXTURE_VARIANT_ADD(access, present_other) { PRESENT, OTHER };
FIXTURE_VARIANT_ADD(access, unbound_owner) { UNBOUND, OWNER };
FIXTURE_VARIANT_ADD(access, unbound_root) { UNBOUND, ROOT };
FIXTURE_VARIANT_ADD(access, unbound_other) { UNBOUND, OTHER };

/* The errno of what only root may try. */
static inline int for_root(enum who who, int error)
{
	return who == ROOT ? error : EPERM;
}

/*
 * An address at which the file would be mapped if it could be; NULL if it is. Nothing
 * is there.
 */
static inline char *refused_place(int fd, size_t len)
{
	char *place = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (place == MAP_FAILED || munmap(place, len) ||
	    mmap(place, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
		return NULL;
	return place;
}

/* A file in a state, as far as that is the business of its owner; or -1. */
static int new_file(enum state state)
{
	int fd = memfd_restricted(0, -1);
	off_t size = PAGES * page_size();

	if (fd >= 0 && ((state >= SIZED && ftruncate(fd, size)) ||
			(state == RESERVED && fallocate(fd, RESERVE, 0, size)))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The same from a process of another user, which stays until @sock is closed. */
static int file_of_another_user(enum state state, int *sock)
{
	int sockets[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -1;
	*sock = sockets[0];
	if (!fork()) {
		close(sockets[0]);
		if (!setresgid(NOBODY - 1, NOBODY - 1, NOBODY - 1) &&
		    !setresuid(NOBODY - 1, NOBODY - 1, NOBODY - 1) &&
		    !send_fd(sockets[1], new_file(state)))
			_exit(read(sockets[1], &byte, 1));
		_exit(1);
	}
	close(sockets[1]);
	return receive_fd(sockets[0]);
}

FIXTURE_SETUP(access)
{
	bool used = variant->state >= PRESENT;
	struct stat st;

	if ((used || variant->who != OWNER) && geteuid() != 0)
		SKIP(return, "needs root");
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	if (used && !have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);

	self->page = page_size();
	self->owner = -1;
	self->consumer = -1;
	if (used) {
		self->consumer = new_consumer();
		ASSERT_LE(0, self->consumer);
	}
	if (variant->who == OTHER) {
		self->fd = file_of_another_user(variant->state, &self->owner);
		ASSERT_LE(0, self->fd);
	}
	if (variant->who != ROOT && geteuid() == 0)
		ASSERT_EQ(0, become_nobody());
	if (variant->who != OTHER) {
		self->fd = new_file(variant->state);
		ASSERT_LE(0, self->fd);
	}
	snprintf(self->path, sizeof(self->path), "/proc/self/fd/%d", self->fd);
	ASSERT_EQ(0, fstat(self->fd, &st));
	self->ino = st.st_ino;
	self->size = variant->state >= SIZED ? PAGES * self->page : 0;
	self->pages = variant->state >= RESERVED ? PAGES : 0;

	if (used) {
		self->id = rm_bind(self->consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
		ASSERT_LT(0, self->id);
		ASSERT_EQ(0, write_secret(self->consumer, self->id, PAGES));
		ASSERT_EQ(PAGES, rm_counters(self->consumer).populates);
	}
	if (variant->state == UNBOUND)
		ASSERT_EQ(0, rm_unbind(self->consumer, self->id));

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
	for (i = 0; i < self->page && self->buffer[i] == 'x'; i++)
		;
	EXPECT_EQ(self->page, i)
		TH_LOG("the buffer of a refused read is untouched");

	if (variant->state < PRESENT) {
		EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_DATA))
			TH_LOG("nothing became present");
	} else {
		EXPECT_EQ(0, lseek(self->fd, 0, SEEK_DATA));
		EXPECT_EQ(self->size, lseek(self->fd, 0, SEEK_HOLE));
		EXPECT_EQ(0, secrets_in_memory())
			TH_LOG("contents got into the memory of the test");
		if (variant->state == UNBOUND)
			self->id = rm_bind(self->consumer, self->fd, 0, PAGES,
					   RMTEST_EXCLUSIVE);
		for (i = 0; i < PAGES; i++)
			EXPECT_EQ(SECRET, rm_look(self->consumer, self->id, i))
				TH_LOG("page %d", (int)i);
		EXPECT_EQ(PAGES, rm_counters(self->consumer).populates);
		EXPECT_EQ(0, rm_counters(self->consumer).starts)
			TH_LOG("the consumer heard of nothing");
		close(self->consumer);
	}
	if (self->owner >= 0)
		close(self->owner);
}

#endif /* _SELFTESTS_RESTRICTEDMEM_ACCESS_H */
