// SPDX-License-Identifier: GPL-2.0
/*
 * Taking memory away from those who use it: who is asked, who is told, in which
 * order, and what is left when somebody refuses.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <sys/wait.h>

#include "restrictedmem.h"
#include "test_consumer.h"

#define PAGES 64
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

FIXTURE(invalidate) {
	int fd, a, b, c;
};

FIXTURE_SETUP(invalidate)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->b = new_consumer();
	ASSERT_LE(0, self->b);
	self->c = new_consumer();
	ASSERT_LE(0, self->c);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(invalidate)
{
	close(self->a);
	close(self->b);
	close(self->c);
	close(self->fd);
}

TEST_F(invalidate, takes_the_memory)
{
	int id = rm_bind(self->a, self->fd, 0, 16, EXCL);

	ASSERT_EQ(0, rm_fill(self->a, id, 0, 16, 0xaa));
	ASSERT_EQ(0, punch(self->fd, 4, 8));
	EXPECT_EQ(12, pages_of(self->fd));
	for (int i = 0; i < 16; i++)
		EXPECT_EQ(i >= 4 && i < 8 ? 0 : 0xaa, rm_look(self->a, id, i));
	EXPECT_EQ(16 + 4, rm_counters(self->a).populates)
		TH_LOG("memory that comes back is announced again");
}

TEST_F(invalidate, memory_goes_between_start_and_end)
{
	struct rmtest_event events[8];
	int id = rm_bind(self->a, self->fd, 0, 16, EXCL);

	ASSERT_LT(0, rm_get_range(self->a, id, 2, 12));
	ASSERT_EQ(0, rm_reset(self->a));
	ASSERT_EQ(0, punch(self->fd, 0, 8));
	ASSERT_EQ(4, rm_events(self->a, events, 8));
	EXPECT_EQ(RMTEST_PREPARE, events[0].type);
	EXPECT_EQ(6, events[0].value);
	EXPECT_EQ(RMTEST_START, events[1].type);
	EXPECT_EQ(6, events[1].value)
		TH_LOG("it is all there in start");
	EXPECT_EQ(RMTEST_SPAN, events[2].type);
	EXPECT_EQ(RMTEST_END, events[3].type);
	EXPECT_EQ(0, events[3].value)
		TH_LOG("and gone in end");
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(0, events[i].start);
		EXPECT_EQ(8, events[i].end);
	}
}

TEST_F(invalidate, reserved_memory_is_not_present)
{
	struct rmtest_event events[8];
	int id = rm_bind(self->a, self->fd, 0, 16, EXCL);

	ASSERT_EQ(0, reserve(self->fd, 0, 8));
	ASSERT_NE(-1, rm_get(self->a, id, 3));
	ASSERT_EQ(0, rm_reset(self->a));
	ASSERT_EQ(0, punch(self->fd, 0, 16));
	ASSERT_EQ(4, rm_events(self->a, events, 8));
	EXPECT_EQ(RMTEST_START, events[1].type);
	EXPECT_EQ(1, events[1].value);
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(invalidate, the_sequence_says_so)
{
	int id = rm_bind(self->a, self->fd, 0, 16, SHRD);

	ASSERT_LT(0, rm_bind(self->b, self->fd, 4, 8, SHRD));
	ASSERT_LT(0, rm_get_range(self->a, id, 0, 8));
	ASSERT_EQ(0, punch(self->fd, 0, 6));
	BEHAVE(self->b, .populate_errno = EDOM);
	EXPECT_REFUSED(rm_get(self->a, id, 4), "populate fails", EDOM);
	EXPECT_EQ(2, rm_counters(self->a).ends);
	EXPECT_EQ(0, rm_counters(self->a).broken)
		TH_LOG("from before start until after end");
	EXPECT_EQ(0, rm_counters(self->b).broken);
}

TEST_F(invalidate, spans_are_clipped_to_both)
{
	struct rmtest_event events[16];
	int n, spans = 0;

	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, 8, EXCL));
	ASSERT_LT(0, rm_bind(self->a, self->fd, 8, 12, EXCL));
	ASSERT_LT(0, rm_bind(self->a, self->fd, 20, 40, EXCL));
	ASSERT_EQ(0, punch(self->fd, 6, 24));
	n = rm_events(self->a, events, 16);
	for (int i = 0; i < n; i++) {
		static const int want[3][3] = { { 6, 8, 0 }, { 8, 12, 8 }, { 20, 24, 20 } };

		if (events[i].type != RMTEST_SPAN || spans == 3)
			continue;
		EXPECT_EQ(want[spans][0], events[i].start);
		EXPECT_EQ(want[spans][1], events[i].end);
		EXPECT_EQ(want[spans][2], events[i].cookie);
		spans++;
	}
	EXPECT_EQ(3, spans);
}

TEST_F(invalidate, one_call_for_each_consumer)
{
	struct rmtest_counters a, b;
	int fd;

	/* 200 bindings of one, and one of another in between. */
	fd = new_sized_file(1024 * page_size());
	ASSERT_LE(0, fd);
	for (int i = 0; i < 200; i++)
		ASSERT_LT(0, rm_bind(self->a, fd, 4 * i, 4 * i + 3, EXCL));
	ASSERT_LT(0, rm_bind(self->b, fd, 403, 404, EXCL));
	ASSERT_LT(0, rm_bind(self->c, fd, 900, 1000, EXCL));
	ASSERT_EQ(0, punch(fd, 0, 800));

	a = rm_counters(self->a);
	b = rm_counters(self->b);
	EXPECT_EQ(1, a.prepares);
	EXPECT_EQ(1, a.starts);
	EXPECT_EQ(1, a.ends);
	EXPECT_EQ(200, a.spans);
	EXPECT_EQ(1, b.prepares);
	EXPECT_EQ(1, b.starts);
	EXPECT_EQ(1, b.ends);
	EXPECT_EQ(1, b.spans);
	EXPECT_STORY("", "who has nothing in the range hears nothing", self->c);
	close(fd);
}

