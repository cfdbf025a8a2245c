// SPDX-License-Identifier: GPL-2.0
/*
 * Lack of memory: ordinary memory is written to a swap device, restricted memory
 * is not, whoever lacks it and however the kernel looks for it.
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
#include "cgroup.h"
#include "test_consumer.h"
#include "stays.h"

#define LRU_GEN "/sys/kernel/mm/lru_gen/enabled"
#define SLAB_RATIO "/proc/sys/vm/min_slab_ratio"

#define PAGES 1024
#define ORDINARY 4096
#define HALF (ORDINARY / 2)

FIXTURE(swap) {
	int consumer;
	struct held bound, loose, large, mounted;
	int reserved;	/* a file whose memory nobody has touched */
	struct ordinary ordinary;
	char cgroup[64];
	char *lru_gen, *slab_ratio;	/* as they were before */
	long long written;
};

FIXTURE_VARIANT(swap) {
	bool generations;
};

FIXTURE_VARIANT_ADD(swap, generations)	{ true };
FIXTURE_VARIANT_ADD(swap, lists)	{ false };

static long long written(void)
{
	return read_key("/proc/vmstat", "pswpout");
}

static int sized(int fd)
{
	return fd >= 0 && ftruncate(fd, PAGES * page_size()) ? -1 : fd;
}

