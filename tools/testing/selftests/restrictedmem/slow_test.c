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
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

#define HUNG "/proc/sys/kernel/hung_task_"

FIXTURE(slow) {
	int fd, a, b, id;
	long long timeout;	/* after which the kernel calls a task hung; -1: never */
};

FIXTURE_VARIANT(slow) {
	struct rmtest_behaviour behaviour;
	size_t counter;
	int what;
};

FIXTURE_VARIANT_ADD(slow, prepare) {
	.behaviour = { .prepare_delay_ms = SLOW_MS },
	.counter = offsetof(struct rmtest_counters, prepares),
	.what = CALL_PUNCH,
};

FIXTURE_VARIANT_ADD(slow, start) {
	.behaviour = { .start_delay_ms = SLOW_MS },
	.counter = offsetof(struct rmtest_counters, starts),
	.what = CALL_PUNCH,
};

FIXTURE_VARIANT_ADD(slow, populate) {
	.behaviour = { .populate_delay_ms = SLOW_MS },
	.counter = offsetof(struct rmtest_counters, populates),
	.what = CALL_GET,
};

FIXTURE_SETUP(slow)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->b = new_consumer();
	ASSERT_LE(0, self->b);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->id = rm_bind(self->a, self->fd, 0, 8, SHRD);
	ASSERT_LT(0, self->id);
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
	close(self->a);
	close(self->b);
	close(self->fd);
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
	struct rm_call slow = {
		.what = variant->what, .fd = self->fd, .end = 4,
		.consumer = self->a, .id = self->id,
	};
	struct rm_call waiting[3] = {
		{ .what = CALL_BIND, .consumer = self->b, .fd = self->fd, .end = 8 },
		{ .what = CALL_RESERVE, .fd = self->fd, .start = 16, .end = PAGES },
		{ .what = CALL_PUNCH, .fd = self->fd, .start = 8, .end = 16 },
	};
	long long hung = read_number(HUNG "detect_count");
	struct timespec before;
	int rounds = 0;

	if (self->timeout < 0)
		TH_LOG("this kernel does not look for tasks that hang");
	ASSERT_EQ(0, rm_behave(self->a, variant->behaviour));
	clock_gettime(CLOCK_MONOTONIC, &before);
	ASSERT_EQ(0, rm_call_start(&slow));
	ASSERT_TRUE(rm_wait(self->a, variant->counter, 1));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, rm_call_start(&waiting[i]));

	/* As often as fits into the time that the callback certainly takes. */
	for (; rm_ms_since(&before) < SLOW_MS * 9 / 10; rounds++) {
		ASSERT_TRUE(works(self->a, self->b));
		ASSERT_FALSE(slow.done);
		rm_sleep_ms(20);
	}
	EXPECT_LT(2, rounds)
		TH_LOG("%d rounds", rounds);

	EXPECT_NE(-1, rm_call_end(&slow));
	EXPECT_LE(SLOW_MS, rm_ms_since(&before));
	for (int i = 0; i < 3; i++) {
		EXPECT_NE(-1, rm_call_end(&waiting[i]))
			TH_LOG("call %d: %s", i, strerror(waiting[i].error));
	}
	EXPECT_EQ(hung, read_number(HUNG "detect_count"))
		TH_LOG("nobody hangs");
}

TEST_HARNESS_MAIN