/* What one consumer was told of a hole: just about one span, or nothing at all. */
static bool told_of(int consumer, uint64_t start, uint64_t end)
{
	static const unsigned int types[] = {
		RMTEST_PREPARE, RMTEST_START, RMTEST_SPAN, RMTEST_END,
	};
	struct rmtest_event events[8];
	int n = rm_events(consumer, events, 8);

	if (start >= end)
		return !n;
	if (n != 4 || events[2].start != start || events[2].end != end)
		return false;
	for (int i = 0; i < 4; i++)
		if (events[i].type != types[i])
			return false;
	return true;
}

#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))

/*
 * Holes that begin and end before, at, in and behind a binding. Ends are exclusive
 * for everybody; what is before the binding makes no negative numbers, and what is
 * behind it, up to the end of all numbers, is not the consumer's.
 */
TEST_F(invalidate, every_overlap_is_told_as_it_is)
{
	const off_t last = LLONG_MAX & -page_size();
	int start, end;

	ASSERT_LT(0, rm_bind(self->a, self->fd, 5, 9, EXCL));
	ASSERT_LT(0, rm_bind(self->b, self->fd, 10, 11, EXCL));
	for (start = 0; start < 13; start++) {
		for (end = start + 1; end < 14; end++) {
			ASSERT_EQ(0, punch(self->fd, start, end));
			EXPECT_TRUE(told_of(self->a, MAX(start, 5), MIN(end, 9)))
				TH_LOG("a hole from %d to %d", start, end);
			EXPECT_TRUE(told_of(self->b, MAX(start, 10), MIN(end, 11)))
				TH_LOG("a hole from %d to %d", start, end);
		}
		ASSERT_EQ(0, fallocate(self->fd, PUNCH, start * page_size(),
				       last - start * page_size()));
		EXPECT_TRUE(told_of(self->a, MAX(start, 5), 9))
			TH_LOG("a hole from %d to the end", start);
		EXPECT_TRUE(told_of(self->b, MAX(start, 10), 11))
			TH_LOG("a hole from %d to the end", start);
	}
}

