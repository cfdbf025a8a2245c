// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever is killed because their cgroup is out of memory, in the middle of an
 * operation. The kernel does not wait for them to be dead before it takes what they
 * have: also memory from which they are just loading.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "cgroup.h"
#include "load.h"
#include "collapse.h"
#include "test_consumer.h"
#include "left.h"
#include "stays.h"

#define MIB	(1024L * 1024)
#define LIMIT	(64 * MIB)
#define OWN	(24 * MIB)	/* of the victim, beside the file */
#define HOG	(48 * MIB)	/* fits if the victim goes, whatever the file has */

#define LARGE	512
#define PAGES	(4 * LARGE)
#define BATCH	512	/* pages that are loaded before anybody looks for signals */
#define EXCL	RMTEST_EXCLUSIVE
#define SHRD	RMTEST_SHARED

/* What the victim has, and how often it has done its work. */
struct scene {
	int fd, source;
	char *own;
	int *rounds;
};

/* What a victim does, again and again */

static int touch_all(struct scene *scene)
{
	int consumer = new_consumer(), id = rm_bind(consumer, scene->fd, 0, PAGES, EXCL);
	int ret = punch(scene->fd, 0, PAGES);

	if (!ret && rm_get_range(consumer, id, 0, PAGES) < 0)
		ret = -1;
	close(consumer);
	return ret;
}

static int reserve_all(struct scene *scene)
{
	return punch(scene->fd, 0, PAGES) || reserve(scene->fd, 0, PAGES) ? -1 : 0;
}

/* Without a hole, which would have to wait for whoever holds up the last block. */
static int reserve_more(struct scene *scene)
{
	return reserve(scene->fd, 0, PAGES);
}

static int load_all(struct scene *scene)
{
	long pages;

	if (punch(scene->fd, 0, PAGES))
		return -1;
	return load_pages(scene->fd, 0, PAGES, scene->own, &pages);
}

static int load_all_from_file(struct scene *scene)
{
	long pages;

	if (punch(scene->fd, 0, PAGES))
		return -1;
	return load_pages_fd(scene->fd, 0, PAGES, scene->source, 0, &pages);
}

/* No page is large any more. */
static int bind_pages(struct scene *scene)
{
	int consumer = new_consumer(), ret = 0;

	for (int i = 1; i < PAGES && !ret; i += LARGE)
		if (rm_bind(consumer, scene->fd, i, i + 1, SHRD) < 0)
			ret = -1;
	close(consumer);
	return ret;
}

static int collapse_all(struct scene *scene)
{
	long large;

	if (bind_pages(scene) || collapse(scene->fd, 0, PAGES, &large))
		return -1;
	return large ? 0 : -1;
}

static int punch_all(struct scene *scene)
{
	return punch(scene->fd, 0, PAGES);
}

static int touch_one(struct scene *scene)
{
	int consumer = new_consumer();

	return rm_get(consumer, rm_bind(consumer, scene->fd, 0, 1, SHRD), 0) < 0 ? -1 : 0;
}

FIXTURE(victim) {
	char cgroup[64];
	struct scene scene;
	int watcher, id;
	long long shmem, references;
};

/* What is present begins with the file, is as it was loaded or zeroes, and ends somewhere. */
FIXTURE_VARIANT(victim) {
	int (*work)(struct scene *scene);
	bool filled;			/* at first */
	long least, most;		/* pages that are present */
	bool zeroes;
	bool reserved;			/* none, or all of them */
	/* Whether the victim is in a callback when it is killed, which, and what that does. */
	bool called;
	size_t counter;
	struct rmtest_behaviour behaviour;
	/* Or whether somebody else is in it, with the last page, and the victim waits. */
	bool waits;
};

FIXTURE_VARIANT_ADD(victim, touches) {
	.work = touch_all, .most = PAGES, .zeroes = true,
};

FIXTURE_VARIANT_ADD(victim, reserves) {
	.work = reserve_all, .reserved = true,
};

FIXTURE_VARIANT_ADD(victim, loads) {
	.work = load_all, .most = PAGES,
};

FIXTURE_VARIANT_ADD(victim, loads_from_a_file) {
	.work = load_all_from_file, .most = PAGES,
};

FIXTURE_VARIANT_ADD(victim, binds) {
	.work = bind_pages, .filled = true, .least = PAGES, .most = PAGES,
};

FIXTURE_VARIANT_ADD(victim, collapses) {
	.work = collapse_all, .filled = true, .least = PAGES, .most = PAGES,
};

#define FOR_LONG 100000

FIXTURE_VARIANT_ADD(victim, in_populate) {
	.work = touch_one,
	.called = true, .counter = offsetof(struct rmtest_counters, populates),
	.behaviour = { .populate_delay_ms = FOR_LONG, .flags = RMTEST_DELAY_INTERRUPTIBLE },
};

