// SPDX-License-Identifier: GPL-2.0
/*
 * Uncorrectable memory errors: who hears of them, of which page, and what is left.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "load.h"
#include "poison.h"
#include "test_consumer.h"

#define PAGES 64
#define ORDER 9
#define LARGE 512
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED
#define SOFT_OFFLINE "/sys/devices/system/memory/soft_offline_page"

FIXTURE(poison) {
	int fd, a, b, id;
};

FIXTURE_SETUP(poison)
{
	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
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
	ASSERT_EQ(0, rm_fill(self->a, self->id, 8, 24, 0x3c));
}

FIXTURE_TEARDOWN(poison)
{
	close(self->a);
	close(self->b);
	close(self->fd);
}

TEST_F(poison, is_reported_for_exactly_the_page)
{
	struct rmtest_event events[8];
	long neighbour = rm_get(self->a, self->id, 13);
	int n;

	ASSERT_EQ(0, rm_reset(self->a));
	EXPECT_EQ(0, poison(rm_get(self->a, self->id, 12)))
		TH_LOG("the handler is content");
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	n = rm_events(self->a, events, 8);
	ASSERT_EQ(4, n);
	EXPECT_EQ(RMTEST_START, events[0].type)
		TH_LOG("nobody can be asked");
	EXPECT_EQ(RMTEST_SPAN, events[1].type);
	EXPECT_EQ(RMTEST_ERROR, events[2].type);
	EXPECT_EQ(RMTEST_END, events[3].type);
	for (int i = 0; i < n; i++) {
		EXPECT_EQ(12, events[i].start);
		EXPECT_EQ(13, events[i].end);
	}

	EXPECT_REFUSED(rm_get(self->a, self->id, 12), "the page", EHWPOISON);
	EXPECT_REFUSED(rm_get(self->a, self->id, 12), "again", EHWPOISON);
	EXPECT_EQ(neighbour, rm_get(self->a, self->id, 13));
	for (int i = 8; i < 24; i++)
		if (i != 12)
			EXPECT_EQ(0x3c, rm_look(self->a, self->id, i));
	EXPECT_EQ(16, pages_of(self->fd))
		TH_LOG("it stays in the file");
}

TEST_F(poison, every_holder_hears_of_it)
{
	int id = rm_bind(self->b, self->fd, 12, 32, SHRD);

	ASSERT_LT(0, id);
	rm_story(self->a, self->b, -1);
	EXPECT_EQ(0, poison(rm_get(self->a, self->id, 16)));
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	ASSERT_TRUE(rm_wait_for(self->b, ends, 1));
	EXPECT_STORY("a:start a:span@16 b:start b:span@16 a:error@16 b:error@16 b:end a:end",
		     "between start and end, by first binding",
		     self->a, self->b);
	EXPECT_REFUSED(rm_get(self->b, id, 16), "the other", EHWPOISON);
}

TEST_F(poison, only_holders_hear_of_it)
{
	int id = rm_bind(self->b, self->fd, 24, 32, SHRD);

	ASSERT_NE(-1, rm_get(self->b, id, 24));
	rm_story(self->a, self->b, -1);
	EXPECT_EQ(0, poison(rm_get(self->a, self->id, 23)));
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	EXPECT_STORY("", "the neighbour", self->b);
	EXPECT_NE(-1, rm_get(self->b, id, 24));
}

TEST_F(poison, of_a_page_that_is_referenced)
{
	long pfn = rm_keep(self->a, self->id, 12);
	int error = poison(pfn);

	EXPECT_TRUE(error == 0 || error == EBUSY)
		TH_LOG("the handler says %s", strerror(error));
	ASSERT_TRUE(rm_wait_for(self->a, errors, 1))
		TH_LOG("a consumer that keeps references needs to know most of all");
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	EXPECT_REFUSED(rm_get(self->a, self->id, 12), "the page", EHWPOISON);
	EXPECT_EQ(1, rm_put_all(self->a));
}

TEST_F(poison, a_hole_brings_new_memory)
{
	long pfn = rm_get(self->a, self->id, 12);

	EXPECT_EQ(0, poison(pfn));
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	ASSERT_EQ(0, punch(self->fd, 12, 13));
	EXPECT_EQ(0, rm_look(self->a, self->id, 12));
	EXPECT_NE(pfn, rm_get(self->a, self->id, 12));
	EXPECT_EQ(0x3c, rm_look(self->a, self->id, 11));
}

TEST_F(poison, a_range_stops_there)
{
	struct rmtest_get_range range = { .start = 8, .end = 24, .id = self->id };

	EXPECT_EQ(0, poison(rm_get(self->a, self->id, 12)));
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	ASSERT_EQ(0, ioctl(self->a, RMTEST_GET_RANGE, &range));
	EXPECT_EQ(EHWPOISON, range.error);
	EXPECT_EQ(4, range.pages)
		TH_LOG("what comes before it is visited");
}

TEST_F(poison, of_a_page_that_is_only_reserved)
{
	int id = rm_bind(self->b, self->fd, 40, 48, EXCL);
	struct rmtest_event event;

	/* Learn the frame from a first touch that fails and leaves it reserved. */
	ASSERT_EQ(0, reserve(self->fd, 40, 48));
	BEHAVE(self->b, .populate_errno = EDOM);
	EXPECT_REFUSED(rm_get(self->b, id, 40), "not present", EDOM);
	ASSERT_EQ(1, rm_events(self->b, &event, 1));
	ASSERT_EQ(RMTEST_POPULATE, event.type);

	EXPECT_EQ(0, poison(event.value));
	ASSERT_EQ(0, rm_reset(self->b));
	EXPECT_REFUSED(rm_get(self->b, id, 40), "the page", EHWPOISON);
	EXPECT_EQ(0, rm_counters(self->b).populates)
		TH_LOG("it is not announced");
	EXPECT_EQ(0, rm_look(self->b, id, 41));
	EXPECT_ALLOWED(punch(self->fd, 40, 41), "it can go");
	EXPECT_EQ(0, rm_look(self->b, id, 40));
}

