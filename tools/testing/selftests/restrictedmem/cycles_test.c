// SPDX-License-Identifier: GPL-2.0
/*
 * Ten thousand lives of a file. What the kernel counts is where it was before, or
 * as near as its own counters are exact.
 */
#define _GNU_SOURCE
#include <glob.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "cgroup.h"
#include "test_consumer.h"

#define ENOUGH 500	/* where the kernel is slow */
#define SECONDS 30
#define PAGES 8
#define LARGE 512

/* One that is never given back would be more than that many kB of each. */
#define ROUGHLY 1024

static const char * const counters[] = {
	"Shmem:", "ShmemHugePages:", "Unevictable:", "Mlocked:", "Slab:", "SUnreclaim:",
	"Committed_AS:",
};

#define COUNTERS ((int)ARRAY_SIZE(counters))

/*
 * Has caches give back what is free in them, and KASAN what it keeps to see whether
 * somebody still uses it.
 */
static void shrink_caches(void)
{
	glob_t caches;

	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &caches))
		return;
	for (size_t i = 0; i < caches.gl_pathc; i++)
		write_text(caches.gl_pathv[i], "1");
	globfree(&caches);
}

static void read_counters(long long *values)
{
	shrink_caches();
	/* Processors add up what they know only when told to. */
	write_text("/proc/sys/vm/stat_refresh", "1");
	for (int i = 0; i < COUNTERS; i++)
		values[i] = read_key("/proc/meminfo", counters[i]);
}

FIXTURE(cycles) {
	int consumer;
	char cgroup[64];
};

FIXTURE_VARIANT(cycles) {
	unsigned int flags;
	uint64_t pages;
	int cycles;
};

FIXTURE_VARIANT_ADD(cycles, small)	{ 0, PAGES, 10000 };
FIXTURE_VARIANT_ADD(cycles, large)	{ RMFD_HUGEPAGE, LARGE, 1000 };

FIXTURE_SETUP(cycles)
{
	if (geteuid())
		SKIP(return, "needs a cgroup");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	if (!new_cgroup(self->cgroup, sizeof(self->cgroup), "cycles"))
		SKIP(return, "no memory controller in " CGROUPS);
	ASSERT_EQ(0, set_in(self->cgroup, "cgroup.procs", "0"));
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
}

FIXTURE_TEARDOWN(cycles)
{
	if (self->cgroup[0]) {
		set_in(CGROUPS, "cgroup.procs", "0");
		remove_cgroup(self->cgroup);
	}
}

/* Create, set the size, reserve, touch, punch, close; now and then not all of it. */
static int live(int consumer, unsigned int flags, uint64_t pages, int cycle)
{
	int fd = memfd_restricted(flags, -1), id;

	if (fd < 0 || ftruncate(fd, pages * page_size()))
		return -1;
	if (cycle % 3 && reserve(fd, 0, pages))
		return -1;
	id = rm_bind(consumer, fd, 0, pages, RMTEST_EXCLUSIVE);
	if (id < 0 || rm_get(consumer, id, cycle % pages) < 0 ||
	    rm_get(consumer, id, 0) < 0)
		return -1;
	if (cycle % 4 == 0 && punch(fd, 1, pages / 2))
		return -1;
	if (cycle % 4 == 1 && punch(fd, 0, pages))
		return -1;
	/* Either may be the last that keeps it. */
	if (cycle % 2)
		return close(fd) || rm_unbind(consumer, id) ? -1 : 0;
	return rm_unbind(consumer, id) || close(fd) ? -1 : 0;
}

static long seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - start->tv_sec;
}

/* Have all come back? What is freed later, or by another processor, has a moment. */
static bool are_back(const long long *before, long long *after)
{
	int back = 0;

	for (int i = 0; i < 100 && back < COUNTERS; i++) {
		rm_sleep_ms(50);
		read_counters(after);
		for (back = 0; back < COUNTERS; back++)
			if (after[back] > before[back] + ROUGHLY)
				break;
	}
	return back == COUNTERS;
}

TEST_F_TIMEOUT(cycles, leave_nothing, 240)
{
	long long before[COUNTERS], after[COUNTERS], charged;
	struct timespec start;
	int cycle;

	/* The kernel keeps some memory that it needs for the first of a kind. */
	for (cycle = 0; cycle < ENOUGH / 2; cycle++)
		ASSERT_EQ(0, live(self->consumer, variant->flags, variant->pages, cycle));
	ASSERT_EQ(0, rm_reset(self->consumer));
	charged = number_in(self->cgroup, "memory.current");
	read_counters(before);

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (cycle = 0; cycle < variant->cycles; cycle++) {
		ASSERT_EQ(0, live(self->consumer, variant->flags, variant->pages, cycle))
			TH_LOG("cycle %d: %s", cycle, strerror(errno));
		/* What it writes down is memory, too. */
		if (cycle % 100 == 0)
			ASSERT_EQ(0, rm_reset(self->consumer));
		if (cycle >= ENOUGH && seconds_since(&start) >= SECONDS)
			break;
	}
	TH_LOG("%d lives", cycle);
	ASSERT_EQ(0, rm_reset(self->consumer));

	EXPECT_TRUE(are_back(before, after));
	for (int i = 0; i < COUNTERS; i++) {
		EXPECT_GE(before[i] + ROUGHLY, after[i])
			TH_LOG("%s %lld kB before, %lld kB after", counters[i], before[i],
			       after[i]);
	}
	EXPECT_GE(charged + ROUGHLY * 1024, number_in(self->cgroup, "memory.current"));
	EXPECT_EQ(0, key_in(self->cgroup, "memory.stat", "shmem"));
	EXPECT_EQ(0, key_in(self->cgroup, "memory.stat", "unevictable"));
}

TEST_F(cycles, count_while_they_last)
{
	const uint64_t kib = 4 * LARGE * page_size() / 1024;
	int fd = memfd_restricted(variant->flags, -1), id;
	long long before[COUNTERS], after[COUNTERS];

	read_counters(before);
	ASSERT_EQ(0, ftruncate(fd, kib * 1024));
	id = rm_bind(self->consumer, fd, 0, 4 * LARGE, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);
	ASSERT_LT(0, rm_get_range(self->consumer, id, 0, 4 * LARGE));
	/* New memory waits beside the lists, in small numbers, for each processor. */
	for (int i = 0; i < 100; i++) {
		write_text("/proc/sys/vm/compact_memory", "1");
		read_counters(after);
		if (after[2] >= before[2] + (long long)kib)
			break;
	}
	EXPECT_LE(before[0] + (long long)kib - ROUGHLY, after[0])
		TH_LOG("it is shared memory");
	EXPECT_LE(before[2] + (long long)kib - ROUGHLY, after[2])
		TH_LOG("which cannot be written out");
	EXPECT_GE(before[3] + ROUGHLY, after[3])
		TH_LOG("but is not locked");
}

TEST_HARNESS_MAIN
