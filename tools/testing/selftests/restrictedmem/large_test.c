// SPDX-License-Identifier: GPL-2.0
/*
 * Large folios: what a get reports, where they are split, and that a hole in one
 * never brings back old bytes.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "load.h"
#include "poison.h"
#include "test_consumer.h"

#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

#define ORDER 9
#define LARGE 512
#define PAGES (4 * LARGE)

FIXTURE(large) {
	int fd, a, b, id;
	char policy[32];
};

FIXTURE_SETUP(large)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->b = new_consumer();
	ASSERT_LE(0, self->b);
	if (!want_large(self->policy, sizeof(self->policy)))
		SKIP(return, "cannot change " LARGE_POLICY);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->id = rm_bind(self->a, self->fd, 0, PAGES, SHRD);
	ASSERT_LT(0, self->id);
	if (rm_order(self->a, self->id, LARGE) != ORDER) {
		write_text(LARGE_POLICY, self->policy);
		SKIP(return, "no large folio to be had");
	}
	ASSERT_EQ(0, rm_reset(self->a));
}

FIXTURE_TEARDOWN(large)
{
	if (self->policy[0])
		write_text(LARGE_POLICY, self->policy);
	close(self->a);
	close(self->b);
	close(self->fd);
}

TEST_F(large, is_announced_and_zeroed_as_a_whole)
{
	struct rmtest_event event;
	long pfn;

	BEHAVE(self->a, .flags = RMTEST_CHECK_ZERO);
	pfn = rm_get(self->a, self->id, 100);
	ASSERT_LT(0, pfn);
	ASSERT_EQ(1, rm_events(self->a, &event, 1));
	EXPECT_EQ(RMTEST_POPULATE, event.type);
	EXPECT_EQ(0, event.start);
	EXPECT_EQ(LARGE, event.end);
	EXPECT_EQ(pfn - 100, event.value);
	EXPECT_EQ(0, rm_counters(self->a).not_zero);
	EXPECT_EQ(2 * LARGE, pages_of(self->fd));
	for (int i = 0; i < LARGE; i += 37)
		EXPECT_EQ(0, rm_look(self->a, self->id, i));
	EXPECT_EQ(1, rm_counters(self->a).populates);
}

TEST_F(large, frames_are_contiguous)
{
	long pfn = rm_get(self->a, self->id, LARGE);
	struct rmtest_run run;
	struct rmtest_get_range range = {
		.start = LARGE + 3, .end = LARGE + 100, .id = self->id,
		.addr = (uintptr_t)&run, .capacity = 1,
	};

	EXPECT_EQ(0, pfn % LARGE);
	EXPECT_EQ(pfn + 5, rm_get(self->a, self->id, LARGE + 5));
	EXPECT_EQ(ORDER, rm_order(self->a, self->id, 2 * LARGE - 1));
	ASSERT_EQ(0, ioctl(self->a, RMTEST_GET_RANGE, &range));
	EXPECT_EQ(1, range.runs)
		TH_LOG("one folio is one visit");
	EXPECT_EQ(97, range.pages);
	EXPECT_EQ(pfn + 3, run.pfn);
	EXPECT_EQ(LARGE + 3, run.start);
	EXPECT_EQ(LARGE + 100, run.end);
}

TEST_F(large, first_touch_stays_inside_its_binding)
{
	struct rmtest_event events[64];
	int id, n;

	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	id = rm_bind(self->a, self->fd, 2 * LARGE + 1, 3 * LARGE - 3, EXCL);
	self->id = rm_bind(self->b, self->fd, 3 * LARGE - 3, PAGES, EXCL);
	ASSERT_LT(0, id);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, rm_reset(self->a));

	for (int i = 2 * LARGE + 1; i < 3 * LARGE - 3; i++) {
		uint64_t block = 1ULL << rm_order(self->a, id, i);
		uint64_t start = i & ~(block - 1);

		ASSERT_LE(2 * LARGE + 1, start)
			TH_LOG("page %d", i);
		ASSERT_GE(3 * LARGE - 3, start + block)
			TH_LOG("page %d", i);
	}
	EXPECT_EQ(0, rm_counters(self->b).populates)
		TH_LOG("the neighbour hears nothing");
	n = rm_events(self->a, events, 64);
	for (int i = 0; i < n; i++) {
		EXPECT_LE(2 * LARGE + 1, events[i].start);
		EXPECT_GE(3 * LARGE - 3, events[i].end);
	}
	EXPECT_EQ(0, rm_look(self->b, self->id, 3 * LARGE - 1));
}

TEST_F(large, ends_with_the_file)
{
	int fd = new_sized_file((LARGE + 3) * page_size()), id;

	ASSERT_LE(0, fd);
	id = rm_bind(self->b, fd, 0, LARGE + 3, EXCL);
	ASSERT_LT(0, id);
	for (int i = 0; i < LARGE + 3; i++) {
		uint64_t block = 1ULL << rm_order(self->b, id, i);

		ASSERT_GE(LARGE + 3, (i & ~(block - 1)) + block)
			TH_LOG("page %d", i);
	}
	EXPECT_EQ(1, rm_order(self->b, id, LARGE + 1));
	EXPECT_EQ(0, rm_order(self->b, id, LARGE + 2));
	EXPECT_EQ(0, rm_look(self->b, id, LARGE + 2));
	EXPECT_EQ(LARGE + 3, pages_of(fd))
		TH_LOG("no memory beyond the end");
	ASSERT_EQ(0, punch(fd, 0, LARGE + 3));
	EXPECT_EQ(0, pages_of(fd));
	close(fd);
}

TEST_F(large, reserving_ends_with_the_file)
{
	int fd = new_sized_file((LARGE + 3) * page_size());

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, reserve(fd, 0, LARGE + 3));
	EXPECT_EQ(LARGE + 3, pages_of(fd));
	ASSERT_EQ(0, punch(fd, LARGE, LARGE + 3));
	EXPECT_EQ(LARGE, pages_of(fd));
	ASSERT_EQ(0, punch(fd, 0, 1));
	EXPECT_EQ(LARGE - 1, pages_of(fd))
		TH_LOG("a reservation can be given back in part");
	close(fd);
}

TEST_F(large, bind_splits_what_is_there)
{
	long pfn = rm_get(self->a, self->id, LARGE);
	int b;

	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x21));
	b = rm_bind(self->b, self->fd, LARGE + 256, 2 * LARGE + 5, SHRD);
	ASSERT_LT(0, b);
	EXPECT_EQ(8, rm_order(self->b, b, LARGE + 256));
	EXPECT_EQ(8, rm_order(self->a, self->id, LARGE));
	EXPECT_EQ(pfn, rm_get(self->a, self->id, LARGE));
	EXPECT_EQ(pfn + 256, rm_get(self->b, b, LARGE + 256));
	EXPECT_EQ(0x21, rm_look(self->b, b, LARGE + 256));
	EXPECT_EQ(0, rm_counters(self->a).starts)
		TH_LOG("a split is no invalidation");
	EXPECT_EQ(0, rm_counters(self->b).populates);
}

TEST_F(large, bind_cannot_split_what_is_referenced)
{
	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x21));
	ASSERT_LT(0, rm_keep(self->a, self->id, LARGE));
	EXPECT_REFUSED(rm_bind(self->b, self->fd, LARGE + 7, PAGES, SHRD),
		       "a reference forbids it", EAGAIN);
	EXPECT_EQ(0, rm_counters(self->b).bindings);
	EXPECT_EQ(ORDER, rm_order(self->a, self->id, LARGE));
	EXPECT_ALLOWED(rm_bind(self->b, self->fd, LARGE, 2 * LARGE, SHRD),
		       "nothing to split");
	EXPECT_EQ(1, rm_put_all(self->a));
	EXPECT_ALLOWED(rm_bind(self->b, self->fd, 2 * LARGE, PAGES, SHRD),
		       "no reference");
}

TEST_F(large, a_hole_in_it)
{
	long pfn = rm_get(self->a, self->id, LARGE);

	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
	ASSERT_EQ(0, punch(self->fd, LARGE + 100, LARGE + 101));
	EXPECT_EQ(LARGE - 1, pages_of(self->fd))
		TH_LOG("a page is free");
	EXPECT_EQ(0, rm_look(self->a, self->id, LARGE + 100))
		TH_LOG("it is never the old one");
	for (int i = 0; i < LARGE; i++) {
		if (i == 100)
			continue;
		EXPECT_EQ(0x77, rm_look(self->a, self->id, LARGE + i))
			TH_LOG("page %d", i);
		EXPECT_EQ(pfn + i, rm_get(self->a, self->id, LARGE + i));
	}
	EXPECT_EQ(8, rm_order(self->a, self->id, LARGE + 256))
		TH_LOG("the rest stays as large as it can");
	EXPECT_STORY("a:prepare a:start a:span@612 a:end a:populate@612",
		     "about that page only", self->a);
}

TEST_F(large, a_hole_across_two)
{
	if (rm_order(self->a, self->id, 2 * LARGE) != ORDER)
		SKIP(return, "no second large folio to be had");
	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 3 * LARGE, 0x77));
	ASSERT_EQ(0, punch(self->fd, 2 * LARGE - 3, 2 * LARGE + 5));
	EXPECT_EQ(2 * LARGE - 8, pages_of(self->fd));
	for (int i = -5; i < 8; i++)
		EXPECT_EQ(i >= -3 && i < 5 ? 0 : 0x77,
			  rm_look(self->a, self->id, 2 * LARGE + i));
}

TEST_F(large, a_hole_in_one_that_is_referenced)
{
	struct rmtest_counters a;
	uint64_t seq;

	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
	ASSERT_LT(0, rm_keep(self->a, self->id, LARGE + 3));
	seq = rm_seq_begin(self->a, self->id);
	EXPECT_REFUSED(punch(self->fd, LARGE + 100, LARGE + 101),
		       "a reference forbids the split", EAGAIN);
	EXPECT_EQ(LARGE, pages_of(self->fd))
		TH_LOG("nothing has changed");
	EXPECT_EQ(0x77, rm_look(self->a, self->id, LARGE + 100));
	EXPECT_EQ(0x77, rm_look(self->a, self->id, LARGE + 99));
	EXPECT_EQ(0x77, rm_look(self->a, self->id, LARGE + 511));
	a = rm_counters(self->a);
	EXPECT_EQ(a.starts, a.ends);
	if (a.starts)
		EXPECT_EQ(1, rm_seq_retry(self->a, self->id, seq));
	EXPECT_EQ(0, a.populates);

	EXPECT_EQ(1, rm_put_all(self->a));
	EXPECT_ALLOWED(punch(self->fd, LARGE + 100, LARGE + 101), "no reference");
	EXPECT_EQ(0, rm_look(self->a, self->id, LARGE + 100));
	EXPECT_EQ(0x77, rm_look(self->a, self->id, LARGE + 101));
}

TEST_F(large, all_of_one_that_is_referenced)
{
	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
	ASSERT_LT(0, rm_keep(self->a, self->id, LARGE + 3));
	EXPECT_ALLOWED(punch(self->fd, LARGE, 2 * LARGE), "no split is needed");
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_EQ(0x77, rm_look_flags(self->a, self->id, LARGE + 3, RMTEST_IO_KEPT));
	EXPECT_EQ(0, rm_look(self->a, self->id, LARGE + 3));
	EXPECT_EQ(1, rm_put_all(self->a));
}

TEST_F(large, quarantine_stays_inside_the_binding)
{
	int b;

	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	self->id = rm_bind(self->a, self->fd, 0, LARGE + 16, EXCL);
	b = rm_bind(self->b, self->fd, LARGE + 16, PAGES, EXCL);
	ASSERT_LT(0, b);
	EXPECT_EQ(16, rm_quarantine(self->a, self->id, LARGE, LARGE + 16));
	EXPECT_EQ(0x77, rm_look(self->b, b, LARGE + 16));
	EXPECT_EQ(0x77, rm_look(self->b, b, 2 * LARGE - 1));
	EXPECT_EQ(0, rm_counters(self->b).starts);
	EXPECT_EQ(0, rm_look(self->a, self->id, LARGE));
}

TEST_F(large, reserved_then_touched)
{
	ASSERT_EQ(0, reserve(self->fd, 0, LARGE));
	EXPECT_EQ(0, rm_counters(self->a).populates);
	EXPECT_EQ(0, rm_look(self->a, self->id, 7));
	EXPECT_EQ(0, rm_look(self->a, self->id, LARGE - 1));
	ASSERT_EQ(0, punch(self->fd, 0, PAGES));
	EXPECT_EQ(0, pages_of(self->fd));
}

/* The bytes at the ends of what was loaded, and next to it. */
#define EXPECT_LOADED(start, end, byte, around)				\
do {									\
	EXPECT_EQ(around, rm_look(self->a, self->id, (start) - 1));	\
	EXPECT_EQ(byte, rm_look(self->a, self->id, start));		\
	EXPECT_EQ(byte, rm_look(self->a, self->id, (end) - 1));		\
	EXPECT_EQ(around, rm_look(self->a, self->id, end));		\
} while (0)

