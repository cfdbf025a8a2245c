// SPDX-License-Identifier: GPL-2.0
/*
 * Getting the memory of a binding: what is allocated, zeroed and announced, and
 * how often.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "collapse.h"
#include "load.h"
#include "test_consumer.h"

#define PAGES 64
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

FIXTURE(get) {
	int fd, a, b, id;
};

FIXTURE_SETUP(get)
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

FIXTURE_TEARDOWN(get)
{
	close(self->a);
	close(self->b);
	close(self->fd);
}

TEST_F(get, allocates_once)
{
	long pfn = rm_get(self->a, self->id, 8);

	ASSERT_LT(0, pfn);
	EXPECT_EQ(1, pages_of(self->fd));
	EXPECT_EQ(pfn, rm_get(self->a, self->id, 8))
		TH_LOG("the same page again");
	EXPECT_NE(pfn, rm_get(self->a, self->id, 9));
	EXPECT_EQ(2, pages_of(self->fd));
	EXPECT_EQ(2, rm_counters(self->a).populates)
		TH_LOG("populate is called once for each page");
	EXPECT_STORY("a:populate@8 a:populate@9", "and says which", self->a);
}

TEST_F(get, stays_inside_the_binding)
{
	EXPECT_REFUSED(rm_get(self->a, self->id, 7), "before it", EINVAL);
	EXPECT_REFUSED(rm_get(self->a, self->id, 24), "behind it", EINVAL);
	EXPECT_REFUSED(rm_get(self->a, self->id, 0), "in the file", EINVAL);
	EXPECT_REFUSED(rm_get(self->a, self->id, PAGES), "outside the file", EINVAL);
	EXPECT_REFUSED(rm_get(self->a, self->id, UINT64_MAX), "nowhere", EINVAL);
	EXPECT_REFUSED(rm_get(self->a, self->id, (1ULL << 52) + 8), "wraps around", EINVAL);
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_ALLOWED(rm_get(self->a, self->id, 23), "last page");
}

/* Pages whose numbers are the same in 32 bits are not the same. */
TEST_F(get, pages_have_numbers_of_64_bits)
{
	const uint64_t far = (1ULL << 32) + 5;
	int fd = new_sized_file((far + 1) * page_size()), id;

	ASSERT_LE(0, fd);
	id = rm_bind(self->b, fd, 0, far + 1, EXCL);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, rm_fill(self->b, id, 5, 6, 0x11));
	ASSERT_EQ(0, rm_fill(self->b, id, far, far + 1, 0x22));
	EXPECT_EQ(2, pages_of(fd));
	EXPECT_EQ(0x11, rm_look(self->b, id, 5));
	EXPECT_EQ((off_t)far * page_size(), lseek(fd, 6 * page_size(), SEEK_DATA));
	EXPECT_STORY("a:populate@5 a:populate@4294967301", "each by its own number", self->b);
	ASSERT_EQ(0, punch(fd, far, far + 1));
	EXPECT_EQ(1, pages_of(fd));
	EXPECT_EQ(0x11, rm_look(self->b, id, 5));
	EXPECT_STORY("a:prepare a:start a:span@4294967301 a:end", "by its own number",
		     self->b);
	ASSERT_EQ(0, reserve(fd, far, far + 1));
	ASSERT_EQ(0, punch(fd, 5, 6));
	EXPECT_EQ(1, pages_of(fd));
	EXPECT_EQ(0, rm_look(self->b, id, far));
	close(fd);
}

TEST_F(get, memory_is_zeroed)
{
	int other;

	/* Leave something in free pages for it to find. */
	other = new_sized_file(256 * page_size());
	ASSERT_LE(0, other);
	for (int i = 0; i < 4; i++) {
		int id = rm_bind(self->b, other, 0, 256, EXCL);

		ASSERT_EQ(0, rm_fill(self->b, id, 0, 256, 0xee));
		ASSERT_EQ(0, punch(other, 0, 256));
		ASSERT_EQ(0, rm_unbind(self->b, id));
	}
	close(other);

	BEHAVE(self->a, .flags = RMTEST_CHECK_ZERO);
	for (int i = 8; i < 24; i++) {
		EXPECT_EQ(0, rm_look(self->a, self->id, i))
			TH_LOG("page %d is zeroed", i);
	}
	EXPECT_EQ(16, rm_counters(self->a).populates);
	EXPECT_EQ(0, rm_counters(self->a).not_zero)
		TH_LOG("it is zeroed before it is announced");
}

