// SPDX-License-Identifier: GPL-2.0
/*
 * RMFD_COLLAPSE: memory in small pages becomes large, its contents stay, and those
 * who use it are asked and told.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "collapse.h"
#include "test_consumer.h"

#define INJECT "/sys/kernel/debug/hwpoison/corrupt-pfn"
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

#define ORDER 9
#define LARGE 512
#define PAGES (3 * LARGE + 7)

/* A byte that tells pages apart. */
static unsigned char byte_of(int page)
{
	return 1 + page % 251;
}

FIXTURE(collapse) {
	int fd, a, b, id;
	long large;
};

FIXTURE_SETUP(collapse)
{
	if (access(LARGE_POLICY, F_OK))
		SKIP(return, "this kernel has no large pages");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->b = new_consumer();
	ASSERT_LE(0, self->b);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->id = rm_bind(self->a, self->fd, 0, PAGES, SHRD);
	ASSERT_LT(0, self->id);
	for (int i = LARGE; i < 2 * LARGE; i++)
		ASSERT_EQ(0, rm_fill(self->a, self->id, i, i + 1, byte_of(i)));
	ASSERT_EQ(0, rm_order(self->a, self->id, LARGE));
	ASSERT_EQ(0, rm_reset(self->a));
}

FIXTURE_TEARDOWN(collapse)
{
	close(self->a);
	close(self->b);
	close(self->fd);
}

/* How many pages of the second block do not hold what they should. */
static int count_wrong(int consumer, int id)
{
	int wrong = 0;

	for (int i = LARGE; i < 2 * LARGE; i++)
		wrong += rm_look(consumer, id, i) != byte_of(i);
	return wrong;
}

TEST_F(collapse, keeps_contents)
{
	uint64_t seq = rm_seq_begin(self->a, self->id);

	ASSERT_EQ(0, collapse(self->fd, 0, PAGES, &self->large));
	EXPECT_EQ(LARGE, self->large)
		TH_LOG("where nothing is, nothing becomes large");
	EXPECT_EQ(LARGE, pages_of(self->fd));
	EXPECT_EQ(1, rm_seq_retry(self->a, self->id, seq))
		TH_LOG("what was mapped is stale");
	EXPECT_STORY("a:prepare a:start a:span@512 a:end a:populate@512",
		     "it goes, and comes", self->a);
	EXPECT_EQ(ORDER, rm_order(self->a, self->id, LARGE + 77));
	EXPECT_EQ(0, rm_get(self->a, self->id, LARGE) % LARGE);
	EXPECT_EQ(0, count_wrong(self->a, self->id));
	EXPECT_EQ(0, rm_counters(self->a).broken);
	EXPECT_EQ(1, rm_counters(self->a).populates);
}

TEST_F(collapse, has_nothing_to_do_the_second_time)
{
	ASSERT_EQ(0, collapse(self->fd, 0, PAGES, &self->large));
	ASSERT_EQ(0, rm_reset(self->a));
	ASSERT_EQ(0, collapse(self->fd, 0, PAGES, &self->large));
	EXPECT_EQ(LARGE, self->large);
	EXPECT_STORY("", "nobody is disturbed", self->a);
}

TEST_F(collapse, brings_zeroes_where_nothing_was)
{
	ASSERT_EQ(0, rm_fill(self->a, self->id, 7, 8, 0x7e));
	ASSERT_EQ(0, reserve(self->fd, 100, 200));
	EXPECT_EQ(LARGE + 101, pages_of(self->fd));
	ASSERT_EQ(0, rm_reset(self->a));
	BEHAVE(self->a, .flags = RMTEST_CHECK_ZERO);

	ASSERT_EQ(0, collapse(self->fd, 0, LARGE, &self->large));
	EXPECT_EQ(LARGE, self->large);
	EXPECT_EQ(2 * LARGE, pages_of(self->fd));
	EXPECT_EQ(100 + 1, rm_counters(self->a).populates)
		TH_LOG("what was reserved, then all of it");
	EXPECT_EQ(1, rm_counters(self->a).not_zero);
	for (int i = 0; i < LARGE; i++)
		EXPECT_EQ(i == 7 ? 0x7e : 0, rm_look(self->a, self->id, i));
	EXPECT_EQ(0, collapse(self->fd, 2 * LARGE, PAGES, &self->large));
	EXPECT_EQ(0, self->large);
	EXPECT_EQ(2 * LARGE, pages_of(self->fd));
}

TEST_F(collapse, mends_what_a_hole_has_broken)
{
	ASSERT_EQ(0, collapse(self->fd, 0, PAGES, &self->large));
	ASSERT_EQ(0, punch(self->fd, LARGE + 3, LARGE + 5));
	EXPECT_GT(ORDER, rm_order(self->a, self->id, LARGE + 300));
	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE + 3, LARGE + 4, byte_of(LARGE + 3)));
	ASSERT_EQ(0, rm_fill(self->a, self->id, LARGE + 4, LARGE + 5, byte_of(LARGE + 4)));
	ASSERT_EQ(0, collapse(self->fd, 0, PAGES, &self->large));
	EXPECT_EQ(LARGE, self->large);
	EXPECT_EQ(ORDER, rm_order(self->a, self->id, LARGE + 300));
	EXPECT_EQ(0, count_wrong(self->a, self->id));
}