#define ASKED "b:prepare c:prepare a:prepare"
#define TOLD "b:start b:span@2 c:start c:span@4 a:start a:span@8 a:span@30"
#define ENDED "a:end c:end b:end"

TEST_F(invalidate, order_of_consumers)
{
	ASSERT_LT(0, rm_bind(self->a, self->fd, 8, 16, SHRD));
	ASSERT_LT(0, rm_bind(self->b, self->fd, 2, 6, SHRD));
	ASSERT_LT(0, rm_bind(self->c, self->fd, 4, 20, SHRD));
	ASSERT_LT(0, rm_bind(self->a, self->fd, 30, 31, SHRD));
	ASSERT_EQ(0, punch(self->fd, 0, PAGES));
	EXPECT_STORY(ASKED " " TOLD " " ENDED,
		     "asked and told by first binding, ended in reverse",
		     self->a, self->b, self->c);
}

TEST_F(invalidate, a_refusal_changes_nothing)
{
	int a = rm_bind(self->a, self->fd, 0, 8, EXCL);
	int b = rm_bind(self->b, self->fd, 8, 16, EXCL);
	int c = rm_bind(self->c, self->fd, 16, 24, EXCL);
	uint64_t seq = rm_seq_begin(self->a, a);
	long pfn;

	ASSERT_EQ(0, rm_fill(self->a, a, 0, 8, 1));
	ASSERT_EQ(0, rm_fill(self->b, b, 8, 16, 2));
	ASSERT_EQ(0, rm_fill(self->c, c, 16, 24, 3));
	ASSERT_EQ(0, reserve(self->fd, 24, 32));
	pfn = rm_get(self->a, a, 0);

	BEHAVE(self->c, .prepare_errno = EBUSY);
	EXPECT_EQ(0, rm_reset(self->a) | rm_reset(self->b));
	rm_story(self->c, -1);
	EXPECT_REFUSED(punch(self->fd, 0, PAGES), "the last refuses", EBUSY);
	EXPECT_STORY("a:prepare b:prepare c:prepare b:abort a:abort",
		     "who agreed before hears of it, in reverse",
		     self->a, self->b, self->c);

	BEHAVE(self->c, .prepare_errno = 0);
	BEHAVE(self->b, .prepare_errno = EDOM);
	EXPECT_REFUSED(punch(self->fd, 0, PAGES), "any error will do", EDOM);
	EXPECT_STORY("a:prepare b:prepare a:abort", "the middle one refuses",
		     self->a, self->b, self->c);

	BEHAVE(self->a, .prepare_errno = EPERM);
	EXPECT_REFUSED(punch(self->fd, 0, PAGES), "the first refuses", EPERM);
	EXPECT_STORY("a:prepare", "nobody else is asked",
		     self->a, self->b, self->c);

	EXPECT_EQ(32, pages_of(self->fd))
		TH_LOG("the file is unchanged");
	EXPECT_EQ(pfn, rm_get(self->a, a, 0));
	EXPECT_EQ(1, rm_look(self->a, a, 7));
	EXPECT_EQ(2, rm_look(self->b, b, 8));
	EXPECT_EQ(3, rm_look(self->c, c, 23));
	EXPECT_EQ(0, rm_seq_retry(self->a, a, seq))
		TH_LOG("nothing was invalidated");

	BEHAVE(self->a, .prepare_errno = 0);
	BEHAVE(self->b, .prepare_errno = 0);
	EXPECT_ALLOWED(punch(self->fd, 0, PAGES), "nobody refuses any more");
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(invalidate, neighbours_hear_nothing)
{
	int id = rm_bind(self->a, self->fd, 8, 16, EXCL);

	ASSERT_LT(0, rm_get_range(self->a, id, 8, 16));
	ASSERT_EQ(0, reserve(self->fd, 0, PAGES));
	ASSERT_EQ(0, rm_reset(self->a));
	ASSERT_EQ(0, punch(self->fd, 7, 8));
	ASSERT_EQ(0, punch(self->fd, 16, 17));
	ASSERT_EQ(0, punch(self->fd, 0, 8));
	ASSERT_EQ(0, punch(self->fd, 16, PAGES));
	EXPECT_STORY("", "holes beside a binding", self->a);
	EXPECT_EQ(8, pages_of(self->fd));

	ASSERT_EQ(0, punch(self->fd, 8, 9));
	EXPECT_STORY("a:prepare a:start a:span@8 a:end", "its first page", self->a);
	ASSERT_EQ(0, punch(self->fd, 15, 16));
	EXPECT_STORY("a:prepare a:start a:span@15 a:end", "its last page", self->a);
	EXPECT_EQ(6, pages_of(self->fd));
}

TEST_F(invalidate, allocates_nothing)
{
	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, PAGES, EXCL));
	ASSERT_EQ(0, punch(self->fd, 0, PAGES));
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_EQ(0, rm_counters(self->a).walked);
	EXPECT_EQ(rm_counters(self->a).starts, rm_counters(self->a).ends);
}

