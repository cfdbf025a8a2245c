// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever is killed while they wait for somebody else's consumer dies at once, has
 * done nothing, and leaves nothing locked; whoever is killed when it is too late
 * for that has done all of it.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "load.h"
#include "test_consumer.h"

#define PAGES 64
#define HELD 8			/* pages that A has bound, and filled */
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

/* A file, of which A holds the first pages and B the next ones. */
struct scene {
	int fd, a, b, id, other_id;
};

FIXTURE(kill) {
	struct scene scene;
};

FIXTURE_SETUP(kill)
{
	struct scene *scene = &self->scene;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	scene->a = new_consumer();
	ASSERT_LE(0, scene->a);
	scene->b = new_consumer();
	ASSERT_LE(0, scene->b);
	scene->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, scene->fd);
	scene->id = rm_bind(scene->a, scene->fd, 0, HELD, EXCL);
	ASSERT_LT(0, scene->id);
	scene->other_id = rm_bind(scene->b, scene->fd, HELD, 2 * HELD, EXCL);
	ASSERT_LT(0, scene->other_id);
	ASSERT_EQ(0, rm_fill(scene->a, scene->id, 0, HELD, 7));
}

FIXTURE_TEARDOWN(kill)
{
	close(self->scene.a);
	close(self->scene.b);
	close(self->scene.fd);
}

/* What a child does that will be killed */

static int op_bind(struct scene *scene)
{
	return rm_bind(scene->b, scene->fd, 32, 40, SHRD);
}

static int op_first_touch(struct scene *scene)
{
	return rm_get(scene->b, scene->other_id, HELD) < 0 ? -1 : 0;
}

static int op_touch(struct scene *scene)
{
	return rm_get(scene->a, scene->id, 0) < 0 ? -1 : 0;
}

static int op_reserve(struct scene *scene)
{
	return reserve(scene->fd, 32, PAGES);
}

static int op_load(struct scene *scene)
{
	char bytes[2 * page_size()];
	long pages;

	memset(bytes, 0x21, sizeof(bytes));
	return load_pages(scene->fd, 32, 34, bytes, &pages);
}

static int op_punch(struct scene *scene)
{
	return punch(scene->fd, 0, HELD);
}

static pid_t start(int (*operation)(struct scene *scene), struct scene *scene)
{
	pid_t child = fork();

	if (!child)
		_exit(operation(scene) < 0 ? errno : 0);
	return child;
}

/* Waits until a process sleeps in a system call. */
static bool is_asleep_in(pid_t pid, long call)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	for (int ms = 0; ms < 20000; ms += 5) {
		if (read_number(path) == call)
			return true;
		rm_sleep_ms(5);
	}
	return false;
}

/* Kills a process: does it end, without anybody letting go of anything? */
static bool ends_when_killed(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	for (int ms = 0; ms < 20000; ms += 5) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		rm_sleep_ms(5);
	}
	return false;
}

/* Nothing is locked, bound or lost: whoever comes next can have all of the file. */
static bool is_free(struct scene *scene)
{
	int consumer = new_consumer(), id;
	bool all;

	rm_unbind(scene->a, scene->id);
	rm_unbind(scene->b, scene->other_id);
	id = rm_bind(consumer, scene->fd, 0, PAGES, EXCL);
	all = id > 0 && !reserve(scene->fd, 0, PAGES) &&
	      rm_get_range(consumer, id, 0, PAGES) > 0 && !punch(scene->fd, 0, PAGES) &&
	      !pages_of(scene->fd);
	close(consumer);
	return all;
}