/* What two consumers of the second block hear: as for a hole, and then as for new memory. */
#define ASKED_AND_TOLD							\
	"a:prepare b:prepare a:start a:span@512 b:start b:span@512 b:end a:end"
#define TWO_ANNOUNCED " a:populate@512 b:populate@512"

TEST_F(collapse, tells_everybody)
{
	int id = rm_bind(self->b, self->fd, LARGE, 2 * LARGE, SHRD);
	const char *told;

	ASSERT_LT(0, id);
	ASSERT_EQ(0, collapse(self->fd, 0, PAGES, &self->large));
	told = rm_story(self->a, self->b, -1);
	EXPECT_STREQ(ASKED_AND_TOLD TWO_ANNOUNCED, told);
	EXPECT_EQ(0, count_wrong(self->b, id));
}

TEST_F(collapse, of_what_nobody_uses)
{
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	ASSERT_EQ(0, collapse(self->fd, 0, PAGES, &self->large));
	EXPECT_EQ(LARGE, self->large);
	self->id = rm_bind(self->a, self->fd, 0, PAGES, SHRD);
	EXPECT_EQ(ORDER, rm_order(self->a, self->id, LARGE));
	EXPECT_EQ(0, count_wrong(self->a, self->id));
}

TEST_F(collapse, a_refusal_changes_nothing)
{
	long pfn = rm_get(self->a, self->id, LARGE + 9);

	BEHAVE(self->a, .prepare_errno = EDOM);
	EXPECT_REFUSED(collapse(self->fd, 0, PAGES, &self->large), "refused", EDOM);
	EXPECT_EQ(0, self->large);
	EXPECT_STORY("a:prepare", "nothing has begun", self->a);
	EXPECT_EQ(pfn, rm_get(self->a, self->id, LARGE + 9));
	EXPECT_EQ(0, count_wrong(self->a, self->id));
}

TEST_F(collapse, goes_on_after_a_refusal)
{
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	self->id = rm_bind(self->a, self->fd, 0, LARGE, SHRD);
	ASSERT_EQ(0, rm_fill(self->a, self->id, 0, 1, 0x33));
	BEHAVE(self->a, .prepare_errno = EBUSY);
	EXPECT_REFUSED(collapse(self->fd, 0, PAGES, &self->large), "the first block", EBUSY);
	EXPECT_EQ(LARGE, self->large)
		TH_LOG("the second one is large");
	EXPECT_EQ(0, rm_order(self->a, self->id, 0));
}

TEST_F(collapse, of_memory_that_is_referenced)
{
	long pfn = rm_keep(self->a, self->id, LARGE + 9);

	ASSERT_LT(0, pfn);
	EXPECT_REFUSED(collapse(self->fd, 0, PAGES, &self->large), "in use", EAGAIN);
	EXPECT_EQ(0, self->large);
	EXPECT_EQ(pfn, rm_get(self->a, self->id, LARGE + 9));
	EXPECT_EQ(0, count_wrong(self->a, self->id));
	EXPECT_EQ(rm_counters(self->a).starts, rm_counters(self->a).ends);
	EXPECT_EQ(0, rm_counters(self->a).populates);

	EXPECT_EQ(1, rm_put_all(self->a));
	EXPECT_ALLOWED(collapse(self->fd, 0, PAGES, &self->large), "not in use any more");
	EXPECT_EQ(LARGE, self->large);
	EXPECT_EQ(0, count_wrong(self->a, self->id));
}

TEST_F(collapse, what_was_reserved_is_announced_if_it_fails)
{
	int present = 0;

	ASSERT_EQ(0, reserve(self->fd, 3, 6));
	ASSERT_EQ(0, rm_fill(self->a, self->id, 7, 8, 0x7e));
	ASSERT_LT(0, rm_keep(self->a, self->id, 7));
	ASSERT_EQ(0, rm_reset(self->a));
	EXPECT_REFUSED(collapse(self->fd, 0, LARGE, &self->large), "in use", EAGAIN);
	for (int i = 3; i < 6; i++)
		present += lseek(self->fd, i * page_size(), SEEK_DATA) == i * page_size();
	EXPECT_EQ(present, rm_counters(self->a).populates)
		TH_LOG("nothing is present that was not announced");
	EXPECT_EQ(0x7e, rm_look(self->a, self->id, 7));
	EXPECT_EQ(1, rm_put_all(self->a));
}

TEST_F(collapse, does_not_reach_across_the_edge_of_a_binding)
{
	ASSERT_LT(0, rm_bind(self->b, self->fd, LARGE + 5, LARGE + 9, SHRD));
	EXPECT_REFUSED(collapse(self->fd, 0, PAGES, &self->large), "an edge inside", EBUSY);
	EXPECT_EQ(0, self->large);
	EXPECT_STORY("", "nobody is asked in vain", self->a, self->b);
	EXPECT_EQ(0, count_wrong(self->a, self->id));
}