TEST_F(invalidate, a_hole_that_is_refused_early_asks_nobody)
{
	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, PAGES, EXCL));
	EXPECT_REFUSED(fallocate(self->fd, PUNCH, 1, page_size()), "unaligned", EINVAL);
	EXPECT_REFUSED(fallocate(self->fd, PUNCH, 0, 1), "unaligned", EINVAL);
	EXPECT_REFUSED(fallocate(self->fd, FALLOC_FL_ZERO_RANGE, 0, page_size()),
		       "not a mode of ours", EOPNOTSUPP);
	EXPECT_STORY("", "nobody is asked", self->a);
}

TEST_F(invalidate, is_clipped_to_the_size)
{
	struct rmtest_event events[8];
	int id = rm_bind(self->a, self->fd, PAGES - 4, PAGES, EXCL);

	ASSERT_NE(-1, rm_get(self->a, id, PAGES - 1));
	ASSERT_EQ(0, rm_reset(self->a));
	ASSERT_EQ(0, punch(self->fd, PAGES - 2, PAGES + 100));
	EXPECT_EQ(0, pages_of(self->fd));
	ASSERT_EQ(4, rm_events(self->a, events, 8));
	EXPECT_EQ(RMTEST_SPAN, events[2].type);
	EXPECT_EQ(PAGES - 2, events[2].start);
	EXPECT_EQ(PAGES, events[2].end);
}

TEST_F(invalidate, waits_for_prepare)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .end = 8 };
	int id = rm_bind(self->a, self->fd, 0, 8, EXCL);
	int other, b;

	other = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, other);
	ASSERT_EQ(0, rm_fill(self->a, id, 0, 8, 7));
	BEHAVE(self->a, .prepare_delay_ms = 20000);
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait_for(self->a, prepares, 1));
	EXPECT_EQ(8, pages_of(self->fd))
		TH_LOG("nothing goes before all agreed");
	EXPECT_EQ(7, rm_look(self->a, id, 3))
		TH_LOG("and all of it may be used");

	b = rm_bind(self->b, other, 0, 8, EXCL);
	EXPECT_NE(-1, rm_get(self->b, b, 0))
		TH_LOG("another file has nothing to do with it");
	EXPECT_EQ(0, punch(other, 0, 8));

	EXPECT_FALSE(hole.done);
	EXPECT_EQ(0, rm_continue(self->a));
	EXPECT_EQ(0, rm_call_end(&hole));
	EXPECT_EQ(0, pages_of(self->fd));
	close(other);
}