TEST_F(get, is_not_zeroed_again)
{
	ASSERT_EQ(0, rm_fill(self->a, self->id, 8, 24, 0x77));
	ASSERT_EQ(0, reserve(self->fd, 0, PAGES));
	for (int i = 8; i < 24; i++)
		EXPECT_EQ(0x77, rm_look(self->a, self->id, i));
	EXPECT_EQ(16, rm_counters(self->a).populates);
}

TEST_F(get, order_of_a_small_page)
{
	EXPECT_EQ(0, rm_order(self->a, self->id, 8));
	EXPECT_EQ(0, rm_order(self->a, self->id, 23));
}

#define DROP_CACHES "/proc/sys/vm/drop_caches"

TEST_F(get, survives_drop_caches)
{
	long pfn = rm_get(self->a, self->id, 10), unwritten;
	int id;

	if (access(DROP_CACHES, W_OK))
		SKIP(return, "no " DROP_CACHES);
	ASSERT_EQ(0, rm_fill(self->a, self->id, 10, 11, 0x42));
	/* Present, but never written to. */
	unwritten = rm_get(self->a, self->id, 11);
	ASSERT_LT(0, unwritten);
	/* Only reserved. */
	ASSERT_EQ(0, reserve(self->fd, 12, 13));
	ASSERT_EQ(0, write_text(DROP_CACHES, "3"));

	/* Unlike st_blocks, this looks at the memory. */
	EXPECT_EQ(2 * page_size() / 1024, fdinfo_of(self->fd, "present:"))
		TH_LOG("nothing is dropped");
	EXPECT_EQ(page_size() / 1024, fdinfo_of(self->fd, "reserved:"))
		TH_LOG("nor what is only reserved");
	EXPECT_EQ(pfn, rm_get(self->a, self->id, 10));
	EXPECT_EQ(unwritten, rm_get(self->a, self->id, 11));
	EXPECT_EQ(0x42, rm_look(self->a, self->id, 10));
	EXPECT_EQ(2, rm_counters(self->a).populates);
	EXPECT_EQ(0, rm_counters(self->a).starts);

	/* Unbound, too. */
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	ASSERT_EQ(0, write_text(DROP_CACHES, "3"));
	id = rm_bind(self->a, self->fd, 8, 24, SHRD);
	EXPECT_EQ(0x42, rm_look(self->a, id, 10));
}

/* Contents that nobody has used yet. */
TEST_F(get, loaded_memory_survives_drop_caches)
{
	char page[page_size()];
	long pages;
	int id;

	if (access(DROP_CACHES, W_OK))
		SKIP(return, "no " DROP_CACHES);
	memset(page, 0x43, sizeof(page));
	ASSERT_EQ(0, load_pages(self->fd, 30, 31, page, &pages));
	ASSERT_EQ(0, write_text(DROP_CACHES, "3"));
	EXPECT_EQ(page_size() / 1024, fdinfo_of(self->fd, "present:"));
	id = rm_bind(self->b, self->fd, 30, 31, EXCL);
	ASSERT_LT(0, id);
	EXPECT_EQ(0x43, rm_look(self->b, id, 30));
}

TEST_F(get, collapsed_memory_survives_drop_caches)
{
	enum { LARGE = 512 };
	int fd = new_sized_file(LARGE * page_size()), id;
	char page[page_size()];
	long pages;

	if (access(DROP_CACHES, W_OK) || access(LARGE_POLICY, F_OK))
		SKIP(return, "no " DROP_CACHES ", or no large pages");
	memset(page, 0x44, sizeof(page));
	ASSERT_EQ(0, load_pages(fd, 7, 8, page, &pages));
	if (collapse(fd, 0, LARGE, &pages))
		SKIP(return, "no large folio to be had");
	ASSERT_EQ(0, write_text(DROP_CACHES, "3"));
	EXPECT_EQ(LARGE * page_size() / 1024, fdinfo_of(fd, "present:"));
	id = rm_bind(self->b, fd, 0, LARGE, EXCL);
	ASSERT_LT(0, id);
	EXPECT_EQ(0x44, rm_look(self->b, id, 7));
	EXPECT_EQ(0, rm_look(self->b, id, 8));
	EXPECT_EQ(0, rm_counters(self->b).populates)
		TH_LOG("it was there all the time");
	close(fd);
}