TEST_F(poison, of_a_page_that_nobody_holds)
{
	long pfn = rm_get(self->a, self->id, 12);
	int id;

	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	ASSERT_EQ(0, rm_reset(self->a));
	EXPECT_EQ(0, poison(pfn));
	id = rm_bind(self->b, self->fd, 8, 24, SHRD);
	ASSERT_LT(0, id);
	EXPECT_REFUSED(rm_get(self->b, id, 12), "whoever binds it later", EHWPOISON);
	EXPECT_EQ(0x3c, rm_look(self->b, id, 13));
	EXPECT_STORY("", "nobody to tell", self->a);
}

TEST_F(poison, initial_contents_end_there)
{
	char bytes[16 * page_size()];
	long pages;

	memset(bytes, 0x21, sizeof(bytes));
	EXPECT_EQ(0, poison(rm_get(self->a, self->id, 12)));
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	EXPECT_REFUSED(load_pages(self->fd, 8, 24, bytes, &pages), "page 12", EHWPOISON);
	EXPECT_EQ(4, pages);
	EXPECT_REFUSED(load_pages(self->fd, 12, 13, bytes, &pages), "page 12", EHWPOISON);
	EXPECT_EQ(0, pages);

	self->id = rm_bind(self->a, self->fd, 8, 24, SHRD);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0x21, rm_look(self->a, self->id, 11));
	EXPECT_EQ(0x3c, rm_look(self->a, self->id, 13));
}

TEST_F(poison, does_not_wait_for_a_slow_consumer)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .start = 8, .end = 10 };
	long pfn = rm_get(self->a, self->id, 20);
	struct timespec before, after;

	BEHAVE(self->a, .prepare_delay_ms = 20000);
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait_for(self->a, prepares, 1));

	clock_gettime(CLOCK_MONOTONIC, &before);
	EXPECT_EQ(0, poison(pfn));
	clock_gettime(CLOCK_MONOTONIC, &after);
	EXPECT_GT(10, after.tv_sec - before.tv_sec)
		TH_LOG("all memory errors of the machine would wait");
	EXPECT_FALSE(hole.done);
	EXPECT_EQ(0, rm_counters(self->a).errors);

	EXPECT_EQ(0, rm_continue(self->a));
	EXPECT_EQ(0, rm_call_end(&hole));
	EXPECT_TRUE(rm_wait_for(self->a, errors, 1));
	EXPECT_TRUE(rm_wait_for(self->a, ends, 2));
}

TEST_F(poison, outlives_the_descriptor)
{
	long pfn = rm_get(self->a, self->id, 12);

	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(0, poison(pfn));
	EXPECT_TRUE(rm_wait_for(self->a, errors, 1));
	EXPECT_TRUE(rm_wait_for(self->a, ends, 1));
	EXPECT_EQ(0, rm_unbind(self->a, self->id));
}

