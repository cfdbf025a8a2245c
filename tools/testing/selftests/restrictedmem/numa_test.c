// SPDX-License-Identifier: GPL-2.0
/*
 * Machines whose memory is on several nodes: who decides where restricted memory
 * is, and that it is there for good.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <linux/mempolicy.h>

#include "restrictedmem.h"
#include "text.h"
#include "nodes.h"
#include "cgroup.h"
#include "collapse.h"
#include "test_consumer.h"
#include "stays.h"

#define PAGES 256

FIXTURE(numa) {
	int consumer, fd, id;
	char cgroup[64];
};

FIXTURE_SETUP(numa)
{
	if (geteuid())
		SKIP(return, "looks at frames, which only root may");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	if (take_from(1) || take_from(0))
		SKIP(return, "needs two nodes");
	ASSERT_LT(0, frames_of_a_block());
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->id = rm_bind(self->consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(numa)
{
	if (self->cgroup[0]) {
		set_in(CGROUPS, "cgroup.procs", "0");
		remove_cgroup(self->cgroup);
	}
}

#define EXPECT_NODE(node, index) \
	EXPECT_EQ(node, node_of(rm_get(self->consumer, self->id, index)))

TEST_F(numa, is_that_of_the_first_touch)
{
	ASSERT_EQ(0, take_from(1));
	EXPECT_NODE(1, 0);
	ASSERT_EQ(0, take_from(0));
	EXPECT_NODE(0, 1);
	EXPECT_NODE(1, 0);
}

TEST_F(numa, is_that_of_the_reservation)
{
	ASSERT_EQ(0, take_from(1));
	ASSERT_EQ(0, reserve(self->fd, 0, 1));
	ASSERT_EQ(0, take_from(0));
	EXPECT_NODE(1, 0);
}

TEST_F(numa, without_a_policy_it_is_that_of_the_processor)
{
	unsigned int cpu, node;
	cpu_set_t one;

	ASSERT_EQ(0, take_from(-1));
	ASSERT_EQ(0, getcpu(&cpu, NULL));
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	ASSERT_EQ(0, getcpu(NULL, &node));
	EXPECT_NODE(node, 0);
}

TEST_F(numa, the_policy_of_a_mount_comes_first)
{
	int mount_fd;

	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	if (mount("numa", "/tmp", "tmpfs", 0, "mpol=bind:1"))
		SKIP(return, "tmpfs has no policies here");
	mount_fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, mount_fd);
	self->fd = memfd_restricted(RMFD_USERMNT, mount_fd);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ftruncate(self->fd, PAGES * page_size()));
	self->id = rm_bind(self->consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, self->id);
	EXPECT_NODE(1, 0);
}

/* A task that is sent to another node takes along what it has mapped. */
TEST_F_TIMEOUT(numa, does_not_follow_a_task, 60)
{
	const unsigned long from = 1UL << 0, to = 1UL << 1;
	struct ordinary ordinary;
	struct held bound, loose;

	ASSERT_EQ(0, rm_unbind(self->consumer, self->id));
	ASSERT_EQ(0, hold(&bound, self->consumer, self->fd, PAGES, true));
	ASSERT_EQ(0, hold(&loose, self->consumer, new_sized_file(PAGES * page_size()),
			  PAGES, false));
	ASSERT_EQ(0, take_ordinary(&ordinary, PAGES));
	ASSERT_EQ(0, take_from(-1));

	ASSERT_LE(0, syscall(SYS_migrate_pages, getpid(), 8 * sizeof(from), &from, &to));
	EXPECT_LE(PAGES / 2, count_moved(&ordinary));
	EXPECT_STAYED(self->consumer, &bound, &loose);
	EXPECT_EQ(0, node_of(bound.pfns[0]));
}

static long by_mbind(const struct ordinary *ordinary)
{
	const unsigned long to = 1UL << 1;

	return syscall(SYS_mbind, ordinary->memory, ordinary->pages * page_size(), MPOL_BIND,
		       &to, 8 * sizeof(to), MPOL_MF_MOVE_ALL | MPOL_MF_STRICT);
}

static long by_move_pages(const struct ordinary *ordinary)
{
	static int nodes[PAGES], status[PAGES];
	static void *places[PAGES];

	for (int i = 0; i < PAGES; i++) {
		places[i] = ordinary->memory + i * page_size();
		nodes[i] = 1;
	}
	return syscall(SYS_move_pages, getpid(), PAGES, places, nodes, status,
		       MPOL_MF_MOVE_ALL);
}

/* Not even what root moves though others have mapped it, too. */
TEST_F_TIMEOUT(numa, does_not_move_with_all, 60)
{
	long (*const ways[])(const struct ordinary *) = { by_mbind, by_move_pages };
	struct ordinary ordinary;
	struct held bound, loose;
	pid_t other;

	ASSERT_EQ(0, rm_unbind(self->consumer, self->id));
	ASSERT_EQ(0, hold(&bound, self->consumer, self->fd, PAGES, true));
	ASSERT_EQ(0, hold(&loose, self->consumer, new_sized_file(PAGES * page_size()),
			  PAGES, false));
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		ASSERT_EQ(0, take_from(0));
		ASSERT_EQ(0, take_ordinary(&ordinary, PAGES));
		ASSERT_EQ(0, take_from(-1));
		other = fork();
		ASSERT_LE(0, other);
		while (!other)
			pause();

		EXPECT_EQ(0, ways[i](&ordinary));
		EXPECT_LE(PAGES / 2, count_moved(&ordinary));
		EXPECT_STAYED(self->consumer, &bound, &loose);
		EXPECT_EQ(0, node_of(bound.pfns[0]));
		kill(other, SIGKILL);
		EXPECT_EQ(other, waitpid(other, NULL, 0));
	}
}

