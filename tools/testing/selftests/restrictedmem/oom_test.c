// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is out: who is killed for it, and what becomes of restricted memory.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "restrictedmem.h"
#include "text.h"
#include "cgroup.h"
#include "test_consumer.h"
#include "stays.h"

#define MIB	(1024L * 1024)
#define LIMIT	(64 * MIB)
#define HELD	(24 * MIB)

FIXTURE(oom) {
	int consumer;
	char cgroup[64];
};

FIXTURE_SETUP(oom)
{
	char limit[32];

	if (geteuid())
		SKIP(return, "needs a cgroup");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	if (!new_cgroup(self->cgroup, sizeof(self->cgroup), "oom"))
		SKIP(return, "no memory controller in " CGROUPS);
	snprintf(limit, sizeof(limit), "%ld", LIMIT);
	ASSERT_EQ(0, set_in(self->cgroup, "memory.max", limit));
	/* There is none if the machine has no swap. */
	set_in(self->cgroup, "memory.swap.max", "0");
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
}

FIXTURE_TEARDOWN(oom)
{
	if (self->cgroup[0]) {
		set_in(CGROUPS, "cgroup.procs", "0");
		remove_cgroup(self->cgroup);
	}
}

TEST_F_TIMEOUT(oom, who_takes_too_much_is_killed_and_not_who_has_it, 120)
{
	const uint64_t pages = HELD / 2 / page_size();
	struct held bound, loose;
	int status;

	ASSERT_EQ(0, set_in(self->cgroup, "cgroup.procs", "0"));
	ASSERT_EQ(0, hold(&bound, self->consumer, new_sized_file(HELD / 2), pages, true));
	ASSERT_EQ(0, hold(&loose, self->consumer, new_sized_file(HELD / 2), pages, false));
	ASSERT_LE(HELD, number_in(self->cgroup, "memory.current"));

	status = take(self->cgroup, 2 * LIMIT, "0");
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_EQ(1, key_in(self->cgroup, "memory.events", "oom_kill"))
		TH_LOG("and nobody else, us for example");
	EXPECT_STAYED(self->consumer, &bound, &loose);
}

/* Waits until somebody else says something, or is no more. */
static bool heard_from(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

TEST_F_TIMEOUT(oom, the_memory_of_who_is_killed_is_free, 120)
{
	int pipes[2], status;
	pid_t owner;

	ASSERT_EQ(0, pipe(pipes));
	owner = fork();
	ASSERT_LE(0, owner);
	if (!owner) {
		struct held held;

		/* The device is a descriptor of ours, too, and would keep the memory. */
		if (set_in("/proc/self", "oom_score_adj", "1000") ||
		    set_in(self->cgroup, "cgroup.procs", "0") ||
		    hold(&held, new_consumer(), new_sized_file(2 * HELD), HELD / page_size(),
			 true) ||
		    fallocate(held.fd, RESERVE, HELD, HELD) ||
		    write(pipes[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(pipes[1]);
	ASSERT_TRUE(heard_from(pipes[0]));
	ASSERT_LE(2 * HELD, number_in(self->cgroup, "memory.current"));

	/* It only fits if the owner goes, and its memory with it. */
	status = take(self->cgroup, LIMIT - HELD, "-1000");
	EXPECT_EQ(0, status);
	ASSERT_EQ(owner, waitpid(owner, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_TRUE(falls_below(self->cgroup, HELD / 4));
}

/* All memory of the machine is out, and not only that of a group. */
TEST_F_TIMEOUT(oom, of_the_machine, 240)
{
	const uint64_t pages = HELD / 2 / page_size();
	long long before = read_key("/proc/vmstat", "oom_kill");
	struct held bound, loose;
	int status;
	pid_t hog;

	ASSERT_EQ(0, hold(&bound, self->consumer, new_sized_file(HELD / 2), pages, true));
	ASSERT_EQ(0, hold(&loose, self->consumer, new_sized_file(HELD / 2), pages, false));
	hog = fork();
	ASSERT_LE(0, hog);
	if (!hog) {
		const size_t size = 4 * MIB;

		/* Locked, so that it does not have to be written out first. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		set_in("/proc/self", "oom_score_adj", "1000");
		while (mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			    MAP_POPULATE | MAP_LOCKED, -1, 0) != MAP_FAILED)
			;
		_exit(1);
	}
	ASSERT_EQ(hog, waitpid(hog, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_EQ(before + 1, read_key("/proc/vmstat", "oom_kill"))
		TH_LOG("and nobody else");
	EXPECT_STAYED(self->consumer, &bound, &loose);
}

TEST_HARNESS_MAIN