TEST_F_TIMEOUT(kill, who_waits_for_a_hole_dies_at_once, 240)
{
	static const struct {
		const char *name;
		int (*operation)(struct scene *scene);
		long call;
	} calls[] = {
		{ "bind", op_bind, SYS_ioctl },
		{ "first touch", op_first_touch, SYS_ioctl },
		{ "reserve", op_reserve, SYS_fallocate },
		{ "load", op_load, SYS_ioctl },
		{ "another hole", op_punch, SYS_fallocate },
	};
	struct scene *scene = &self->scene;
	struct rmtest_counters b;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		struct rm_call hole = { .what = CALL_PUNCH, .fd = scene->fd, .end = 1 };
		pid_t child;

		ASSERT_EQ(0, rm_fill(scene->a, scene->id, 0, HELD, 7));
		ASSERT_EQ(0, rm_reset(scene->a));
		BEHAVE(scene->a, .prepare_delay_ms = 100000);
		ASSERT_EQ(0, rm_call_start(&hole));
		ASSERT_TRUE(rm_wait_for(scene->a, prepares, 1));

		child = start(calls[i].operation, scene);
		ASSERT_LT(0, child);
		EXPECT_TRUE(is_asleep_in(child, calls[i].call))
			TH_LOG("%s waits", calls[i].name);
		EXPECT_TRUE(ends_when_killed(child))
			TH_LOG("%s", calls[i].name);
		EXPECT_FALSE(hole.done)
			TH_LOG("%s: what it waited for goes on", calls[i].name);

		EXPECT_EQ(0, rm_continue(scene->a));
		EXPECT_EQ(0, rm_call_end(&hole));
		EXPECT_EQ(1, rm_counters(scene->a).starts)
			TH_LOG("%s: there was one hole", calls[i].name);
		EXPECT_EQ(HELD - 1, pages_of(scene->fd))
			TH_LOG("%s has done nothing", calls[i].name);
		EXPECT_EQ(7, rm_look(scene->a, scene->id, 1));
	}
	b = rm_counters(scene->b);
	EXPECT_EQ(1, b.bindings);
	EXPECT_EQ(0, b.populates);
	BEHAVE(scene->a, .flags = 0);
	EXPECT_TRUE(is_free(scene));
}

TEST_F_TIMEOUT(kill, in_populate, 120)
{
	struct scene *scene = &self->scene;
	pid_t child;

	ASSERT_EQ(0, punch(scene->fd, 0, HELD));
	ASSERT_EQ(0, rm_reset(scene->a));
	BEHAVE(scene->a, .populate_delay_ms = 100000, .flags = RMTEST_DELAY_INTERRUPTIBLE);
	child = start(op_touch, scene);
	ASSERT_LT(0, child);
	ASSERT_TRUE(rm_wait_for(scene->a, populates, 1));
	EXPECT_TRUE(ends_when_killed(child));
	EXPECT_EQ(0, pages_of(scene->fd))
		TH_LOG("what the call allocated is gone again");

	BEHAVE(scene->a, .flags = RMTEST_CHECK_ZERO);
	EXPECT_EQ(0, rm_look(scene->a, scene->id, 0))
		TH_LOG("the next one");
	EXPECT_EQ(2, rm_counters(scene->a).populates);
	EXPECT_TRUE(is_free(scene));
}

TEST_F_TIMEOUT(kill, in_prepare, 120)
{
	struct scene *scene = &self->scene;
	pid_t child;

	BEHAVE(scene->a, .prepare_delay_ms = 100000, .flags = RMTEST_DELAY_INTERRUPTIBLE);
	child = start(op_punch, scene);
	ASSERT_LT(0, child);
	ASSERT_TRUE(rm_wait_for(scene->a, prepares, 1));
	EXPECT_TRUE(ends_when_killed(child));
	EXPECT_EQ(HELD, pages_of(scene->fd));
	EXPECT_EQ(7, rm_look(scene->a, scene->id, 0));
	EXPECT_EQ(0, rm_counters(scene->a).starts);
	BEHAVE(scene->a, .flags = 0);
	EXPECT_TRUE(is_free(scene));
}

/* Between start and end there is no way back. */
TEST_F_TIMEOUT(kill, in_start, 120)
{
	struct scene *scene = &self->scene;
	struct rmtest_counters a;
	pid_t child;
	int status;

	BEHAVE(scene->a, .start_delay_ms = 1000);
	child = start(op_punch, scene);
	ASSERT_LT(0, child);
	ASSERT_TRUE(rm_wait_for(scene->a, starts, 1));
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	a = rm_counters(scene->a);
	EXPECT_EQ(1, a.ends);
	EXPECT_EQ(0, a.active);
	EXPECT_EQ(0, pages_of(scene->fd))
		TH_LOG("all of the hole is there");
	BEHAVE(scene->a, .flags = 0);
	EXPECT_TRUE(is_free(scene));
}

TEST_HARNESS_MAIN