TEST_F(get, stays_where_it_is)
{
	const char *compact = "/proc/sys/vm/compact_memory";
	long pfns[16];

	if (access(compact, W_OK))
		SKIP(return, "there is no compaction");
	for (int i = 0; i < 16; i++)
		pfns[i] = rm_get(self->a, self->id, 8 + i);
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(0, write_text(compact, "1"));
	for (int i = 0; i < 16; i++) {
		EXPECT_EQ(pfns[i], rm_get(self->a, self->id, 8 + i))
			TH_LOG("nobody keeps a reference, but a device may have mapped it");
	}
	EXPECT_EQ(0, rm_counters(self->a).starts);
}

TEST_F(get, reserved_twice_is_announced_once)
{
	int id;

	ASSERT_EQ(0, reserve(self->fd, 32, 36));
	ASSERT_EQ(0, reserve(self->fd, 32, 36));
	EXPECT_EQ(4, pages_of(self->fd));
	id = rm_bind(self->b, self->fd, 32, 36, EXCL);
	ASSERT_LT(0, id);
	EXPECT_EQ(0, rm_look(self->b, id, 33));
	EXPECT_EQ(0, rm_look(self->b, id, 33));
	EXPECT_EQ(1, rm_counters(self->b).populates);
	EXPECT_EQ(4, pages_of(self->fd));
}

TEST_F(get, a_reservation_announces_nothing)
{
	ASSERT_EQ(0, reserve(self->fd, 0, PAGES));
	ASSERT_EQ(0, reserve(self->fd, 0, PAGES));
	EXPECT_EQ(0, rm_counters(self->a).populates);
	ASSERT_NE(-1, rm_get(self->a, self->id, 8));
	EXPECT_EQ(1, rm_counters(self->a).populates);
}

TEST_F(get, shared_consumers_share)
{
	int id = rm_bind(self->b, self->fd, 16, 32, SHRD);

	ASSERT_LT(0, id);
	ASSERT_EQ(0, rm_fill(self->a, self->id, 16, 17, 0x31));
	EXPECT_EQ(0x31, rm_look(self->b, id, 16))
		TH_LOG("the other sees what one wrote");
	EXPECT_EQ(rm_get(self->a, self->id, 16), rm_get(self->b, id, 16));
	ASSERT_NE(-1, rm_get(self->b, id, 30));
	EXPECT_STORY("a:populate@16 b:populate@16 b:populate@30",
		     "each binding that a page lies in hears of it once",
		     self->a, self->b);
}

TEST_F(get, two_bindings_of_one_consumer)
{
	int id = rm_bind(self->a, self->fd, 24, 32, SHRD);

	ASSERT_NE(-1, rm_get(self->a, self->id, 23));
	ASSERT_NE(-1, rm_get(self->a, id, 24));
	EXPECT_STORY("a:populate@23 a:populate@24", "no page of the neighbour",
		     self->a);
	EXPECT_REFUSED(rm_get(self->a, id, 23), "belongs to the neighbour", EINVAL);
}

TEST_F(get, two_first_touches_at_once)
{
	struct rm_call calls[2];

	BEHAVE(self->a, .populate_delay_ms = 20000);
	for (int i = 0; i < 2; i++) {
		calls[i] = (struct rm_call){
			.what = CALL_GET, .consumer = self->a,
			.id = self->id, .start = 9,
		};
		ASSERT_EQ(0, rm_call_start(&calls[i]));
	}
	ASSERT_TRUE(rm_wait_for(self->a, populates, 1));
	rm_sleep_ms(200);
	EXPECT_FALSE(calls[0].done || calls[1].done)
		TH_LOG("nobody gets memory before it was announced");
	EXPECT_EQ(0, rm_continue(self->a));
	EXPECT_LT(0, rm_call_end(&calls[0]));
	EXPECT_EQ(calls[0].ret, rm_call_end(&calls[1]))
		TH_LOG("both get the same page");
	EXPECT_EQ(1, rm_counters(self->a).populates);
}

/* Who touches a page at the same time as the main thread. */
struct racer {
	pthread_barrier_t barrier;
	int consumer, id;
	uint64_t rounds, failed;
};

/* The 16 pages of the binding, one after the other, and again. */
static uint64_t page_of_round(uint64_t round)
{
	return 8 + round % 16;
}

static void *touch_each(void *arg)
{
	struct racer *racer = arg;

	for (uint64_t i = 0; i < racer->rounds; i++) {
		pthread_barrier_wait(&racer->barrier);
		racer->failed += rm_get(racer->consumer, racer->id, page_of_round(i)) < 0;
		pthread_barrier_wait(&racer->barrier);
	}
	return NULL;
}