TEST_F(large, loading_a_part_brings_zeroes_around_it)
{
	char *bytes = aligned_alloc(page_size(), 100 * page_size());
	long pages;

	/* What is free has something in it then. */
	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	ASSERT_EQ(0, punch(self->fd, 0, PAGES));
	memset(bytes, 0x21, 100 * page_size());
	ASSERT_EQ(0, load_pages(self->fd, LARGE + 50, LARGE + 150, bytes, &pages));
	if (pages_of(self->fd) != LARGE)
		SKIP(return, "no large folio to be had");
	EXPECT_EQ(LARGE * page_size(), lseek(self->fd, 0, SEEK_DATA));
	self->id = rm_bind(self->a, self->fd, 0, PAGES, SHRD);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(ORDER, rm_order(self->a, self->id, LARGE + 50));
	EXPECT_LOADED(LARGE + 50, LARGE + 150, 0x21, 0);
	EXPECT_EQ(0, rm_look(self->a, self->id, LARGE));
	EXPECT_EQ(0, rm_look(self->a, self->id, 2 * LARGE - 1));
}

TEST_F(large, loading_across_several)
{
	size_t size = (PAGES - 20) * page_size();
	char *bytes = aligned_alloc(page_size(), size);
	long pages;

	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	memset(bytes, 0x21, size);
	ASSERT_EQ(0, load_pages(self->fd, 10, PAGES - 10, bytes, &pages));
	EXPECT_EQ(PAGES - 20, pages);
	self->id = rm_bind(self->a, self->fd, 0, PAGES, SHRD);
	ASSERT_LT(0, self->id);
	EXPECT_LOADED(10, PAGES - 10, 0x21, 0);
	for (int i = 10; i < PAGES - 10; i += 25) {
		EXPECT_EQ(0x21, rm_look(self->a, self->id, i))
			TH_LOG("page %d", i);
	}
}

