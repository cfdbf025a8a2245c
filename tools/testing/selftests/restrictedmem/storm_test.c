// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once for a few seconds. Nothing may be left when it is over: not
 * a page, not a callback without its counterpart, not an old byte in new memory.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "test_consumer.h"

#define PAGES 256
#define SECONDS 4
#define CONSUMERS 3

static int fd, consumers[CONSUMERS];
static bool over;
static unsigned long done[8];
static int wrong;

struct worker {
	int consumer, what;
	unsigned int seed;
	pthread_t thread;
};

static int below(struct worker *worker, int n)
{
	return rand_r(&worker->seed) % n;
}

/* An error that is no part of the game. */
static void surprise(const char *call)
{
	if (!__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED))
		fprintf(stderr, "# %s: %s\n", call, strerror(errno));
}

/* Bind a range, use it in some way, end it. */
static void hold(struct worker *worker)
{
	int start = below(worker, PAGES), id, consumer = worker->consumer;
	int end = start + 1 + below(worker, PAGES - start);
	struct rmtest_get get;
	char bytes[64];

	id = rm_bind(consumer, fd, start, end, RMTEST_SHARED);
	if (id < 0) {
		if (!error_in(errno, EBUSY, EAGAIN, 0))
			surprise("bind");
		return;
	}
	for (int i = 0; i < 16; i++) {
		int index = start + below(worker, end - start);
		unsigned int flags = below(worker, 4);

		if (rm_get_flags(consumer, id, index, flags, &get) &&
		    !error_in(errno, EDOM, 0))
			surprise("get");
		memset(bytes, index, sizeof(bytes));
		if (rm_io(consumer, RMTEST_WRITE, id, 0, index * page_size(),
			  bytes, sizeof(bytes)) && !error_in(errno, EDOM, 0))
			surprise("write");
	}
	if (below(worker, 2))
		rm_get_range(consumer, id, start, end);
	if (rm_put_all(consumer) < 0)
		surprise("put");
	if (rm_unbind(consumer, id))
		surprise("unbind");
}

static void hole(struct worker *worker)
{
	int start = below(worker, PAGES);

	if (punch(fd, start, start + 1 + below(worker, PAGES)) &&
	    !error_in(errno, EBUSY, EAGAIN, 0))
		surprise("punch");
}

static void fill(struct worker *worker)
{
	int start = below(worker, PAGES);

	if (reserve(fd, start, start + 1 + below(worker, PAGES - start)))
		surprise("reserve");
}

/* A file and a consumer of its own, thrown away in one order or another. */
static void short_life(struct worker *worker)
{
	int file = new_sized_file(8 * page_size());
	int consumer = open(RMTEST_DEVICE, O_RDWR);
	int id = rm_bind(consumer, file, 0, 8, RMTEST_EXCLUSIVE);
	bool file_first = below(worker, 2);

	if (id < 0 || rm_keep(consumer, id, below(worker, 8)) < 0)
		surprise("short life");
	close(file_first ? file : consumer);
	close(file_first ? consumer : file);
}

static void *work(void *arg)
{
	static void (* const works[])(struct worker *worker) = {
		hold, hold, hole, fill, short_life,
	};
	struct worker *worker = arg;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		works[worker->what](worker);
		__atomic_fetch_add(&done[worker->what], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Memory of all tmpfs files. Processors add up what they know only when told to. */
static long long shmem(void)
{
	int refresh = open("/proc/sys/vm/stat_refresh", O_WRONLY);

	if (refresh >= 0) {
		if (write(refresh, "1", 1) != 1)
			fprintf(stderr, "# no stat_refresh\n");
		close(refresh);
	}
	return read_key("/proc/meminfo", "Shmem:");
}

FIXTURE(storm) {
	long long shmem;
};

FIXTURE_VARIANT(storm) {
	struct rmtest_behaviour behaviour;
};

FIXTURE_VARIANT_ADD(storm, everybody_agrees) {
	.behaviour = { .flags = RMTEST_CHECK_ZERO },
};

FIXTURE_VARIANT_ADD(storm, some_refuse) {
	.behaviour = {
		.flags = RMTEST_CHECK_ZERO,
		.prepare_errno = EBUSY, .prepare_every = 3,
	},
};

FIXTURE_VARIANT_ADD(storm, some_are_slow) {
	.behaviour = { .prepare_delay_ms = 4, .start_delay_ms = 2 },
};

FIXTURE_VARIANT_ADD(storm, populate_fails) {
	.behaviour = { .populate_errno = EDOM, .populate_nth = 50 },
};

FIXTURE_SETUP(storm)
{
	self->shmem = shmem();
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	for (int i = 0; i < CONSUMERS; i++) {
		consumers[i] = new_consumer();
		ASSERT_LE(0, consumers[i]);
	}
	fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, fd);
	over = false;
	wrong = 0;
	memset(done, 0, sizeof(done));
}

FIXTURE_TEARDOWN(storm)
{
}

TEST_F_TIMEOUT(storm, leaves_nothing_behind, 120)
{
	struct worker workers[8];
	struct rmtest_counters counters;
	int n = 0;

	ASSERT_EQ(0, rm_behave(consumers[0], variant->behaviour));
	ASSERT_EQ(0, rm_behave(consumers[1], (struct rmtest_behaviour){
		.flags = RMTEST_CHECK_ZERO }));
	for (int what = 0; what < 5; what++) {
		workers[n] = (struct worker){ .consumer = consumers[what % 2], .what = what,
					      .seed = 1 + what };
		ASSERT_EQ(0, pthread_create(&workers[n].thread, NULL, work, &workers[n]));
		n++;
	}
	sleep(SECONDS);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (int i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_LT(0, done[workers[i].what])
			TH_LOG("work %d did nothing", workers[i].what);
	}
	EXPECT_EQ(0, wrong);
	TH_LOG("bind %lu+%lu, hole %lu, reserve %lu, lives %lu",
	       done[0], done[1], done[2], done[3], done[4]);

	for (int i = 0; i < 2; i++) {
		counters = rm_counters(consumers[i]);
		EXPECT_LT(0, counters.populates);
		EXPECT_LT(0, counters.starts);
		EXPECT_EQ(counters.starts, counters.ends);
		EXPECT_EQ(0, counters.active);
		EXPECT_EQ(0, counters.broken);
		EXPECT_EQ(0, counters.not_zero);
		EXPECT_EQ(0, counters.bindings);
		EXPECT_EQ(0, counters.kept);
		EXPECT_EQ(0, counters.mapped);
	}

	ASSERT_EQ(0, punch(fd, 0, PAGES));
	EXPECT_EQ(0, pages_of(fd));
	for (int i = 0; i < CONSUMERS; i++)
		close(consumers[i]);
	close(fd);
	/* Closing is done with when the last task is; give it a moment. */
	for (int i = 0; i < 100; i++) {
		if (shmem() <= self->shmem)
			break;
		rm_sleep_ms(20);
	}
	EXPECT_GE(self->shmem, shmem())
		TH_LOG("all memory is back");
}

TEST_HARNESS_MAIN
