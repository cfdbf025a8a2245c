// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that a consumer cannot get back from its device: it leaves the file for
 * ever, is never zeroed and never used again.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "test_consumer.h"

#define PAGES 64
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

FIXTURE(quarantine) {
	int fd, a, b, id;
};

FIXTURE_SETUP(quarantine)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->b = new_consumer();
	ASSERT_LE(0, self->b);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->id = rm_bind(self->a, self->fd, 8, 24, SHRD);
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(quarantine)
{
	close(self->a);
	close(self->b);
	close(self->fd);
}

TEST_F(quarantine, takes_what_is_present)
{
	long pfn;

	ASSERT_EQ(0, rm_fill(self->a, self->id, 10, 14, 0x99));
	ASSERT_EQ(0, reserve(self->fd, 14, 16));
	pfn = rm_get(self->a, self->id, 12);
	rm_story(self->a, -1);

	EXPECT_EQ(2, rm_quarantine(self->a, self->id, 12, 20))
		TH_LOG("pages 12 and 13 are present, 14 and 15 only reserved");
	EXPECT_STORY("", "the caller sees no callback", self->a);
	EXPECT_EQ(2 + 2, pages_of(self->fd));
	EXPECT_EQ(0x99, rm_look(self->a, self->id, 11));
	EXPECT_EQ(0, rm_look(self->a, self->id, 12))
		TH_LOG("the file gets new memory");
	EXPECT_NE(pfn, rm_get(self->a, self->id, 12));
	EXPECT_EQ(0, rm_quarantine(self->a, self->id, 20, 24))
		TH_LOG("nothing there");
	EXPECT_EQ(0, rm_quarantine(self->a, self->id, 12, 12));
}

TEST_F(quarantine, others_see_an_invalidation)
{
	int id = rm_bind(self->b, self->fd, 16, 32, SHRD);
	struct rmtest_counters b;

	ASSERT_LT(0, rm_get_range(self->a, self->id, 12, 16));
	ASSERT_LT(0, rm_get_range(self->b, id, 16, 32));
	ASSERT_EQ(0, rm_reset(self->a));
	EXPECT_EQ(8, rm_quarantine(self->a, self->id, 12, 20));
	b = rm_counters(self->b);
	EXPECT_EQ(4, b.walked)
		TH_LOG("all four pages are there in start");
	EXPECT_EQ(b.starts, b.ends);
	EXPECT_EQ(0, b.prepares)
		TH_LOG("nobody is asked");
	EXPECT_STORY("", "the caller sees no callback", self->a);
}

TEST_F(quarantine, moves_the_sequence)
{
	uint64_t seq = rm_seq_begin(self->a, self->id);

	ASSERT_NE(-1, rm_get(self->a, self->id, 12));
	ASSERT_EQ(0, rm_seq_retry(self->a, self->id, seq));
	EXPECT_EQ(1, rm_quarantine(self->a, self->id, 8, 24));
	EXPECT_EQ(1, rm_seq_retry(self->a, self->id, seq))
		TH_LOG("a get before it must not be used after it");
}

TEST_F(quarantine, stays_inside_the_binding)
{
	int b = rm_bind(self->b, self->fd, 0, 8, EXCL);
	int c = rm_bind(self->b, self->fd, 24, 32, EXCL);

	ASSERT_EQ(0, rm_fill(self->b, b, 0, 8, 1));
	ASSERT_EQ(0, rm_fill(self->b, c, 24, 32, 2));
	ASSERT_EQ(0, rm_fill(self->a, self->id, 8, 24, 3));
	rm_story(self->b, -1);
	EXPECT_EQ(16, rm_quarantine(self->a, self->id, 0, UINT64_MAX));
	EXPECT_STORY("", "the neighbours hear nothing", self->b);
	EXPECT_EQ(1, rm_look(self->b, b, 7));
	EXPECT_EQ(2, rm_look(self->b, c, 24));
	EXPECT_EQ(16, pages_of(self->fd));
}

TEST_F(quarantine, memory_is_never_zeroed)
{
	ASSERT_EQ(0, rm_fill(self->a, self->id, 8, 9, 0x66));
	ASSERT_LT(0, rm_keep(self->a, self->id, 8));
	EXPECT_EQ(1, rm_quarantine(self->a, self->id, 8, 9));
	EXPECT_EQ(0x66, rm_look_flags(self->a, self->id, 8, RMTEST_IO_KEPT));
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(0x66, rm_look_flags(self->a, self->id, 8, RMTEST_IO_KEPT))
		TH_LOG("not when the file is gone, either");
	EXPECT_EQ(1, rm_put_all(self->a));
}

TEST_F(quarantine, memory_is_never_used_again)
{
	static long gone[16], pfn;
	int fd, id, found = 0;

	for (int i = 0; i < 16; i++) {
		gone[i] = rm_get(self->a, self->id, 8 + i);
		ASSERT_LT(0, gone[i]);
	}
	EXPECT_EQ(16, rm_quarantine(self->a, self->id, 8, 24));
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	close(self->fd);
	self->fd = -1;

	/* Pages that were freed just now would come first. */
	fd = new_sized_file(2048 * page_size());
	ASSERT_LE(0, fd);
	id = rm_bind(self->b, fd, 0, 2048, EXCL);
	for (int i = 0; i < 2048; i++) {
		pfn = rm_get(self->b, id, i);
		for (int j = 0; j < 16; j++)
			found += pfn == gone[j];
	}
	EXPECT_EQ(0, found);
	close(fd);
}

TEST_F(quarantine, everything_else_works_on)
{
	ASSERT_LT(0, rm_get_range(self->a, self->id, 8, 24));
	EXPECT_EQ(4, rm_quarantine(self->a, self->id, 8, 12));
	EXPECT_ALLOWED(punch(self->fd, 0, PAGES), "a hole");
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_ALLOWED(reserve(self->fd, 0, PAGES), "a reservation");
	EXPECT_ALLOWED(rm_get(self->a, self->id, 8), "a get");
	EXPECT_EQ(0, rm_unbind(self->a, self->id));
	EXPECT_ALLOWED(rm_bind(self->b, self->fd, 0, PAGES, EXCL), "another bind");
}

TEST_F(quarantine, waits_for_an_invalidation)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .start = 8, .end = 16 };

	ASSERT_LT(0, rm_get_range(self->a, self->id, 8, 24));
	BEHAVE(self->a, .start_delay_ms = 300);
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait_for(self->a, starts, 1));
	EXPECT_EQ(8, rm_quarantine(self->a, self->id, 8, 24))
		TH_LOG("the hole took the first 8");
	EXPECT_EQ(0, rm_call_end(&hole));
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_HARNESS_MAIN