TEST_F(large, loading_over_a_part)
{
	char *bytes = aligned_alloc(page_size(), 100 * page_size());
	long pages, pfn = rm_get(self->a, self->id, LARGE);

	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	memset(bytes, 0x21, 100 * page_size());
	ASSERT_EQ(0, load_pages(self->fd, LARGE + 50, LARGE + 150, bytes, &pages));
	self->id = rm_bind(self->a, self->fd, 0, PAGES, SHRD);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(pfn, rm_get(self->a, self->id, LARGE))
		TH_LOG("the same memory");
	EXPECT_LOADED(LARGE + 50, LARGE + 150, 0x21, 0x77);
}

TEST_F(large, loading_beside_a_binding)
{
	char *bytes = aligned_alloc(page_size(), 100 * page_size());
	long pages;
	int id;

	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	ASSERT_EQ(0, punch(self->fd, 0, PAGES));
	id = rm_bind(self->b, self->fd, 0, 100, EXCL);
	ASSERT_LT(0, id);
	memset(bytes, 0x21, 100 * page_size());
	ASSERT_EQ(0, load_pages(self->fd, 100, 200, bytes, &pages));
	EXPECT_STORY("", "nothing of it becomes present", self->b);
	EXPECT_EQ(0, rm_look(self->b, id, 99));
	EXPECT_LT(0, rm_counters(self->b).populates);
	self->id = rm_bind(self->a, self->fd, 100, PAGES, EXCL);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0x21, rm_look(self->a, self->id, 100));
	EXPECT_EQ(0x21, rm_look(self->a, self->id, 199));
	EXPECT_EQ(0, rm_look(self->a, self->id, 200));
}