/* It is in the middle then, with three of four blocks. */
FIXTURE_VARIANT_ADD(victim, reserves_and_waits) {
	.work = reserve_more, .waits = true,
	.called = true, .counter = offsetof(struct rmtest_counters, populates),
	.behaviour = { .populate_delay_ms = FOR_LONG },
};

FIXTURE_VARIANT_ADD(victim, in_prepare) {
	.work = punch_all, .filled = true, .least = PAGES, .most = PAGES,
	.called = true, .counter = offsetof(struct rmtest_counters, prepares),
	.behaviour = { .prepare_delay_ms = FOR_LONG, .flags = RMTEST_DELAY_INTERRUPTIBLE },
};

FIXTURE_VARIANT_ADD(victim, in_prepare_of_a_collapse) {
	.work = collapse_all, .filled = true, .least = PAGES, .most = PAGES,
	.called = true, .counter = offsetof(struct rmtest_counters, prepares),
	.behaviour = { .prepare_delay_ms = FOR_LONG, .flags = RMTEST_DELAY_INTERRUPTIBLE },
};

/* There is no way back, and no signal reaches it. */
FIXTURE_VARIANT_ADD(victim, in_start) {
	.work = punch_all, .filled = true,
	.called = true, .counter = offsetof(struct rmtest_counters, starts),
	.behaviour = { .start_delay_ms = 1000 },
};

/* Longer than the kernel waits before it takes the memory that is being loaded from. */
FIXTURE_VARIANT_ADD(victim, in_populate_of_a_load) {
	.work = load_all, .least = BATCH, .most = BATCH,
	.called = true, .counter = offsetof(struct rmtest_counters, populates),
	.behaviour = { .populate_delay_ms = 5000 },
};

/* Memory of whoever calls, in which each page has its byte. */
static char *new_bytes(size_t size, int flags, int fd)
{
	char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (bytes == MAP_FAILED)
		return NULL;
	for (long i = 0; i < (long)size / page_size(); i++)
		memset(bytes + i * page_size(), byte_of(i), page_size());
	return bytes;
}

FIXTURE_SETUP(victim)
{
	struct scene *scene = &self->scene;
	char limit[32];
	long pages;

	if (geteuid())
		SKIP(return, "needs a cgroup");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	if (variant->work == collapse_all && access("/sys/kernel/mm/transparent_hugepage", F_OK))
		SKIP(return, "this kernel has no large pages");
	if (!new_cgroup(self->cgroup, sizeof(self->cgroup), "victim"))
		SKIP(return, "no memory controller in " CGROUPS);
	snprintf(limit, sizeof(limit), "%ld", LIMIT);
	ASSERT_EQ(0, set_in(self->cgroup, "memory.max", limit));
	/* There is none if the machine has no swap. */
	set_in(self->cgroup, "memory.swap.max", "0");

	scene->source = memfd_create("source", 0);
	ASSERT_EQ(0, ftruncate(scene->source, PAGES * page_size()));
	ASSERT_NE(NULL, new_bytes(PAGES * page_size(), MAP_SHARED, scene->source));
	scene->rounds = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, scene->rounds);
	*scene->rounds = 0;
	self->references = read_number(REFERENCES);
	self->shmem = shmem();

	/* The cgroup pays for the file of whoever creates it. */
	ASSERT_EQ(0, set_in(self->cgroup, "cgroup.procs", "0"));
	scene->fd = new_sized_file(PAGES * page_size());
	ASSERT_EQ(0, set_in(CGROUPS, "cgroup.procs", "0"));
	ASSERT_LE(0, scene->fd);
	if (variant->filled)
		ASSERT_EQ(0, load_pages_fd(scene->fd, 0, PAGES, scene->source, 0, &pages));
	self->watcher = new_consumer();
	ASSERT_LE(0, self->watcher);
	if (variant->called) {
		self->id = rm_bind(self->watcher, scene->fd, 0, PAGES, SHRD | RMTEST_LOADABLE);
		ASSERT_LT(0, self->id);
		ASSERT_EQ(0, rm_behave(self->watcher, variant->behaviour));
	}
}

FIXTURE_TEARDOWN(victim)
{
	if (self->cgroup[0])
		remove_cgroup(self->cgroup);
}

