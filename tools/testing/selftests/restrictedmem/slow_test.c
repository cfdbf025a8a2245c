// SPDX-License-Identifier: GPL-2.0
/*
 * A consumer that takes ten seconds over a callback. Whoever has to do with the same
 * file waits, and can be interrupted; nobody else notices, and the kernel does not
 * take those who wait for tasks that hang.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "load.h"
#include "test_consumer.h"

#define PAGES 64
#define SLOW_MS 10000
#define SHRD RMTEST_SHARED

#define HUNG "/proc/sys/kernel/hung_task_"

/* What is slow: a consumer of its own for each, all of them at the same time. */
static const struct {
	struct rmtest_behaviour behaviour;
	size_t counter;
	int what;
} kinds[] = {
	{
		.behaviour = { .prepare_delay_ms = SLOW_MS },
		.counter = offsetof(struct rmtest_counters, prepares),
		.what = CALL_PUNCH,
	}, {
		.behaviour = { .start_delay_ms = SLOW_MS },
		.counter = offsetof(struct rmtest_counters, starts),
		.what = CALL_PUNCH,
	}, {
		.behaviour = { .populate_delay_ms = SLOW_MS },
		.counter = offsetof(struct rmtest_counters, populates),
		.what = CALL_GET,
	},
};

#define WAITING 3

struct kind {
	int fd, consumer;
	struct rm_call slow, waiting[WAITING];
};

FIXTURE(slow) {
	int other;
	struct kind kinds[ARRAY_SIZE(kinds)];
	long long timeout;	/* after which the kernel calls a task hung; -1: never */
};

FIXTURE_SETUP(slow)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->other = new_consumer();
	ASSERT_LE(0, self->other);
	for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct kind *kind = &self->kinds[i];
		int id;

		kind->consumer = new_consumer();
		ASSERT_LE(0, kind->consumer);
		kind->fd = new_sized_file(PAGES * page_size());
		ASSERT_LE(0, kind->fd);
		id = rm_bind(kind->consumer, kind->fd, 0, 8, SHRD);
		ASSERT_LT(0, id);
		kind->slow = (struct rm_call) {
			.what = kinds[i].what, .fd = kind->fd, .end = 4,
			.consumer = kind->consumer, .id = id,
		};
		kind->waiting[0] = (struct rm_call) {
			.what = CALL_BIND, .consumer = self->other, .fd = kind->fd, .end = 8,
		};
		kind->waiting[1] = (struct rm_call) {
			.what = CALL_RESERVE, .fd = kind->fd, .start = 16, .end = PAGES,
		};
		kind->waiting[2] = (struct rm_call) {
			.what = CALL_PUNCH, .fd = kind->fd, .start = 8, .end = 16,
		};
	}
	self->timeout = read_number(HUNG "timeout_secs");
	if (self->timeout >= 0)
		ASSERT_EQ(0, write_text(HUNG "timeout_secs", "2"));
}

FIXTURE_TEARDOWN(slow)
{
	char text[32];

	if (self->timeout >= 0) {
		snprintf(text, sizeof(text), "%lld", self->timeout);
		write_text(HUNG "timeout_secs", text);
	}
	for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
		close(self->kinds[i].consumer);
		close(self->kinds[i].fd);
	}
	close(self->other);
}

/* All that can be done with a file, by the slow consumer and somebody else. */
static bool works(int slow, int other)
{
	int fd = new_sized_file(PAGES * page_size());
	int id = rm_bind(other, fd, 0, PAGES, SHRD), slow_id;
	char bytes[page_size()];
	bool all;
	long pages;

	memset(bytes, 0x21, sizeof(bytes));
	all = id > 0 && !reserve(fd, 0, 16) && rm_get(other, id, 20) > 0 &&
	      !punch(fd, 0, 21) && !rm_unbind(other, id) &&
	      !load_pages(fd, 3, 4, bytes, &pages);
	slow_id = rm_bind(slow, fd, 0, 8, SHRD);
	all = all && slow_id > 0 && rm_look(slow, slow_id, 3) == 0x21 &&
	      !rm_unbind(slow, slow_id);
	close(fd);
	return all;
}

TEST_F_TIMEOUT(slow, holds_up_nobody_else, 240)
{
	long long hung = read_number(HUNG "detect_count");
	struct timespec before;
	int rounds = 0;

	if (self->timeout < 0)
		TH_LOG("this kernel does not look for tasks that hang");
	for (int i = 0; i < ARRAY_SIZE(kinds); i++)
		ASSERT_EQ(0, rm_behave(self->kinds[i].consumer, kinds[i].behaviour));
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct kind *kind = &self->kinds[i];

		ASSERT_EQ(0, rm_call_start(&kind->slow));
		ASSERT_TRUE(rm_wait(kind->consumer, kinds[i].counter, 1));
		for (int call = 0; call < WAITING; call++)
			ASSERT_EQ(0, rm_call_start(&kind->waiting[call]));
	}

	/* As often as fits into the time that the callbacks certainly take. */
	for (; rm_ms_since(&before) < SLOW_MS * 9 / 10; rounds++) {
		for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
			ASSERT_TRUE(works(self->kinds[i].consumer, self->other));
			ASSERT_TRUE(!self->kinds[i].slow.done ||
				    rm_ms_since(&before) >= SLOW_MS);
		}
		rm_sleep_ms(200);
	}
	EXPECT_LT(2, rounds)
		TH_LOG("%d rounds", rounds);

	for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct kind *kind = &self->kinds[i];

		EXPECT_NE(-1, rm_call_end(&kind->slow));
		EXPECT_LE(SLOW_MS, rm_ms_since(&before));
		for (int call = 0; call < WAITING; call++) {
			EXPECT_NE(-1, rm_call_end(&kind->waiting[call]))
				TH_LOG("%d, call %d: %s", i, call,
				       strerror(kind->waiting[call].error));
		}
	}
	EXPECT_EQ(hung, read_number(HUNG "detect_count"))
		TH_LOG("nobody hangs");
}

TEST_HARNESS_MAIN
