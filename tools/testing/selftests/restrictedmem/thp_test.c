// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever the kernel does with large folios, or with memory at all: it may split
 * them, but nothing of what is in them changes, and none of it moves.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "restrictedmem.h"
#include "text.h"
#include "cgroup.h"
#include "test_consumer.h"
#include "stays.h"

#define SPLIT_ALL "/sys/kernel/debug/split_huge_pages"
#define DROP "/proc/sys/vm/drop_caches"
#define COMPACT "/proc/sys/vm/compact_memory"

#define ORDER 9
#define LARGE 512
#define SECONDS 4

/* What a cgroup may have, and what one process of it writes to. */
#define LIMIT "64M"
#define HOG (56L << 20)

/* So many pages have to be written out at least. */
#define WRITTEN 200

FIXTURE(thp) {
	int consumer;
	char policy[32];
};

FIXTURE_SETUP(thp)
{
	if (geteuid())
		SKIP(return, "sets policies of the whole machine");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	if (!want_large(self->policy, sizeof(self->policy)))
		SKIP(return, "cannot change " LARGE_POLICY);
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
}

FIXTURE_TEARDOWN(thp)
{
	if (self->policy[0])
		write_text(LARGE_POLICY, self->policy);
}

static int count_large(const struct held *held, int consumer)
{
	int large = 0;

	for (uint64_t i = 0; i < held->pages; i += LARGE)
		large += rm_order(consumer, held->id, i) == ORDER;
	return large;
}

TEST_F_TIMEOUT(thp, splits_of_the_kernel_change_nothing_else, 60)
{
	const uint64_t pages = 4 * LARGE;
	struct held held;

	if (access(SPLIT_ALL, W_OK))
		SKIP(return, "there is no " SPLIT_ALL);
	ASSERT_EQ(0, hold(&held, self->consumer, new_sized_file(pages * page_size()), pages,
			  true));
	if (!count_large(&held, self->consumer))
		SKIP(return, "no large folio to be had");
	ASSERT_EQ(0, write_text(SPLIT_ALL, "1"));
	EXPECT_EQ(0, count_large(&held, self->consumer))
		TH_LOG("what a get says of the order is no promise");
	EXPECT_EQ(0, count_changed(&held, self->consumer));
	EXPECT_EQ(0, rm_counters(self->consumer).starts)
		TH_LOG("a split is no invalidation");
	EXPECT_EQ(0, punch(held.fd, 1, LARGE));
	EXPECT_EQ(pages - LARGE + 1, pages_of(held.fd));
}

/* The kernel gives back what large folios have beyond the end of a file. */
TEST_F_TIMEOUT(thp, nothing_beyond_the_end_is_to_be_given_back, 60)
{
	const uint64_t pages = LARGE + 13;
	int ordinary = memfd_create("ordinary", 0);
	struct held held;

	ASSERT_EQ(0, ftruncate(ordinary, pages * page_size()));
	for (uint64_t i = 0; i < pages; i++)
		ASSERT_EQ(1, pwrite(ordinary, "x", 1, i * page_size()));
	if (pages_of(ordinary) != 2 * LARGE)
		SKIP(return, "no large folio to be had");
	ASSERT_EQ(0, hold(&held, self->consumer, new_sized_file(pages * page_size()), pages,
			  true));
	EXPECT_EQ(pages, pages_of(held.fd));

	for (int i = 0; i < 20 && pages_of(ordinary) > (long)pages; i++)
		ASSERT_EQ(0, write_text(DROP, "2"));
	EXPECT_EQ(pages, pages_of(ordinary))
		TH_LOG("it does so");
	EXPECT_EQ(pages, pages_of(held.fd));
	EXPECT_EQ(0, count_changed(&held, self->consumer));
	EXPECT_EQ(0, rm_counters(self->consumer).starts);
}

static bool over;

/* Whatever an administrator might do, over and over. */
static void *disturb(void *arg)
{
	static const char * const what[][2] = {
		{ LARGE_POLICY, "never" }, { DROP, "3" }, { SPLIT_ALL, "1" },
		{ LARGE_POLICY, "within_size" }, { COMPACT, "1" },
		{ LARGE_POLICY, "deny" }, { DROP, "1" },
		{ LARGE_POLICY, "force" }, { COMPACT, "1" }, { SPLIT_ALL, "1" },
		{ LARGE_POLICY, "always" },
	};
	unsigned long *done = arg;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		const char * const *one = what[*done % ARRAY_SIZE(what)];

		write_text(one[0], one[1]);
		++*done;
	}
	return NULL;
}

FIXTURE(disturbed) {
	int consumer;
	char policy[32], cgroup[64];
	pid_t hog;
};

FIXTURE_VARIANT(disturbed) {
	bool short_of_memory;
};

FIXTURE_VARIANT_ADD(disturbed, alone) {};