/* How many pages of the second block are not @byte before page @end, and zero behind. */
static int count_not_loaded(int consumer, int id, int end, unsigned char byte)
{
	int wrong = 0;

	for (int i = 0; i < LARGE; i++)
		wrong += rm_look(consumer, id, LARGE + i) != (i < end ? byte : 0);
	return wrong;
}

TEST_F(large, loading_ends_where_its_source_does)
{
	const size_t size = LARGE * page_size();
	char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	int file = memfd_create("source", 0), large = 0;
	const struct {
		bool is_file;
		int skip, pages;
	} sources[] = {
		{ false, 0, 100 }, { false, 10, 99 },
		{ true, 0, 101 }, { true, page_size(), 100 },
	};
	long pages;

	ASSERT_NE(MAP_FAILED, bytes);
	memset(bytes, 0x21, size);
	ASSERT_EQ(0, munmap(bytes + 100 * page_size(), page_size()));
	/* A file whose last page is full, as what is behind its end are zeroes. */
	ASSERT_EQ(0, ftruncate(file, 101 * page_size()));
	for (int i = 0; i < 101; i++)
		ASSERT_EQ(page_size(), pwrite(file, bytes, page_size(), i * page_size()));

	for (unsigned int i = 0; i < ARRAY_SIZE(sources); i++) {
		const int end = sources[i].pages;

		/* What is free has something in it then. */
		ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
		ASSERT_EQ(0, rm_unbind(self->a, self->id));
		ASSERT_EQ(0, punch(self->fd, 0, PAGES));
		if (sources[i].is_file)
			EXPECT_REFUSED(load_pages_fd(self->fd, LARGE, 2 * LARGE, file,
						     sources[i].skip, &pages),
				       "there is no more of the file", ENODATA);
		else
			EXPECT_REFUSED(load_pages(self->fd, LARGE, 2 * LARGE,
						  bytes + sources[i].skip, &pages),
				       "there is no more memory", EFAULT);
		EXPECT_EQ(end, pages)
			TH_LOG("source %u", i);
		large += pages_of(self->fd) == LARGE;
		self->id = rm_bind(self->a, self->fd, 0, PAGES, SHRD);
		ASSERT_LT(0, self->id);
		EXPECT_EQ(0, count_not_loaded(self->a, self->id, end, 0x21))
			TH_LOG("source %u", i);
	}
	if (!large)
		SKIP(return, "no large folio to be had");
}

