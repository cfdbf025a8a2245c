// SPDX-License-Identifier: GPL-2.0
/*
 * Memory errors while the memory is being used, or given back, and while those who
 * have it are slow.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "restrictedmem.h"
#include "text.h"
#include "cgroup.h"
#include "collapse.h"
#include "poison.h"
#include "test_consumer.h"
#include "stays.h"

#define PAGES 256
#define LARGE 512
#define ERRORS 64
#define SECONDS 20

/* Errors hit whatever they are injected into. */
static void confine_nothing(void)
{
	write_text(HWPOISON "/corrupt-filter-enable", "0");
	write_text(HWPOISON "/corrupt-filter-memcg", "0");
}

FIXTURE(poison_race) {
	int fd, consumer, id;
	char cgroup[64];
};

FIXTURE_SETUP(poison_race)
{
	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	/* A test that ran into its time limit has not cleaned up. */
	confine_nothing();
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->id = rm_bind(self->consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(poison_race)
{
	confine_nothing();
	if (self->cgroup[0])
		remove_cgroup(self->cgroup);
}

/* Somebody who uses or punches pages at random, or makes them large, until it is over. */
struct worker {
	int fd, consumer, id;
	enum { USES, PUNCHES, MAKES_LARGE } what;
	unsigned int seed;
	unsigned long done, wrong;
	pthread_t thread;
};

static bool over;

/* 0, or an errno that has nothing to do with memory errors. */
static int work_once(struct worker *worker)
{
	uint64_t index = rand_r(&worker->seed) % PAGES;
	struct rmtest_get get;
	int ret = -1;
	long large;

	switch (worker->what) {
	case USES:
		ret = rm_get_flags(worker->consumer, worker->id, index, RMTEST_GET_MAP, &get);
		break;
	case PUNCHES:
		return punch(worker->fd, index, index + 1) ? errno : 0;
	case MAKES_LARGE:
		ret = collapse(worker->fd, 0, LARGE, &large);
		/* Somebody may have a reference just then, or all large pages. */
		if (ret && error_in(errno, EAGAIN, ENOMEM, 0))
			return 0;
		break;
	}
	return ret && errno != EHWPOISON ? errno : 0;
}

static void *work(void *arg)
{
	struct worker *worker = arg;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		worker->wrong += !!work_once(worker);
		__atomic_fetch_add(&worker->done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int start_worker(struct worker *worker, int fd, int consumer, int id, int what)
{
	*worker = (struct worker){
		.fd = fd, .consumer = consumer, .id = id, .what = what, .seed = 1 + what,
	};
	over = false;
	if (pthread_create(&worker->thread, NULL, work, worker))
		return -1;
	/* On a busy machine all could be over before it has begun. */
	while (!__atomic_load_n(&worker->done, __ATOMIC_RELAXED))
		rm_sleep_ms(1);
	return 0;
}

static void end_worker(struct worker *worker)
{
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	pthread_join(worker->thread, NULL);
}

static bool is_late(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec >= SECONDS;
}

TEST_F_TIMEOUT(poison_race, of_pages_that_are_being_used, 240)
{
	struct rmtest_counters told;
	struct worker worker;
	struct timespec start;
	int i;

	ASSERT_EQ(0, rm_fill(self->consumer, self->id, 0, PAGES, 0x3c));
	ASSERT_EQ(0, start_worker(&worker, self->fd, self->consumer, self->id, USES));
	clock_gettime(CLOCK_MONOTONIC, &start);
	/* Every third page, so that each has neighbours that are well. */
	for (i = 0; i < ERRORS && (i < 8 || !is_late(&start)); i++) {
		long pfn = rm_get(self->consumer, self->id, 3 * i);
		int error;

		ASSERT_LT(0, pfn);
		error = poison(pfn);
		/* The other one has references now and then. */
		ASSERT_TRUE(error == 0 || error == EBUSY)
			TH_LOG("error %d: %s", i, strerror(error));
		EXPECT_REFUSED(rm_get(self->consumer, self->id, 3 * i), "the page",
			       EHWPOISON);
	}
	EXPECT_TRUE(rm_wait_for(self->consumer, ends, i));
	end_worker(&worker);
	EXPECT_EQ(0, worker.wrong);

	told = rm_counters(self->consumer);
	EXPECT_EQ(i, told.errors)
		TH_LOG("one call for each page");
	EXPECT_EQ(told.starts, told.ends);
	EXPECT_EQ(0, told.broken);
	for (int page = 0; page < PAGES; page++)
		if (page % 3 || page / 3 >= i)
			EXPECT_EQ(0x3c, rm_look(self->consumer, self->id, page));
	EXPECT_EQ(0, punch(self->fd, 0, PAGES));
	EXPECT_EQ(0, pages_of(self->fd));
}

/* Asks for one page of a large folio until it is over. */
struct watcher {
	int consumer, id;
	uint64_t index;
	unsigned long wrong;
	pthread_t thread;
};

static void *watch(void *arg)
{
	struct watcher *watcher = arg;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		bool told = rm_counters(watcher->consumer).ends;

		/* Neither the page nor anything that would be mapped across it. */
		if (rm_get(watcher->consumer, watcher->id, watcher->index) >= 0 && told)
			watcher->wrong++;
		if (rm_order(watcher->consumer, watcher->id, watcher->index + 1) > 0 && told)
			watcher->wrong++;
	}
	return NULL;
}

TEST_F_TIMEOUT(poison_race, who_was_told_never_gets_it_again, 240)
{
	struct watcher watcher = { .consumer = self->consumer, .index = 2 * PAGES + 100 };
	struct timespec start;
	int i, large = 0;

	ASSERT_EQ(0, rm_unbind(self->consumer, self->id));
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < 8 && !is_late(&start); i++) {
		int fd = memfd_restricted(RMFD_HUGEPAGE, -1);
		long pfn;

		ASSERT_EQ(0, ftruncate(fd, 4 * PAGES * page_size()));
		watcher.id = rm_bind(self->consumer, fd, 0, 4 * PAGES, RMTEST_EXCLUSIVE);
		ASSERT_LT(0, watcher.id);
		pfn = rm_get(self->consumer, watcher.id, watcher.index);
		ASSERT_LT(0, pfn);
		large += rm_order(self->consumer, watcher.id, watcher.index) > 0;
		ASSERT_EQ(0, rm_reset(self->consumer));
		over = false;
		ASSERT_EQ(0, pthread_create(&watcher.thread, NULL, watch, &watcher));
		poison(pfn);
		EXPECT_TRUE(rm_wait_for(self->consumer, ends, 1));
		rm_sleep_ms(20);
		__atomic_store_n(&over, true, __ATOMIC_RELAXED);
		pthread_join(watcher.thread, NULL);
		ASSERT_EQ(0, rm_unbind(self->consumer, watcher.id));
		close(fd);
	}
	if (!large)
		SKIP(return, "no large folio to be had");
	EXPECT_EQ(0, watcher.wrong);
}

/*
 * By the time of the error the frame may be somebody else's. Only those that are
 * charged to a cgroup are hit, and nothing but the file is.
 */
static bool confine_errors(int *fd, int pages, char *cgroup, size_t size)
{
	struct stat st;
	char text[32];

	if (!new_cgroup(cgroup, size, "poison") || stat(cgroup, &st) ||
	    set_in(cgroup, "cgroup.procs", "0"))
		return false;
	*fd = new_sized_file(pages * page_size());
	snprintf(text, sizeof(text), "%llu", (unsigned long long)st.st_ino);
	return !set_in(CGROUPS, "cgroup.procs", "0") && *fd >= 0 &&
	       !write_text(HWPOISON "/corrupt-filter-memcg", text) &&
	       !write_text(HWPOISON "/corrupt-filter-enable", "1");
}

TEST_F_TIMEOUT(poison_race, of_pages_that_are_being_given_back, 240)
{
	struct rmtest_counters told;
	struct timespec start;
	struct worker worker;
	int hit = 0, i;

	ASSERT_EQ(0, rm_unbind(self->consumer, self->id));
	if (!confine_errors(&self->fd, PAGES, self->cgroup, sizeof(self->cgroup)))
		SKIP(return, "errors cannot be confined to a cgroup");
	self->id = rm_bind(self->consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, start_worker(&worker, self->fd, self->consumer, self->id, PUNCHES));

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < 16 * ERRORS && hit < ERRORS && (hit < 8 || !is_late(&start)); i++) {
		uint64_t index = i % 8;
		long pfn = rm_get(self->consumer, self->id, index);

		if (pfn < 0) {
			ASSERT_EQ(EHWPOISON, errno);
			ASSERT_EQ(0, punch(self->fd, index, index + 1));
			continue;
		}
		/* Has it gone before it broke, nothing is broken. */
		poison(pfn);
		if (rm_get(self->consumer, self->id, index) < 0) {
			ASSERT_EQ(EHWPOISON, errno);
			hit++;
		} else {
			ASSERT_NE(-1, rm_look(self->consumer, self->id, (index + 9) % PAGES));
		}
	}
	end_worker(&worker);
	TH_LOG("%d of %d hit, %lu holes", hit, i, worker.done);
	EXPECT_LE(8, hit);
	EXPECT_EQ(0, worker.wrong);

	EXPECT_EQ(0, punch(self->fd, 0, PAGES));
	for (int page = 0; page < PAGES; page++) {
		EXPECT_EQ(0, rm_look(self->consumer, self->id, page))
			TH_LOG("new memory is well");
	}
	told = rm_counters(self->consumer);
	EXPECT_EQ(told.starts, told.ends);
	EXPECT_EQ(0, told.active);
	EXPECT_EQ(0, told.broken);
}

/* New memory instead of a page with an error, with what was in it before. */
static int replace(int fd, int consumer, int id, uint64_t index)
{
	/* The other one may have a reference to the large page just then. */
	while (punch(fd, index, index + 1))
		if (errno != EAGAIN)
			return -1;
	return rm_fill(consumer, id, index, index + 1, 0x3c);
}

TEST_F_TIMEOUT(poison_race, of_pages_that_are_being_made_large, 240)
{
	unsigned int seed = 5;
	struct rmtest_counters told;
	struct timespec start;
	struct worker worker;
	int hit = 0, look, i;
	long large;

	if (access(LARGE_POLICY, F_OK))
		SKIP(return, "this kernel has no large pages");
	ASSERT_EQ(0, rm_unbind(self->consumer, self->id));
	if (!confine_errors(&self->fd, LARGE, self->cgroup, sizeof(self->cgroup)))
		SKIP(return, "errors cannot be confined to a cgroup");
	self->id = rm_bind(self->consumer, self->fd, 0, LARGE, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, rm_fill(self->consumer, self->id, 0, LARGE, 0x3c));
	ASSERT_EQ(0, start_worker(&worker, self->fd, self->consumer, self->id, MAKES_LARGE));

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < 16 * ERRORS && hit < ERRORS && (hit < 4 || !is_late(&start)); i++) {
		uint64_t index = rand_r(&seed) % LARGE;

		/* For it to be made large again just when the error comes. */
		ASSERT_EQ(0, replace(self->fd, self->consumer, self->id, (index + 99) % LARGE));
		rm_sleep_ms(rand_r(&seed) % 4);
		poison(rm_get(self->consumer, self->id, index));
		/* It was another page, of nobody, if it had been made large meanwhile. */
		if (rm_get(self->consumer, self->id, index) < 0) {
			ASSERT_EQ(EHWPOISON, errno);
			ASSERT_EQ(0, replace(self->fd, self->consumer, self->id, index))
				TH_LOG("%s", strerror(errno));
			hit++;
		}
		look = rm_look(self->consumer, self->id, (index + 9) % LARGE);
		EXPECT_TRUE(look == 0x3c || (look < 0 && errno == EHWPOISON));
	}
	end_worker(&worker);
	TH_LOG("%d of %d hit, %lu attempts", hit, i, worker.done);
	EXPECT_LE(4, hit);
	EXPECT_EQ(0, worker.wrong);

	/* The memory may have gone and come back, as another page, before the error came. */
	for (int page = 0; page < LARGE; page++) {
		if (rm_get(self->consumer, self->id, page) >= 0)
			continue;
		ASSERT_EQ(EHWPOISON, errno);
		ASSERT_EQ(0, replace(self->fd, self->consumer, self->id, page));
	}
	EXPECT_EQ(0, collapse(self->fd, 0, LARGE, &large))
		TH_LOG("with new memory it can be large: %s", strerror(errno));
	for (int page = 0; page < LARGE; page++) {
		EXPECT_EQ(0x3c, rm_look(self->consumer, self->id, page))
			TH_LOG("page %d", page);
	}
	told = rm_counters(self->consumer);
	EXPECT_EQ(told.starts, told.ends);
	EXPECT_EQ(0, told.active);
	EXPECT_EQ(0, told.broken);
}