TEST_F(poison, moves_the_sequence)
{
	uint64_t seq = rm_seq_begin(self->a, self->id);

	EXPECT_EQ(0, poison(rm_get(self->a, self->id, 12)));
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	EXPECT_EQ(1, rm_seq_retry(self->a, self->id, seq));
}

/*
 * A page that works but is not to be trusted any longer, says the administrator: the
 * kernel moves what is in it and keeps the page to itself. 0 or an errno.
 */
static int soft_offline(long pfn)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%lx", (unsigned long)pfn * page_size());
	return write_text(SOFT_OFFLINE, text) ? errno : 0;
}

TEST_F(poison, a_page_of_it_is_not_given_up)
{
	long pfn = rm_get(self->a, self->id, 12);
	void *ordinary;
	uint64_t entry;
	int pagemap;

	if (access(SOFT_OFFLINE, W_OK))
		SKIP(return, "there is no " SOFT_OFFLINE);
	ASSERT_EQ(0, rm_reset(self->a));
	EXPECT_EQ(EBUSY, soft_offline(pfn))
		TH_LOG("somebody has it");
	EXPECT_EQ(pfn, rm_get(self->a, self->id, 12));
	EXPECT_EQ(0x3c, rm_look(self->a, self->id, 12));
	EXPECT_STORY("", "nothing has happened", self->a);

	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	EXPECT_EQ(EBUSY, soft_offline(pfn))
		TH_LOG("nobody has it");
	self->id = rm_bind(self->a, self->fd, 8, 24, SHRD);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(pfn, rm_get(self->a, self->id, 12));
	EXPECT_EQ(0x3c, rm_look(self->a, self->id, 12));

	/* What can be moved is given up. */
	ordinary = aligned_alloc(page_size(), page_size());
	memset(ordinary, 1, page_size());
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	ASSERT_EQ(sizeof(entry), pread(pagemap, &entry, sizeof(entry),
				       (uintptr_t)ordinary / page_size() * sizeof(entry)));
	EXPECT_EQ(0, soft_offline(entry & ((1ULL << 55) - 1)));
	close(pagemap);
}

/* How many pages of a block are not where they were, or not what they were. */
static int count_changed(int consumer, int id, int start, int end, long pfn)
{
	int changed = 0;

	for (int i = start; i < end; i++)
		changed += rm_get(consumer, id, i) != pfn + i - start ||
			   rm_look(consumer, id, i) != 0x5a;
	return changed;
}

/* The kernel may split it on the way, which nobody notices. */
TEST_F(poison, a_large_page_of_it_is_not_given_up)
{
	int fd = memfd_restricted(RMFD_HUGEPAGE, -1), id;
	long pfns[2];

	if (access(SOFT_OFFLINE, W_OK))
		SKIP(return, "there is no " SOFT_OFFLINE);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 2 * LARGE * page_size()));
	id = rm_bind(self->b, fd, 0, 2 * LARGE, EXCL);
	ASSERT_LT(0, id);
	if (rm_order(self->b, id, 0) != ORDER || rm_order(self->b, id, LARGE) != ORDER)
		SKIP(return, "no large folio to be had");
	ASSERT_EQ(0, rm_fill(self->b, id, 0, 2 * LARGE, 0x5a));
	for (int block = 0; block < 2; block++)
		pfns[block] = rm_get(self->b, id, block * LARGE);
	ASSERT_EQ(0, rm_reset(self->b));

	EXPECT_EQ(EBUSY, soft_offline(pfns[0] + 100))
		TH_LOG("somebody has it");
	EXPECT_EQ(0, count_changed(self->b, id, 0, LARGE, pfns[0]));
	EXPECT_STORY("", "nothing has happened", self->b);

	ASSERT_EQ(0, rm_unbind(self->b, id));
	EXPECT_EQ(EBUSY, soft_offline(pfns[1] + 100))
		TH_LOG("nobody has it");
	id = rm_bind(self->b, fd, 0, 2 * LARGE, EXCL);
	ASSERT_LT(0, id);
	EXPECT_EQ(0, count_changed(self->b, id, LARGE, 2 * LARGE, pfns[1]));
	close(fd);
}

TEST_HARNESS_MAIN