TEST_F(invalidate, prepare_may_give_up_on_a_signal)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .end = 16 };
	int a = rm_bind(self->a, self->fd, 0, 8, EXCL);

	ASSERT_LT(0, rm_bind(self->b, self->fd, 8, 16, EXCL));
	ASSERT_EQ(0, rm_fill(self->a, a, 0, 8, 7));
	BEHAVE(self->b, .prepare_delay_ms = 20000, .flags = RMTEST_DELAY_INTERRUPTIBLE);
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait_for(self->b, prepares, 1));
	pthread_kill(hole.thread, SIGUSR1);
	EXPECT_EQ(-1, rm_call_end(&hole));
	EXPECT_EQ(EINTR, hole.error);
	EXPECT_EQ(1, rm_counters(self->a).aborts);
	EXPECT_EQ(0, rm_counters(self->a).starts);
	EXPECT_EQ(7, rm_look(self->a, a, 7));
}

TEST_F(invalidate, killed_while_it_waits)
{
	int a = rm_bind(self->a, self->fd, 0, 8, EXCL), status;
	pid_t child;

	ASSERT_EQ(0, rm_fill(self->a, a, 0, 8, 7));
	BEHAVE(self->a, .prepare_delay_ms = 20000, .flags = RMTEST_DELAY_INTERRUPTIBLE);
	child = fork();
	if (!child) {
		punch(self->fd, 0, 8);
		_exit(0);
	}
	ASSERT_TRUE(rm_wait_for(self->a, prepares, 1));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(7, rm_look(self->a, a, 7));

	BEHAVE(self->a, .prepare_errno = 0);
	EXPECT_ALLOWED(punch(self->fd, 0, 8), "the next one");
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(invalidate, two_at_once)
{
	struct rm_call holes[2];
	int id = rm_bind(self->a, self->fd, 0, PAGES, EXCL);

	ASSERT_LT(0, rm_get_range(self->a, id, 0, PAGES));
	BEHAVE(self->a, .start_delay_ms = 100);
	for (int i = 0; i < 2; i++) {
		holes[i] = (struct rm_call){
			.what = CALL_PUNCH, .fd = self->fd,
			.start = 8 * i, .end = 8 * i + 16,
		};
		ASSERT_EQ(0, rm_call_start(&holes[i]));
	}
	EXPECT_EQ(0, rm_call_end(&holes[0]));
	EXPECT_EQ(0, rm_call_end(&holes[1]));
	EXPECT_EQ(PAGES - 24, pages_of(self->fd));
	EXPECT_EQ(2, rm_counters(self->a).starts);
	EXPECT_EQ(2, rm_counters(self->a).ends);
	EXPECT_EQ(0, rm_counters(self->a).active);
}

TEST_F(invalidate, a_reference_keeps_the_bytes_not_the_page)
{
	int id = rm_bind(self->a, self->fd, 0, 8, EXCL);
	long pfn;

	ASSERT_EQ(0, rm_fill(self->a, id, 0, 8, 0x55));
	pfn = rm_keep(self->a, id, 3);
	ASSERT_LT(0, pfn);
	ASSERT_EQ(0, punch(self->fd, 0, 8));
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_EQ(0, rm_look(self->a, id, 3))
		TH_LOG("the file has a new page");
	EXPECT_NE(pfn, rm_get(self->a, id, 3));
	EXPECT_EQ(0x55, rm_look_flags(self->a, id, 3, RMTEST_IO_KEPT))
		TH_LOG("the reference has the old one");
	EXPECT_EQ(1, rm_put_all(self->a));
}

/*
 * Populate that fails. The page lies in a binding of A, which begins first and is
 * told first, and in one of B.
 */

TEST_F(invalidate, populate_fails_at_the_second)
{
	int a = rm_bind(self->a, self->fd, 0, 8, SHRD);
	int b = rm_bind(self->b, self->fd, 4, 12, SHRD);

	BEHAVE(self->b, .populate_errno = EDOM);
	EXPECT_REFUSED(rm_get(self->a, a, 4), "the error reaches whoever asked", EDOM);
	EXPECT_STORY("a:populate@4 b:populate@4 a:start a:span@4 a:end",
		     "who was told already hears that it goes",
		     self->a, self->b);
	EXPECT_EQ(0, pages_of(self->fd))
		TH_LOG("this call allocated it, so it is gone again");

	BEHAVE(self->b, .populate_errno = 0);
	EXPECT_EQ(0, rm_look(self->b, b, 4));
	EXPECT_STORY("a:populate@4 b:populate@4", "once more, and it works",
		     self->a, self->b);
}

TEST_F(invalidate, populate_fails_at_the_first)
{
	int b = rm_bind(self->b, self->fd, 4, 12, SHRD);

	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, 8, SHRD));
	BEHAVE(self->a, .populate_errno = ENOMEM);
	EXPECT_REFUSED(rm_get(self->b, b, 4), "not one's own refusal", ENOMEM);
	EXPECT_STORY("a:populate@4", "nobody else was told", self->a, self->b);
	EXPECT_NE(-1, rm_get(self->b, b, 8))
		TH_LOG("a page that the other does not hold");
}

