// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once for a few seconds. Nothing may be left when it is over: not
 * a page, not a callback without its counterpart, not an old byte in new memory.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "load.h"
#include "test_consumer.h"
#include "left.h"

#define PAGES 256
#define SECONDS 4
#define CONSUMERS 3
#define PROCESSES 6

static int fd, consumers[CONSUMERS];
static bool over;

/* In memory that processes share, as they may be killed before they can tell. */
static struct {
	unsigned long done[8];
	int wrong;
} *tally;

/* Touched, as it counts as shared memory, too. */
static void *new_tally(void)
{
	void *memory = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? memory : memset(memory, 0, sizeof(*tally));
}

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
	if (!__atomic_fetch_add(&tally->wrong, 1, __ATOMIC_RELAXED))
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

/* Initial contents, where nobody holds anything. */
static void load(struct worker *worker)
{
	char bytes[16 * page_size()];
	int start = below(worker, PAGES - 16);
	long pages;

	memset(bytes, 0x21, sizeof(bytes));
	if (load_pages(fd, start, start + 1 + below(worker, 16), bytes, &pages) &&
	    errno != EBUSY)
		surprise("load");
}

/* A child that has all of the descriptors, and becomes another program with them. */
static void run(struct worker *worker)
{
	pid_t child = fork();
	int status;

	if (!child) {
		hole(worker);
		execl("/proc/self/exe", "storm_test", "--nothing", NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		surprise("run");
}

static void (* const works[])(struct worker *worker) = {
	hold, hold, hole, fill, short_life, load, run,
};

static void work_once(struct worker *worker)
{
	works[worker->what](worker);
	__atomic_fetch_add(&tally->done[worker->what], 1, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED))
		work_once(arg);
	return NULL;
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
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	tally = new_tally();
	ASSERT_NE(MAP_FAILED, tally);
	self->shmem = shmem();
	for (int i = 0; i < CONSUMERS; i++) {
		consumers[i] = new_consumer();
		ASSERT_LE(0, consumers[i]);
	}
	fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, fd);
	over = false;
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
		EXPECT_LT(0, tally->done[workers[i].what])
			TH_LOG("work %d did nothing", workers[i].what);
	}
	EXPECT_EQ(0, tally->wrong);
	TH_LOG("bind %lu+%lu, hole %lu, reserve %lu, lives %lu", tally->done[0],
	       tally->done[1], tally->done[2], tally->done[3], tally->done[4]);

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
	EXPECT_TRUE(shmem_back_to(self->shmem))
		TH_LOG("%lld kB before, %lld after", self->shmem, shmem());
}

/* A process that does all of it in turn, with a consumer of its own, until killed. */
static pid_t start_process(unsigned int seed)
{
	struct worker worker = { .seed = seed };
	pid_t child = fork();

	if (child)
		return child;
	worker.consumer = new_consumer();
	for (;;) {
		worker.what = below(&worker, ARRAY_SIZE(works));
		work_once(&worker);
	}
}

/* Was each work done, to its end, at least once? Both holds count as one. */
static bool all_done(void)
{
	for (size_t i = 1; i < ARRAY_SIZE(works); i++)
		if (!__atomic_load_n(&tally->done[i], __ATOMIC_RELAXED))
			return false;
	return true;
}

FIXTURE(kills) {
	long long shmem, references;
	int watcher, id;
};

FIXTURE_VARIANT(kills) {
	struct rmtest_behaviour watcher;
};

FIXTURE_VARIANT_ADD(kills, while_they_work) {
	.watcher = { .flags = RMTEST_CHECK_ZERO },
};

/* Most of them are killed while they wait for a callback, or are in one. */
FIXTURE_VARIANT_ADD(kills, while_they_wait) {
	.watcher = { .flags = RMTEST_DELAY_INTERRUPTIBLE, .prepare_delay_ms = 20,
		     .start_delay_ms = 10, .populate_delay_ms = 1 },
};

FIXTURE_SETUP(kills)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	tally = new_tally();
	ASSERT_NE(MAP_FAILED, tally);
	self->references = read_number(REFERENCES);
	self->shmem = shmem();
	self->watcher = new_consumer();
	ASSERT_LE(0, self->watcher);
	fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, fd);
	/* It hears of all that happens there; the rest is left to those who load. */
	self->id = rm_bind(self->watcher, fd, 64, PAGES, RMTEST_SHARED);
	ASSERT_LT(0, self->id);
	/* Children of those who are killed become ours. */
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
}

FIXTURE_TEARDOWN(kills)
{
}

TEST_F_TIMEOUT(kills, leave_nothing_behind, 240)
{
	unsigned int seed = time(NULL), kills = 0;
	struct worker dice = { .seed = seed };
	struct rmtest_counters watcher;
	pid_t processes[PROCESSES];
	struct timespec before;
	int status, last;

	TH_LOG("seed %u", seed);
	ASSERT_EQ(0, rm_behave(self->watcher, variant->watcher));
	for (int i = 0; i < PROCESSES; i++) {
		processes[i] = start_process(seed + i);
		ASSERT_LT(0, processes[i]);
	}
	clock_gettime(CLOCK_MONOTONIC, &before);
	/* On a slow machine until everything was done once, and some were killed. */
	while (rm_ms_since(&before) < SECONDS * 1000 || kills < 20 ||
	       (!all_done() && rm_ms_since(&before) < 100000)) {
		int i = below(&dice, PROCESSES);

		rm_sleep_ms(below(&dice, below(&dice, 8) ? 40 : 400));
		ASSERT_EQ(0, kill(processes[i], SIGKILL));
		ASSERT_EQ(processes[i], waitpid(processes[i], &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status))
			TH_LOG("ended by itself: 0x%x", status);
		kills++;
		processes[i] = start_process(seed + PROCESSES + kills);
		ASSERT_LT(0, processes[i]);
	}
	for (int i = 0; i < PROCESSES; i++)
		kill(processes[i], SIGKILL);
	while (wait(&status) > 0)
		;
	EXPECT_EQ(ECHILD, errno);
	EXPECT_EQ(0, tally->wrong);
	EXPECT_TRUE(all_done());
	TH_LOG("%u kills; bind %lu, hole %lu, reserve %lu, lives %lu, load %lu, run %lu",
	       kills, tally->done[0] + tally->done[1], tally->done[2], tally->done[3],
	       tally->done[4], tally->done[5], tally->done[6]);

	watcher = rm_counters(self->watcher);
	EXPECT_LT(0, watcher.populates);
	EXPECT_LT(0, watcher.starts);
	EXPECT_EQ(watcher.starts, watcher.ends);
	EXPECT_EQ(0, watcher.active);
	EXPECT_EQ(0, watcher.broken);
	EXPECT_EQ(0, watcher.not_zero);
	EXPECT_EQ(0, rm_unbind(self->watcher, self->id));
	close(self->watcher);
	EXPECT_EQ(self->references, read_number(REFERENCES))
		TH_LOG("no binding and no consumer is left");

	last = new_consumer();
	EXPECT_LT(0, rm_bind(last, fd, 0, PAGES, RMTEST_EXCLUSIVE));
	EXPECT_EQ(0, punch(fd, 0, PAGES));
	EXPECT_EQ(0, pages_of(fd));
	close(last);
	close(fd);
	EXPECT_TRUE(shmem_back_to(self->shmem))
		TH_LOG("%lld kB before, %lld after", self->shmem, shmem());
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--nothing"))
		return 0;
	return test_harness_run(argc, argv);
}