/* Nor does a group of tasks that is sent there. */
TEST_F_TIMEOUT(numa, does_not_follow_a_cgroup, 60)
{
	struct ordinary ordinary;
	struct held bound, loose;

	ASSERT_EQ(0, take_from(-1));
	if (!new_cgroup(self->cgroup, sizeof(self->cgroup), "numa") ||
	    set_in(CGROUPS, "cgroup.subtree_control", "+cpuset") ||
	    set_in(self->cgroup, "cpuset.mems", "0"))
		SKIP(return, "no cpuset controller in " CGROUPS);
	ASSERT_EQ(0, set_in(self->cgroup, "cgroup.procs", "0"));
	ASSERT_EQ(0, rm_unbind(self->consumer, self->id));
	ASSERT_EQ(0, hold(&bound, self->consumer, self->fd, PAGES, true));
	ASSERT_EQ(0, hold(&loose, self->consumer, new_sized_file(PAGES * page_size()),
			  PAGES, false));
	ASSERT_EQ(0, take_ordinary(&ordinary, PAGES));

	ASSERT_EQ(0, set_in(self->cgroup, "cpuset.mems", "1"));
	for (int i = 0; i < 200 && count_moved(&ordinary) < PAGES / 2; i++)
		rm_sleep_ms(50);
	EXPECT_LE(PAGES / 2, count_moved(&ordinary));
	EXPECT_STAYED(self->consumer, &bound, &loose);
	EXPECT_EQ(0, node_of(bound.pfns[0]));
}

/* Makes this thread run on a processor of a node. */
static int run_on(int node)
{
	unsigned int now;
	cpu_set_t one;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (!sched_setaffinity(0, sizeof(one), &one) && !getcpu(NULL, &now) &&
		    now == (unsigned int)node)
			return 0;
	}
	return -1;
}

#define BALANCING "/proc/sys/kernel/numa_balancing"

/* Memory that a task often uses comes to it by itself. */
TEST_F_TIMEOUT(numa, is_not_balanced, 120)
{
	struct ordinary ordinary;
	struct held bound, loose;
	unsigned long sum = 0;
	long moved = 0;

	if (read_number(BALANCING) < 0)
		SKIP(return, "this kernel does not balance");
	ASSERT_EQ(0, rm_unbind(self->consumer, self->id));
	ASSERT_EQ(0, hold(&bound, self->consumer, self->fd, PAGES, true));
	ASSERT_EQ(0, hold(&loose, self->consumer, new_sized_file(PAGES * page_size()),
			  PAGES, false));
	ASSERT_EQ(0, take_ordinary(&ordinary, PAGES));
	ASSERT_EQ(0, take_from(-1));
	ASSERT_EQ(0, run_on(1));
	ASSERT_EQ(0, write_text(BALANCING, "1"));
	for (int round = 0; round < 100000 && moved < PAGES / 2; round++) {
		for (uint64_t i = 0; i < PAGES; i++) {
			sum += __atomic_load_n(&ordinary.memory[i * page_size()],
					       __ATOMIC_RELAXED);
			sum += rm_look(self->consumer, bound.id, i);
		}
		moved = count_moved(&ordinary);
	}
	EXPECT_EQ(0, write_text(BALANCING, "0"));
	EXPECT_LT(0, sum);
	EXPECT_LE(PAGES / 2, moved);
	EXPECT_STAYED(self->consumer, &bound, &loose);
	EXPECT_EQ(0, node_of(bound.pfns[0]));
}

/* What is made large stays on the node that has most of it, whoever asks for that. */
TEST_F(numa, collapse_stays_on_the_node)
{
	const long block = 512;
	int fd = new_sized_file(block * page_size()), id;
	long large;

	if (access(LARGE_POLICY, F_OK))
		SKIP(return, "this kernel has no large pages");
	for (int node = 0; node < 2; node++) {
		ASSERT_EQ(0, take_from(node));
		id = rm_bind(self->consumer, fd, 0, block, RMTEST_EXCLUSIVE);
		ASSERT_LT(0, id);
		for (int i = 0; i < block; i++)
			ASSERT_LT(0, rm_get(self->consumer, id, i));
		ASSERT_EQ(0, take_from(!node));
		ASSERT_EQ(0, run_on(!node));
		ASSERT_EQ(0, collapse(fd, 0, block, &large));
		EXPECT_EQ(9, rm_order(self->consumer, id, 7));
		EXPECT_EQ(node, node_of(rm_get(self->consumer, id, 7)));
		ASSERT_EQ(0, rm_unbind(self->consumer, id));
		ASSERT_EQ(0, punch(fd, 0, block));
	}
}

TEST_HARNESS_MAIN