TEST_F(large, a_memory_error_in_it)
{
	long pfn = rm_get(self->a, self->id, LARGE);

	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
	EXPECT_EQ(0, poison(pfn + 100))
		TH_LOG("nobody references it, so it can be split");
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	EXPECT_STORY("a:start a:span@612 a:error@612 a:end", "exactly the page",
		     self->a);
	EXPECT_REFUSED(rm_get(self->a, self->id, LARGE + 100), "the page", EHWPOISON);
	for (int i = 0; i < LARGE; i += 33) {
		if (i == 100)
			continue;
		EXPECT_EQ(pfn + i, rm_get(self->a, self->id, LARGE + i));
		EXPECT_EQ(0x77, rm_look(self->a, self->id, LARGE + i));
	}
	EXPECT_ALLOWED(punch(self->fd, 0, PAGES), "it can go");
	EXPECT_EQ(0, rm_look(self->a, self->id, LARGE + 100));
}

TEST_F(large, a_memory_error_in_one_that_is_referenced)
{
	long pfn = rm_get(self->a, self->id, LARGE);

	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
	ASSERT_LT(0, rm_keep(self->a, self->id, LARGE + 3));
	poison(pfn + 100);
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1))
		TH_LOG("told although it could not be split");
	EXPECT_STORY("a:start a:span@612 a:error@612 a:end", "exactly the page",
		     self->a);
	EXPECT_REFUSED(rm_get(self->a, self->id, LARGE + 100), "the page", EHWPOISON);
	EXPECT_EQ(0, rm_order(self->a, self->id, LARGE + 99))
		TH_LOG("nothing is mapped across it");
	EXPECT_EQ(pfn + 99, rm_get(self->a, self->id, LARGE + 99));
	EXPECT_EQ(0x77, rm_look(self->a, self->id, LARGE + 101));
	EXPECT_EQ(1, rm_put_all(self->a));
}

TEST_F(large, who_is_refused_keeps_no_reference)
{
	long pfn = rm_get(self->a, self->id, LARGE);

	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
	/* In one piece, so that a reference to any page of it is in the way. */
	ASSERT_LT(0, rm_keep(self->a, self->id, LARGE));
	poison(pfn + 100);
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	for (int i = 0; i < 8; i++) {
		EXPECT_REFUSED(rm_get(self->a, self->id, LARGE + 100), "the page",
			       EHWPOISON);
		EXPECT_REFUSED(rm_get_range(self->a, self->id, LARGE, 2 * LARGE),
			       "a range with it", EHWPOISON);
	}
	EXPECT_REFUSED(punch(self->fd, LARGE + 8, LARGE + 16), "there is one", EAGAIN);
	ASSERT_EQ(1, rm_put_all(self->a));
	EXPECT_ALLOWED(punch(self->fd, LARGE + 8, LARGE + 16), "there is none");
	EXPECT_EQ(LARGE - 8, pages_of(self->fd));
}