TEST_F(invalidate, populate_fails_on_reserved_memory)
{
	int a = rm_bind(self->a, self->fd, 0, 8, SHRD);

	ASSERT_LT(0, rm_bind(self->b, self->fd, 4, 12, SHRD));
	ASSERT_EQ(0, reserve(self->fd, 4, 8));
	BEHAVE(self->b, .populate_errno = EDOM);
	EXPECT_REFUSED(rm_get(self->a, a, 4), "populate fails", EDOM);
	EXPECT_EQ(4, pages_of(self->fd))
		TH_LOG("what somebody reserved stays reserved");
	rm_story(self->a, self->b, -1);

	BEHAVE(self->b, .populate_errno = 0);
	EXPECT_EQ(0, rm_look(self->a, a, 4));
	EXPECT_STORY("a:populate@4 b:populate@4", "and not present until now",
		     self->a, self->b);
	EXPECT_EQ(4, pages_of(self->fd));
}

TEST_F(invalidate, populate_that_fails_moves_the_sequence)
{
	int a = rm_bind(self->a, self->fd, 0, 8, SHRD);
	uint64_t seq = rm_seq_begin(self->a, a);

	ASSERT_LT(0, rm_bind(self->b, self->fd, 4, 12, SHRD));
	BEHAVE(self->b, .populate_errno = EDOM);
	EXPECT_REFUSED(rm_get(self->a, a, 4), "populate fails", EDOM);
	EXPECT_EQ(1, rm_seq_retry(self->a, a, seq))
		TH_LOG("A had a start and an end");
}

TEST_F(invalidate, pairs_match_whatever_fails)
{
	struct rmtest_counters a;
	int id = rm_bind(self->a, self->fd, 0, 32, SHRD);
	int successes = 0;

	ASSERT_LT(0, rm_bind(self->b, self->fd, 16, 48, SHRD));
	BEHAVE(self->b, .prepare_errno = EBUSY, .prepare_every = 3,
	       .populate_errno = EDOM, .populate_nth = 2);
	for (int i = 0; i < 30; i++) {
		rm_get_range(self->a, id, 0, 32);
		successes += !punch(self->fd, 0, PAGES);
	}
	a = rm_counters(self->a);
	EXPECT_EQ(20, successes);
	EXPECT_EQ(30, a.prepares);
	EXPECT_EQ(10, a.aborts);
	EXPECT_EQ(a.starts, a.ends);
	EXPECT_EQ(20 + 1, a.starts)
		TH_LOG("one for each hole, and one for the populate that failed");
	EXPECT_EQ(0, a.active);
	EXPECT_EQ(0, a.broken);
}

TEST_HARNESS_MAIN