TEST_F_TIMEOUT(get, zeroes_nothing_that_somebody_has, 120)
{
	struct racer racer = { .consumer = self->b, .rounds = 320 };
	pthread_t thread;
	int wrong = 0;

	racer.id = rm_bind(self->b, self->fd, 8, 24, SHRD);
	ASSERT_LT(0, racer.id);
	/* Long enough for the other one to come and wait, whoever is the first. */
	BEHAVE(self->a, .populate_delay_ms = 1);
	ASSERT_EQ(0, pthread_barrier_init(&racer.barrier, NULL, 2));
	ASSERT_EQ(0, pthread_create(&thread, NULL, touch_each, &racer));
	for (uint64_t i = 0; i < racer.rounds; i++) {
		uint64_t page = page_of_round(i);

		if (page == 8)
			ASSERT_EQ(0, punch(self->fd, 0, PAGES));
		pthread_barrier_wait(&racer.barrier);
		EXPECT_EQ(0, rm_fill(self->a, self->id, page, page + 1, 0x77));
		pthread_barrier_wait(&racer.barrier);
		wrong += rm_look(self->b, racer.id, page) != 0x77;
	}
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, racer.failed);
	EXPECT_EQ(0, wrong)
		TH_LOG("what one has written is not zeroed for the other");
	EXPECT_EQ(racer.rounds, rm_counters(self->a).populates);
	EXPECT_EQ(racer.rounds, rm_counters(self->b).populates);
}

TEST_F(get, waits_for_an_invalidation)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .start = 8, .end = 12 };
	struct rm_call get = { .what = CALL_GET, .start = 8 };
	struct rm_call again = { .what = CALL_GET, .start = 8 };

	ASSERT_EQ(0, rm_fill(self->a, self->id, 8, 12, 0x13));
	BEHAVE(self->a, .start_delay_ms = 20000);
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait_for(self->a, starts, 1));
	/* The memory is still there, but it is about to go. */
	get.consumer = self->a;
	get.id = self->id;
	again.consumer = self->a;
	again.id = self->id;
	ASSERT_EQ(0, rm_call_start(&get));
	ASSERT_EQ(0, rm_call_start(&again));
	rm_sleep_ms(200);
	EXPECT_FALSE(get.done)
		TH_LOG("no get between start and end");
	pthread_kill(again.thread, SIGUSR1);
	EXPECT_EQ(-1, rm_call_end(&again));
	EXPECT_EQ(EINTR, again.error)
		TH_LOG("a get that waits is interrupted");

	EXPECT_EQ(0, rm_continue(self->a));
	EXPECT_EQ(0, rm_call_end(&hole));
	EXPECT_LT(0, rm_call_end(&get));
	EXPECT_EQ(0, rm_look(self->a, self->id, 8))
		TH_LOG("what was got is new memory");
}

TEST_F(get, a_populate_that_fails)
{
	BEHAVE(self->a, .populate_errno = EDOM);
	EXPECT_REFUSED(rm_get(self->a, self->id, 8),
		       "the error of populate is that of get", EDOM);
	EXPECT_EQ(0, pages_of(self->fd))
		TH_LOG("the memory is gone again");
	EXPECT_EQ(1, rm_counters(self->a).populates);
	EXPECT_EQ(0, rm_counters(self->a).starts)
		TH_LOG("who refused is not told that it goes");

	BEHAVE(self->a, .flags = RMTEST_CHECK_ZERO);
	EXPECT_EQ(0, rm_look(self->a, self->id, 8));
	EXPECT_EQ(2, rm_counters(self->a).populates);
}

TEST_F(get, range_visits_everything_in_order)
{
	struct rmtest_run runs[16];
	struct rmtest_get_range range = {
		.start = 8, .end = 24, .id = self->id,
		.addr = (uintptr_t)runs, .capacity = 16,
	};
	uint64_t at = 8;

	ASSERT_NE(-1, rm_get(self->a, self->id, 12));
	ASSERT_EQ(0, ioctl(self->a, RMTEST_GET_RANGE, &range));
	EXPECT_EQ(0, range.error);
	EXPECT_EQ(16, range.pages);
	for (uint64_t i = 0; i < range.runs; i++) {
		EXPECT_EQ(at, runs[i].start);
		for (at = runs[i].start; at < runs[i].end; at++)
			EXPECT_EQ(runs[i].pfn + at - runs[i].start,
				  rm_get(self->a, self->id, at));
	}
	EXPECT_EQ(24, at);
	EXPECT_EQ(16, rm_counters(self->a).populates)
		TH_LOG("once for each page, also the one that was there");

	/* Again: nothing new. */
	EXPECT_LT(0, rm_get_range(self->a, self->id, 8, 24));
	EXPECT_EQ(16, rm_counters(self->a).populates);
}