FIXTURE_VARIANT_ADD(disturbed, and_short_of_memory) { .short_of_memory = true };

FIXTURE_SETUP(disturbed)
{
	if (geteuid())
		SKIP(return, "sets policies of the whole machine");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	if (variant->short_of_memory && read_key("/proc/meminfo", "SwapFree:") * 1024 < HOG)
		SKIP(return, "needs swap");
	if (!want_large(self->policy, sizeof(self->policy)))
		SKIP(return, "cannot change " LARGE_POLICY);
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
	if (!variant->short_of_memory)
		return;
	if (!new_cgroup(self->cgroup, sizeof(self->cgroup), "disturbed"))
		SKIP(return, "no memory controller in " CGROUPS);
	ASSERT_EQ(0, set_in(self->cgroup, "memory.max", LIMIT));
	ASSERT_EQ(0, set_in(self->cgroup, "cgroup.procs", "0"));
}

FIXTURE_TEARDOWN(disturbed)
{
	if (self->hog > 0 && !kill(self->hog, SIGKILL))
		waitpid(self->hog, NULL, 0);
	if (self->cgroup[0]) {
		set_in(CGROUPS, "cgroup.procs", "0");
		remove_cgroup(self->cgroup);
	}
	if (self->policy[0])
		write_text(LARGE_POLICY, self->policy);
}

/* Somebody whose memory has to be written out, over and over. */
static pid_t start_hog(void)
{
	pid_t child = fork();
	char *memory;

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memory = mmap(NULL, HOG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		_exit(1);
	for (char turn = 1; ; turn++)
		for (long at = 0; at < HOG; at += page_size())
			memory[at] = turn;
}

static long long written_out(void)
{
	return read_key("/proc/vmstat", "pswpout");
}

/* A cgroup at its limit may have no page to give right now. */
static bool lacks(bool short_of_memory)
{
	return short_of_memory && errno == ENOMEM;
}

TEST_F_TIMEOUT(disturbed, toggles_change_nothing, 240)
{
	const uint64_t pages = 4 * LARGE;
	int fd = memfd_restricted(RMFD_HUGEPAGE, -1), id;
	long long written = written_out();
	unsigned long done = 0, holes = 0, lacked = 0;
	struct timespec start, now;
	unsigned int seed = 1;
	struct held held;
	pthread_t thread;

	ASSERT_EQ(0, hold(&held, self->consumer, new_sized_file(pages * page_size()), pages,
			  true));
	ASSERT_EQ(0, ftruncate(fd, pages * page_size()));
	id = rm_bind(self->consumer, fd, 0, pages, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);
	BEHAVE(self->consumer, .flags = RMTEST_CHECK_ZERO);
	ASSERT_EQ(0, pthread_create(&thread, NULL, disturb, &done));
	if (variant->short_of_memory) {
		self->hog = start_hog();
		ASSERT_LT(0, self->hog);
	}

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		uint64_t index = rand_r(&seed) % (pages - 1), len = 1 + rand_r(&seed) % 64;
		unsigned char byte = byte_of(index);
		struct rmtest_get get;
		bool hole;
		int now_there;

		clock_gettime(CLOCK_MONOTONIC, &now);
		len = len < pages - index ? len : pages - index;
		if (rm_fill(self->consumer, id, index, index + 1, byte)) {
			ASSERT_TRUE(lacks(variant->short_of_memory));
			lacked++;
			continue;
		}
		ASSERT_EQ(0, rm_get_flags(self->consumer, id, index, RMTEST_GET_MAP, &get));
		ASSERT_EQ(get.pfn, rm_get(self->consumer, id, index));
		ASSERT_EQ(byte, rm_look(self->consumer, id, index));
		/* A folio that is being split has references for a moment. */
		hole = !punch(fd, index, index + len);
		if (!hole)
			ASSERT_TRUE(errno == EAGAIN || lacks(variant->short_of_memory));
		holes += hole;
		now_there = rm_look(self->consumer, id, index);
		if (now_there < 0 && lacks(variant->short_of_memory)) {
			lacked++;
			continue;
		}
		ASSERT_EQ(hole ? 0 : byte, now_there);
	} while (now.tv_sec - start.tv_sec < SECONDS || !holes || done < 11 ||
		 (variant->short_of_memory && written_out() - written < WRITTEN));

	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	TH_LOG("%lu disturbances, %lu holes, %lld pages written out, %lu times no memory", done,
	       holes, written_out() - written, lacked);
	if (variant->short_of_memory)
		EXPECT_EQ(0, key_in(self->cgroup, "memory.events", "oom_kill"));
	EXPECT_EQ(0, rm_counters(self->consumer).not_zero);
	EXPECT_EQ(0, rm_counters(self->consumer).broken);
	EXPECT_EQ(0, count_changed(&held, self->consumer));
}

TEST_HARNESS_MAIN