/* Does its work until it is killed, or something is wrong with it. */
static pid_t start_victim(const char *cgroup, struct scene *scene,
			  int (*work)(struct scene *scene))
{
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (set_in("/proc/self", "oom_score_adj", "1000") ||
	    set_in(cgroup, "cgroup.procs", "0"))
		_exit(1);
	scene->own = new_bytes(OWN, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (!scene->own)
		_exit(2);
	/* At the limit there is no more for the file; that is no reason to be killed. */
	while (!work(scene) || errno == ENOMEM)
		__atomic_fetch_add(scene->rounds, 1, __ATOMIC_RELAXED);
	_exit(3);
}

static bool has_done(const struct scene *scene, int rounds)
{
	for (int ms = 0; ms < 60000; ms += 5) {
		if (__atomic_load_n(scene->rounds, __ATOMIC_RELAXED) >= rounds)
			return true;
		rm_sleep_ms(5);
	}
	return false;
}

/* Waits until the file has more memory than that. */
static bool exceeds(int fd, long pages)
{
	for (int ms = 0; ms < 60000; ms += 5) {
		if (pages_of(fd) > pages)
			return true;
		rm_sleep_ms(5);
	}
	return false;
}

/* How many of the first pages have not what they must have; -1: an error. */
static long count_wrong(int fd, long pages, bool zeroes)
{
	int consumer = new_consumer(), id = rm_bind(consumer, fd, 0, PAGES, SHRD);
	long wrong = 0;

	for (long i = 0; i < pages; i++)
		wrong += rm_look(consumer, id, i) != (zeroes ? 0 : byte_of(i));
	close(consumer);
	return id < 0 ? -1 : wrong;
}

/* Nothing is locked, bound or lost: whoever comes next can have all of the file. */
static bool is_free(int fd)
{
	int consumer = new_consumer(), id = rm_bind(consumer, fd, 0, PAGES, EXCL);
	bool all = id > 0 && !reserve(fd, 0, PAGES) && pages_of(fd) == PAGES &&
		   rm_get_range(consumer, id, 0, PAGES) > 0 && !punch(fd, 0, PAGES) &&
		   !pages_of(fd);

	close(consumer);
	return all;
}

static long kb(long pages)
{
	return pages * page_size() / 1024;
}

TEST_F_TIMEOUT(victim, leaves_the_file_to_others, 240)
{
	struct scene *scene = &self->scene;
	struct rm_call last = {
		.what = CALL_GET, .consumer = self->watcher, .id = self->id,
		.start = PAGES - 1,
	};
	struct rmtest_counters told;
	long present, reserved;
	pid_t victim;
	int status;

	if (variant->waits) {
		ASSERT_EQ(0, rm_call_start(&last));
		ASSERT_TRUE(rm_wait(self->watcher, variant->counter, 1));
	}
	victim = start_victim(self->cgroup, scene, variant->work);
	ASSERT_LT(0, victim);
	ASSERT_TRUE(variant->waits ? exceeds(scene->fd, PAGES - LARGE) :
		    variant->called ? rm_wait(self->watcher, variant->counter, 1) :
		    has_done(scene, 2));

	EXPECT_EQ(0, take(self->cgroup, HOG, "-1000"))
		TH_LOG("there is no room where the victim was");
	BEHAVE(self->watcher, .flags = 0);
	EXPECT_EQ(0, rm_continue(self->watcher));
	ASSERT_EQ(victim, waitpid(victim, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		TH_LOG("status 0x%x", status);
	EXPECT_EQ(1, key_in(self->cgroup, "memory.events", "oom_kill"));

	if (variant->waits) {
		EXPECT_LT(0, rm_call_end(&last));
		ASSERT_EQ(0, punch(scene->fd, PAGES - 1, PAGES));
	}

	/* In the middle of nothing any more: all of a step is there, or nothing of it. */
	present = lseek(scene->fd, 0, SEEK_HOLE) / page_size();
	reserved = pages_of(scene->fd) - present;
	TH_LOG("%d rounds, %ld pages are present", *scene->rounds, present);
	EXPECT_LE(variant->least, present);
	EXPECT_GE(variant->most, present);
	EXPECT_TRUE(!reserved || (variant->reserved && reserved == PAGES))
		TH_LOG("%ld pages are reserved", reserved);
	EXPECT_EQ(kb(present), fdinfo_of(scene->fd, "present:"));
	EXPECT_EQ(kb(reserved), fdinfo_of(scene->fd, "reserved:"));
	told = rm_counters(self->watcher);
	EXPECT_EQ(told.starts, told.ends);
	EXPECT_EQ(0, told.active);
	EXPECT_EQ(0, count_wrong(scene->fd, present, variant->zeroes));

	if (variant->called)
		ASSERT_EQ(0, rm_unbind(self->watcher, self->id));
	EXPECT_TRUE(is_free(scene->fd));
	close(self->watcher);
	close(scene->fd);
	EXPECT_EQ(self->references, read_number(REFERENCES))
		TH_LOG("no binding and no consumer is left");
	EXPECT_TRUE(shmem_back_to(self->shmem))
		TH_LOG("%lld kB before, %lld after", self->shmem, shmem());
	EXPECT_TRUE(falls_below(self->cgroup, MIB))
		TH_LOG("%lld bytes are left", number_in(self->cgroup, "memory.current"));
	remove_cgroup(self->cgroup);
	EXPECT_EQ(-1, access(self->cgroup, F_OK));
	self->cgroup[0] = '\0';
}

TEST_HARNESS_MAIN