/* An error in memory of somebody else, who is killed for it: how many seconds. */
static long error_elsewhere(void)
{
	struct timespec before, after;
	pid_t child;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &before);
	child = fork();
	if (!child) {
		char *memory = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		memset(memory, 1, page_size());
		if (madvise(memory, page_size(), MADV_HWPOISON))
			_exit(1);
		_exit(__atomic_load_n(memory, __ATOMIC_RELAXED));
	}
	if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != SIGBUS)
		return LONG_MAX;
	clock_gettime(CLOCK_MONOTONIC, &after);
	return after.tv_sec - before.tv_sec;
}

FIXTURE(poison_hole) {
	int fd, consumer, id;
};

/* Where the consumer is slow, and how one sees that it has got there. */
FIXTURE_VARIANT(poison_hole) {
	struct rmtest_behaviour slow;
	size_t counter;
};

FIXTURE_VARIANT_ADD(poison_hole, asked) {
	.slow = { .prepare_delay_ms = 60000 },
	.counter = offsetof(struct rmtest_counters, prepares),
};

FIXTURE_VARIANT_ADD(poison_hole, told) {
	.slow = { .start_delay_ms = 60000 },
	.counter = offsetof(struct rmtest_counters, starts),
};

FIXTURE_SETUP(poison_hole)
{
	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	/* A test that ran into its time limit has not cleaned up. */
	confine_nothing();
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->id = rm_bind(self->consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, rm_fill(self->consumer, self->id, 0, PAGES, 0x3c));
}