TEST_F(collapse, a_populate_that_fails_loses_nothing)
{
	int id = rm_bind(self->b, self->fd, 0, PAGES, SHRD);
	const char *told;

	BEHAVE(self->b, .populate_errno = EDOM);
	EXPECT_REFUSED(collapse(self->fd, 0, PAGES, &self->large), "not taken", EDOM);
	told = rm_story(self->a, self->b, -1);
	EXPECT_STREQ(ASKED_AND_TOLD TWO_ANNOUNCED " a:start a:span@512 a:end", told)
		TH_LOG("taken back from who was told");
	EXPECT_EQ(0, count_wrong(self->a, self->id));
	EXPECT_EQ(0, count_wrong(self->b, id));
	EXPECT_EQ(0, rm_counters(self->a).broken);
}

TEST_F(collapse, of_memory_with_an_error)
{
	char text[32];

	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
	snprintf(text, sizeof(text), "%ld", rm_get(self->a, self->id, LARGE + 9));
	ASSERT_EQ(0, write_text(INJECT, text));
	EXPECT_REFUSED(collapse(self->fd, 0, PAGES, &self->large), "broken", EHWPOISON);
	EXPECT_EQ(0, self->large);
	EXPECT_EQ(byte_of(LARGE + 8), rm_look(self->a, self->id, LARGE + 8));
	EXPECT_REFUSED(rm_look(self->a, self->id, LARGE + 9), "still broken", EHWPOISON);
}

TEST_F(collapse, may_be_denied)
{
	char policy[32];

	if (!read_choice(LARGE_POLICY, policy, sizeof(policy)) ||
	    write_text(LARGE_POLICY, "deny"))
		SKIP(return, "cannot change " LARGE_POLICY);
	EXPECT_REFUSED(collapse(self->fd, 0, PAGES, &self->large), "denied", EINVAL);
	EXPECT_EQ(0, write_text(LARGE_POLICY, policy));
	EXPECT_EQ(0, count_wrong(self->a, self->id));
	EXPECT_EQ(rm_counters(self->a).starts, rm_counters(self->a).ends);
}

TEST_F(collapse, looks_at_its_arguments)
{
	static const struct {
		const char *what;
		struct rmfd_collapse args;
	} bad[] = {
		{ "a flag", { .len = 1, .flags = 1 } },
		{ "a size that is too small", { .len = 1, .size = (__u32)-1 } },
		{ "no length", { .len = 0 } },
		{ "less than a block", { .offset = LARGE, .len = LARGE - 1 } },
		{ "no whole block", { .offset = 1, .len = 2 * LARGE - 2 } },
		{ "beyond the size", { .offset = LARGE, .len = PAGES } },
		{ "beyond everything", { .offset = -1UL / 4096, .len = LARGE } },
		{ "of negative length", { .len = 1UL << 51 } },
	};
	struct rmfd_collapse args = {
		.offset = 1, .len = LARGE * page_size(), .size = sizeof(args),
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		args = bad[i].args;
		args.offset *= page_size();
		args.len *= page_size();
		args.size += sizeof(args);
		EXPECT_REFUSED(ioctl(self->fd, RMFD_COLLAPSE, &args), bad[i].what, EINVAL);
		EXPECT_EQ(0, args.done);
	}
	EXPECT_STORY("", "nobody was asked", self->a);
	EXPECT_REFUSED(ioctl(self->fd, RMFD_COLLAPSE, NULL), "nothing at all", EFAULT);
}

/* Gets and looks at pages as fast as it can, until it is told to stop. */
struct reader {
	int consumer, id;
	bool stop;
	long looks, wrong;
};

static void *read_always(void *arg)
{
	struct reader *reader = arg;

	for (int i = 0; !__atomic_load_n(&reader->stop, __ATOMIC_RELAXED); i = (i + 7) % LARGE) {
		int page = LARGE + i;

		reader->wrong += rm_look(reader->consumer, reader->id, page) != byte_of(page);
		reader->looks++;
	}
	return NULL;
}

TEST_F_TIMEOUT(collapse, while_it_is_read, 120)
{
	struct reader reader = { .consumer = self->a, .id = self->id };
	pthread_t thread;
	int done = 0;

	ASSERT_EQ(0, pthread_create(&thread, NULL, read_always, &reader));
	for (int round = 0; round < 20; round++) {
		int edge = rm_bind(self->b, self->fd, 0, LARGE + 100 + round, SHRD);

		/* The edge has split it; the next one may be in time for a passing reference. */
		if (edge > 0)
			ASSERT_EQ(0, rm_unbind(self->b, edge));
		if (!collapse(self->fd, LARGE, 2 * LARGE, &self->large))
			done++;
		else
			EXPECT_EQ(EAGAIN, errno);
	}
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	TH_LOG("%d of 20 times, %ld looks meanwhile", done, reader.looks);
	EXPECT_LT(0, done);
	EXPECT_LT(0, reader.looks);
	EXPECT_EQ(0, reader.wrong);
	EXPECT_EQ(0, count_wrong(self->a, self->id));
}

TEST_HARNESS_MAIN