/* How many pages of the second block, but for one, are not what and where they were. */
static int count_changed(int consumer, int id, int but, long pfn)
{
	int changed = 0;

	for (int i = 0; i < LARGE; i++)
		changed += i != but && (rm_get(consumer, id, LARGE + i) != pfn + i ||
					rm_look(consumer, id, LARGE + i) != 0x77);
	return changed;
}

/*
 * The kernel could not split it. Nor can a hole or a binding that begins or ends in it:
 * before, at and behind the page.
 */
TEST_F(large, edges_in_one_with_an_error_that_is_referenced)
{
	const int edges[][2] = { { 8, 16 }, { 90, 100 }, { 90, 101 }, { 100, 101 },
				 { 101, 102 }, { 200, LARGE }, { 200, 201 } };
	long pfn = rm_get(self->a, self->id, LARGE);
	struct rmtest_counters a;
	int id;

	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE, 2 * LARGE, 0x77));
	ASSERT_LT(0, rm_keep(self->a, self->id, LARGE + 3));
	poison(pfn + 100);
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));

	for (unsigned int i = 0; i < ARRAY_SIZE(edges); i++) {
		const int start = LARGE + edges[i][0], end = LARGE + edges[i][1];

		ASSERT_EQ(0, rm_reset(self->a));
		EXPECT_REFUSED(punch(self->fd, start, end), "a hole", EAGAIN);
		a = rm_counters(self->a);
		EXPECT_EQ(1, a.prepares)
			TH_LOG("hole %u", i);
		EXPECT_EQ(1, a.starts + a.aborts);
		EXPECT_EQ(a.starts, a.ends);
		EXPECT_EQ(0, a.errors);
		EXPECT_REFUSED(rm_bind(self->b, self->fd, start, end, SHRD), "a binding",
			       EAGAIN);
		EXPECT_EQ(0, rm_counters(self->b).bindings);
	}
	EXPECT_EQ(LARGE, pages_of(self->fd));
	EXPECT_EQ(0, count_changed(self->a, self->id, 100, pfn))
		TH_LOG("nothing has changed");
	EXPECT_REFUSED(rm_get(self->a, self->id, LARGE + 100), "the page", EHWPOISON);
	id = rm_bind(self->b, self->fd, LARGE, 2 * LARGE, SHRD);
	EXPECT_LT(0, id)
		TH_LOG("it has edges of its own");
	EXPECT_REFUSED(rm_get(self->b, id, LARGE + 100), "the page", EHWPOISON);

	/* Without the reference they can, and the rest of it stays as it is. */
	ASSERT_EQ(1, rm_put_all(self->a));
	ASSERT_EQ(0, rm_unbind(self->b, id));
	ASSERT_EQ(0, rm_reset(self->b));
	id = rm_bind(self->b, self->fd, LARGE + 90, LARGE + 101, SHRD);
	EXPECT_LT(0, id);
	EXPECT_EQ(0, count_changed(self->a, self->id, 100, pfn));
	EXPECT_REFUSED(rm_get(self->b, id, LARGE + 100), "the page", EHWPOISON);
	EXPECT_ALLOWED(punch(self->fd, LARGE + 100, LARGE + 101), "a hole");
	EXPECT_STORY("a:prepare a:start a:span@612 a:end", "exactly the page", self->b);
	EXPECT_EQ(LARGE - 1, pages_of(self->fd));
	EXPECT_EQ(0, count_changed(self->a, self->id, 100, pfn));
	EXPECT_EQ(0, rm_look(self->b, id, LARGE + 100));
	EXPECT_NE(pfn + 100, rm_get(self->b, id, LARGE + 100));
}

TEST_F(large, memory_with_an_error_is_not_used_again)
{
	long pfn = rm_get(self->a, self->id, LARGE);

	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
	ASSERT_LT(0, rm_keep(self->a, self->id, LARGE));
	poison(pfn + 100);
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	ASSERT_EQ(1, rm_put_all(self->a));

	/* What was freed last is what the kernel hands out first. */
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, punch(self->fd, LARGE, 2 * LARGE));
		for (int page = LARGE; page < 2 * LARGE; page++) {
			long got = rm_get(self->a, self->id, page);

			ASSERT_LT(0, got)
				TH_LOG("page %d: %s", page, strerror(errno));
			ASSERT_NE(pfn + 100, got);
		}
	}
}

TEST_HARNESS_MAIN