FIXTURE_TEARDOWN(poison_hole)
{
}

TEST_F_TIMEOUT(poison_hole, over_the_page_does_not_keep_the_error_waiting, 120)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .start = 8, .end = 10 };
	long pfn = rm_get(self->consumer, self->id, 8);
	struct timespec start;

	ASSERT_EQ(0, rm_behave(self->consumer, variant->slow));
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait(self->consumer, variant->counter, 1));

	clock_gettime(CLOCK_MONOTONIC, &start);
	EXPECT_EQ(0, poison(pfn))
		TH_LOG("of the page that is about to go");
	EXPECT_GT(SECONDS, error_elsewhere())
		TH_LOG("all memory errors of the machine would wait");
	EXPECT_FALSE(is_late(&start));
	EXPECT_FALSE(hole.done);

	ASSERT_EQ(0, rm_behave(self->consumer, (struct rmtest_behaviour){}));
	EXPECT_EQ(0, rm_continue(self->consumer));
	EXPECT_EQ(0, rm_call_end(&hole));
	EXPECT_EQ(PAGES - 2, pages_of(self->fd));

	/* Who has waited for the lock of the file longer gets it first. */
	EXPECT_EQ(0, punch(self->fd, 16, 17));
	EXPECT_EQ(0, rm_counters(self->consumer).errors)
		TH_LOG("the page had gone before anybody could be told");
	EXPECT_EQ(0, rm_counters(self->consumer).active);
	EXPECT_EQ(0, rm_look(self->consumer, self->id, 8));
	EXPECT_NE(pfn, rm_get(self->consumer, self->id, 8));
	EXPECT_EQ(0x3c, rm_look(self->consumer, self->id, 7));
}

TEST_HARNESS_MAIN