/* From a mount whose ordinary files may be written to a swap device. */
static int new_mounted_file(void)
{
	int tmpfs = fsopen("tmpfs", FSOPEN_CLOEXEC), mount_fd, fd;

	if (fsconfig(tmpfs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -1;
	mount_fd = fsmount(tmpfs, FSMOUNT_CLOEXEC, 0);
	fd = sized(memfd_restricted(RMFD_USERMNT, mount_fd));
	close(mount_fd);
	close(tmpfs);
	return fd;
}

FIXTURE_SETUP(swap)
{
	unsigned long nodes;
	unsigned int node;

	if (geteuid())
		SKIP(return, "has the whole machine reclaim memory");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	if (read_key("/proc/meminfo", "SwapFree:") < 128 << 10)
		SKIP(return, "needs 128 MiB of swap");
	self->lru_gen = read_text(LRU_GEN);
	self->slab_ratio = read_text(SLAB_RATIO);
	if (variant->generations && !self->lru_gen)
		SKIP(return, "there is no " LRU_GEN);
	if (!new_cgroup(self->cgroup, sizeof(self->cgroup), "swap"))
		SKIP(return, "no memory controller in " CGROUPS);
	if (self->lru_gen)
		ASSERT_EQ(0, write_text(LRU_GEN, variant->generations ? "y" : "n"));
	ASSERT_EQ(0, set_in(self->cgroup, "cgroup.procs", "0"));

	/* All on one node, which is filled sooner than all of them. */
	ASSERT_EQ(0, getcpu(NULL, &node));
	nodes = 1UL << node;
	syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 8 * sizeof(nodes));

	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
	ASSERT_EQ(0, hold(&self->bound, self->consumer,
			  new_sized_file(PAGES * page_size()), PAGES, true));
	ASSERT_EQ(0, hold(&self->loose, self->consumer,
			  new_sized_file(PAGES * page_size()), PAGES, false));
	ASSERT_EQ(0, hold(&self->large, self->consumer,
			  sized(memfd_restricted(RMFD_HUGEPAGE, -1)), PAGES, false));
	ASSERT_EQ(0, hold(&self->mounted, self->consumer, new_mounted_file(), PAGES, false));
	self->reserved = new_sized_file(PAGES * page_size());
	ASSERT_EQ(0, reserve(self->reserved, 0, PAGES));
	ASSERT_LT(0, fdinfo_of(self->large.fd, "present-order-9:"))
		TH_LOG("no large folio to be had");
	ASSERT_EQ(0, take_ordinary(&self->ordinary, ORDINARY));
	self->written = written();
}

FIXTURE_TEARDOWN(swap)
{
	if (self->lru_gen)
		write_text(LRU_GEN, self->lru_gen);
	if (self->slab_ratio)
		write_text(SLAB_RATIO, self->slab_ratio);
	if (self->cgroup[0]) {
		set_in(self->cgroup, "memory.max", "max");
		set_in(CGROUPS, "cgroup.procs", "0");
		remove_cgroup(self->cgroup);
	}
}

/* So many pages of the ordinary memory are written out, and nothing else changes. */
#define EXPECT_ONLY_ORDINARY_WRITTEN(least)				\
do {									\
	EXPECT_LE(least, count_swapped(&self->ordinary));		\
	EXPECT_LE(least, written() - self->written);			\
	EXPECT_STAYED(self->consumer, &self->bound, &self->loose);	\
	EXPECT_EQ(0, count_changed(&self->large, self->consumer))	\
		TH_LOG("large pages");					\
	EXPECT_EQ(0, count_changed(&self->mounted, self->consumer))	\
		TH_LOG("from a mount");					\
	EXPECT_EQ(PAGES * page_size() / 1024,				\
		  fdinfo_of(self->reserved, "reserved:"))		\
		TH_LOG("only reserved");				\
} while (0)

TEST_F_TIMEOUT(swap, of_the_creators_cgroup, 120)
{
	/* More than there is: it ends when nothing is found any more. */
	for (int i = 0; i < 5 && count_swapped(&self->ordinary) < ORDINARY; i++)
		set_in(self->cgroup, "memory.reclaim", "64M swappiness=max");
	EXPECT_ONLY_ORDINARY_WRITTEN(HALF);
}

TEST_F_TIMEOUT(swap, of_the_creators_cgroup_at_its_limit, 120)
{
	char limit[32];

	snprintf(limit, sizeof(limit), "%lld", number_in(self->cgroup, "memory.current") -
		 ORDINARY * page_size() * 3 / 4);
	EXPECT_EQ(0, set_in(self->cgroup, "memory.max", limit));
	EXPECT_ONLY_ORDINARY_WRITTEN(HALF);
	EXPECT_EQ(0, key_in(self->cgroup, "memory.events", "oom_kill"));
}

TEST_F_TIMEOUT(swap, of_a_node_whose_memory_is_reclaimed, 120)
{
	char node[64];

	if (access("/sys/devices/system/node/node0/reclaim", W_OK))
		SKIP(return, "nodes are not reclaimed on demand here");
	/* It begins where there is more of files, or of this, than the administrator says. */
	ASSERT_EQ(0, write_text(SLAB_RATIO, "0"));
	for (int n = 0; n < 64 && count_swapped(&self->ordinary) < ORDINARY; n++) {
		snprintf(node, sizeof(node), "/sys/devices/system/node/node%d", n);
		set_in(node, "reclaim", "1G swappiness=max");
	}
	EXPECT_ONLY_ORDINARY_WRITTEN(HALF);
}

/* Takes memory for good, slowly when there is none that is free. */
static void take_all(long long before)
{
	const size_t size = 1 << 20;

	set_in("/proc/self", "oom_score_adj", "1000");
	while (mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_POPULATE | MAP_LOCKED, -1, 0) != MAP_FAILED)
		if (written() > before)
			rm_sleep_ms(10);
}

TEST_F_TIMEOUT(swap, of_a_machine_without_free_memory, 240)
{
	pid_t hog = fork();

	ASSERT_LE(0, hog);
	if (!hog) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		set_in(CGROUPS, "cgroup.procs", "0");
		take_all(self->written);
		_exit(0);
	}
	for (int i = 0; i < 8000 && count_swapped(&self->ordinary) < HALF; i++) {
		if (waitpid(hog, NULL, WNOHANG))
			break;
		rm_sleep_ms(20);
	}
	/* When is up to the kernel: the other one is killed when it finds too little at a time. */
	EXPECT_ONLY_ORDINARY_WRITTEN(32);
	kill(hog, SIGKILL);
	waitpid(hog, NULL, 0);
}

TEST_HARNESS_MAIN