TEST_F(get, range_stops_where_told)
{
	struct rmtest_get_range range = {
		.start = 10, .end = 20, .stop_after = 3, .id = self->id,
	};

	ASSERT_EQ(0, ioctl(self->a, RMTEST_GET_RANGE, &range));
	EXPECT_EQ(0, range.error);
	EXPECT_EQ(3, range.runs);
	EXPECT_LE(3, range.pages);
	EXPECT_EQ(range.pages, pages_of(self->fd))
		TH_LOG("nothing beyond is allocated");
}

TEST_F(get, range_stays_inside_the_binding)
{
	EXPECT_REFUSED(rm_get_range(self->a, self->id, 7, 9), "before it", EINVAL);
	EXPECT_REFUSED(rm_get_range(self->a, self->id, 23, 25), "behind it", EINVAL);
	EXPECT_REFUSED(rm_get_range(self->a, self->id, 0, UINT64_MAX), "all", EINVAL);
	EXPECT_REFUSED(rm_get_range(self->a, self->id, 12, 10), "reversed", EINVAL);
	EXPECT_EQ(0, pages_of(self->fd))
		TH_LOG("what is refused allocates nothing");
}

TEST_F(get, range_keeps_what_came_before_an_error)
{
	BEHAVE(self->a, .populate_errno = EDOM, .populate_nth = 5);
	EXPECT_REFUSED(rm_get_range(self->a, self->id, 8, 24),
		       "the fifth populate fails", EDOM);
	EXPECT_EQ(4, pages_of(self->fd));
	EXPECT_LT(0, rm_get_range(self->a, self->id, 8, 24));
	EXPECT_EQ(5 + 12, rm_counters(self->a).populates);
}

TEST_F(get, sequence)
{
	uint64_t seq = rm_seq_begin(self->a, self->id);

	EXPECT_EQ(0, rm_seq_retry(self->a, self->id, seq));
	ASSERT_NE(-1, rm_get(self->a, self->id, 8));
	EXPECT_EQ(0, rm_seq_retry(self->a, self->id, seq))
		TH_LOG("a get is no invalidation");
	ASSERT_EQ(0, punch(self->fd, 0, 8));
	ASSERT_EQ(0, punch(self->fd, 24, 32));
	EXPECT_EQ(0, rm_seq_retry(self->a, self->id, seq))
		TH_LOG("nor is a hole beside the binding");
	ASSERT_EQ(0, punch(self->fd, 23, 24));
	EXPECT_EQ(1, rm_seq_retry(self->a, self->id, seq))
		TH_LOG("a hole in the binding is one");
	EXPECT_EQ(0, rm_seq_retry(self->a, self->id,
				  rm_seq_begin(self->a, self->id)));
}

TEST_F(get, sequence_while_an_invalidation_is_in_progress)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .start = 8, .end = 12 };
	uint64_t seq;

	BEHAVE(self->a, .start_delay_ms = 20000);
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait_for(self->a, starts, 1));
	seq = rm_seq_begin(self->a, self->id);
	EXPECT_EQ(1, rm_seq_retry(self->a, self->id, seq))
		TH_LOG("sampled between start and end: do not use it");
	EXPECT_EQ(0, rm_continue(self->a));
	EXPECT_EQ(0, rm_call_end(&hole));
	EXPECT_EQ(1, rm_seq_retry(self->a, self->id, seq))
		TH_LOG("and not afterwards");
}

TEST_F(get, mapping_ends_with_the_memory)
{
	struct rmtest_get get;

	for (int i = 8; i < 24; i++)
		ASSERT_EQ(0, rm_get_flags(self->a, self->id, i, RMTEST_GET_MAP, &get));
	EXPECT_EQ(16, rm_counters(self->a).mapped);
	ASSERT_EQ(0, punch(self->fd, 0, 12));
	EXPECT_EQ(12, rm_counters(self->a).mapped);
	EXPECT_EQ(4, rm_counters(self->a).unmapped);
	EXPECT_EQ(0, rm_counters(self->a).broken);
}

TEST_F(get, of_what_is_not_there)
{
	EXPECT_REFUSED(rm_get(self->a, 77, 8), "no such binding", ENOENT);
	EXPECT_REFUSED(rm_get(self->b, self->id, 8), "somebody else's", ENOENT);
}

TEST_HARNESS_MAIN
