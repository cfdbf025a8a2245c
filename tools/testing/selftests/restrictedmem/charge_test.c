// SPDX-License-Identifier: GPL-2.0
/*
 * Who pays for restricted memory: the memory cgroup of the file's creator, whoever
 * has it allocated. Nobody is killed for it, and it counts as nothing else.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "restrictedmem.h"
#include "text.h"
#include "cgroup.h"
#include "load.h"
#include "collapse.h"
#include "test_consumer.h"

#define MIB	(1024L * 1024)
#define SIZE	(64 * MIB)

/* Memory that a cgroup may have been charged for beside that of the file. */
#define SLACK	(4 * MIB)

FIXTURE(charge) {
	char cgroup[64];
	pid_t creator;	/* lives in the cgroup and made the file */
	int fd;
};

static long charged(const char *cgroup)
{
	return number_in(cgroup, "memory.current");
}

static long kills(const char *cgroup)
{
	return key_in(cgroup, "memory.events", "oom_kill");
}

static void limit(const char *cgroup, long bytes)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", bytes);
	set_in(cgroup, "memory.max", text);
	set_in(cgroup, "memory.swap.max", "0");
}

/* The exit status of a child, or 256. */
static int exit_of(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return 256;
	return WEXITSTATUS(status);
}

/* Have a new process of the cgroup reserve memory: its exit status, or 256. */
static int reserve_inside(const char *cgroup, int fd, long len)
{
	pid_t child = fork();

	if (!child) {
		if (set_in(cgroup, "cgroup.procs", "0"))
			_exit(255);
		_exit(fallocate(fd, RESERVE, 0, len) ? errno : 0);
	}
	return exit_of(child);
}

FIXTURE_SETUP(charge)
{
	int pipes[2];
	char byte = 0;
	int pidfd;

	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	if (geteuid() != 0)
		SKIP(return, "needs root");
	if (!new_cgroup(self->cgroup, sizeof(self->cgroup), "restrictedmem"))
		SKIP(return, "no memory controller in " CGROUPS);

	ASSERT_EQ(0, pipe(pipes));
	self->creator = fork();
	ASSERT_LE(0, self->creator);
	if (!self->creator) {
		int fd = set_in(self->cgroup, "cgroup.procs", "0") ? -1 : new_sized_file(SIZE);

		byte = fd;
		if (write(pipes[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_EQ(1, read(pipes[0], &byte, 1));
	ASSERT_LE(0, byte);
	pidfd = syscall(SYS_pidfd_open, self->creator, 0);
	ASSERT_LE(0, pidfd);
	self->fd = syscall(SYS_pidfd_getfd, pidfd, byte, 0);
	ASSERT_LE(0, self->fd);
	ASSERT_GT(SLACK, charged(self->cgroup));
}

FIXTURE_TEARDOWN(charge)
{
	if (self->creator > 0) {
		kill(self->creator, SIGKILL);
		waitpid(self->creator, NULL, 0);
	}
	remove_cgroup(self->cgroup);
}

TEST_F(charge, the_creator_pays_whoever_reserves)
{
	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, 32 * MIB));
	EXPECT_LE(32 * MIB, charged(self->cgroup));
	EXPECT_GT(32 * MIB + SLACK, charged(self->cgroup));
}

TEST_F(charge, a_hole_is_not_paid_for)
{
	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, 32 * MIB));
	ASSERT_EQ(0, fallocate(self->fd, PUNCH, 0, 16 * MIB));
	EXPECT_GT(16 * MIB + SLACK, charged(self->cgroup));
	ASSERT_EQ(0, fallocate(self->fd, PUNCH, 0, SIZE));
	EXPECT_GT(SLACK, charged(self->cgroup));
}

TEST_F(charge, at_the_limit_the_caller_gets_enomem)
{
	limit(self->cgroup, 16 * MIB);
	EXPECT_REFUSED(fallocate(self->fd, RESERVE, 0, 48 * MIB),
		       "more than the creator may have", ENOMEM);
	EXPECT_EQ(0, pages_of(self->fd))
		TH_LOG("exactly what the call added is gone");
	EXPECT_GT(SLACK, charged(self->cgroup));
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, 0, 8 * MIB),
		       "as much as the creator may have");
}

TEST_F(charge, at_the_limit_nobody_is_killed)
{
	limit(self->cgroup, 16 * MIB);
	EXPECT_REFUSED(fallocate(self->fd, RESERVE, 0, 48 * MIB),
		       "more than the creator may have", ENOMEM);
	EXPECT_EQ(ENOMEM, reserve_inside(self->cgroup, self->fd, 48 * MIB))
		TH_LOG("256: killed");
	EXPECT_EQ(0, kills(self->cgroup));
	EXPECT_EQ(0, waitpid(self->creator, NULL, WNOHANG))
		TH_LOG("the creator is alive");
}

TEST_F(charge, what_was_reserved_before_outlives_a_failure)
{
	limit(self->cgroup, 16 * MIB);
	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 4 * MIB, 4 * MIB));
	EXPECT_REFUSED(fallocate(self->fd, RESERVE, 0, 48 * MIB),
		       "more than the creator may have", ENOMEM);
	EXPECT_EQ(4 * MIB / page_size(), pages_of(self->fd));
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, 4 * MIB, 4 * MIB),
		       "which takes nothing as it is there");
	EXPECT_EQ(4 * MIB / page_size(), pages_of(self->fd));
}

/* Touches one page after the other for as long as it is told to. */
struct toucher {
	int consumer, id;
	bool stop;
	int touched;
};

static void *touch_always(void *arg)
{
	struct toucher *toucher = arg;
	int i = 0;

	while (!__atomic_load_n(&toucher->stop, __ATOMIC_RELAXED) && i < 512)
		if (!rm_fill(toucher->consumer, toucher->id, i, i + 1, 1 + i % 251))
			i++;
	toucher->touched = i;
	return NULL;
}

TEST_F(charge, what_became_present_meanwhile_outlives_a_failure)
{
	struct toucher toucher;
	pthread_t thread;
	int wrong = 0;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	toucher = (struct toucher){ .consumer = new_consumer() };
	toucher.id = rm_bind(toucher.consumer, self->fd, 0, 512, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, toucher.id);
	limit(self->cgroup, 16 * MIB);
	ASSERT_EQ(0, pthread_create(&thread, NULL, touch_always, &toucher));
	EXPECT_REFUSED(fallocate(self->fd, RESERVE, 0, 48 * MIB),
		       "more than the creator may have", ENOMEM);
	__atomic_store_n(&toucher.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ASSERT_LT(0, toucher.touched);
	EXPECT_EQ(toucher.touched, pages_of(self->fd))
		TH_LOG("what was touched, and nothing else");
	for (int i = 0; i < toucher.touched; i++)
		wrong += rm_look(toucher.consumer, toucher.id, i) != 1 + i % 251;
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, rm_counters(toucher.consumer).starts);
	close(toucher.consumer);
}

/* Binds all of the file, for a consumer that is not in the cgroup. */
static int bind_all(int consumer, int fd)
{
	return rm_bind(consumer, fd, 0, SIZE / page_size(), RMTEST_SHARED);
}

TEST_F(charge, the_creator_pays_whoever_touches_first)
{
	int consumer, id;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	consumer = new_consumer();
	id = bind_all(consumer, self->fd);
	ASSERT_LT(0, id);
	EXPECT_GT(SLACK, charged(self->cgroup))
		TH_LOG("a binding is no memory");
	ASSERT_LT(0, rm_get_range(consumer, id, 0, 32 * MIB / page_size()));
	EXPECT_LE(32 * MIB, charged(self->cgroup));
	EXPECT_GT(32 * MIB + SLACK, charged(self->cgroup));
	close(consumer);
}

/* A thread of the kernel, as a driver may have, is in no cgroup but the first. */
TEST_F(charge, the_creator_pays_if_a_kernel_thread_touches_first)
{
	struct rmtest_get_range range = {
		.end = 32 * MIB / page_size(), .flags = RMTEST_GET_IN_THREAD,
	};
	int consumer;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	consumer = new_consumer();
	range.id = bind_all(consumer, self->fd);
	ASSERT_LT(0, (int)range.id);
	ASSERT_EQ(0, ioctl(consumer, RMTEST_GET_RANGE, &range));
	EXPECT_EQ(0, range.error);
	EXPECT_EQ(range.end, range.pages);
	EXPECT_LE(32 * MIB, charged(self->cgroup));
	EXPECT_GT(32 * MIB + SLACK, charged(self->cgroup));

	ASSERT_EQ(0, punch(self->fd, 0, range.end));
	limit(self->cgroup, 16 * MIB);
	ASSERT_EQ(0, ioctl(consumer, RMTEST_GET_RANGE, &range));
	EXPECT_EQ(ENOMEM, range.error)
		TH_LOG("the limit holds for it, too");
	EXPECT_GE(16 * MIB, charged(self->cgroup));
	EXPECT_EQ(0, kills(self->cgroup));
	close(consumer);
}

TEST_F(charge, at_the_limit_a_get_ends)
{
	const long filled = MIB / page_size(), wanted = 48 * MIB / page_size();
	int consumer, id, wrong = 0;
	long there;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	consumer = new_consumer();
	id = bind_all(consumer, self->fd);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, rm_fill(consumer, id, 0, filled, 0x5c));

	limit(self->cgroup, 16 * MIB);
	EXPECT_REFUSED(rm_get_range(consumer, id, 0, wanted),
		       "more than the creator may have", ENOMEM);
	there = pages_of(self->fd);
	EXPECT_LT(filled, there)
		TH_LOG("what was got before the limit stays");
	EXPECT_GE(16 * MIB / page_size(), there);
	EXPECT_EQ(0, kills(self->cgroup));
	EXPECT_EQ(0, waitpid(self->creator, NULL, WNOHANG))
		TH_LOG("the creator is alive");

	ASSERT_EQ(0, set_in(self->cgroup, "memory.max", "max"));
	EXPECT_ALLOWED(rm_get_range(consumer, id, 0, wanted), "there is no limit any more");
	EXPECT_EQ(wanted, pages_of(self->fd));
	for (int i = 0; i < filled; i++)
		wrong += rm_look(consumer, id, i) != 0x5c;
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(wanted, rm_counters(consumer).populates)
		TH_LOG("once for each page, whatever failed");
	EXPECT_EQ(0, rm_counters(consumer).starts)
		TH_LOG("nothing went, so nobody is told so");
	close(consumer);
}

TEST_F(charge, what_is_lost_is_not_paid_for)
{
	const long lost = 8 * MIB / page_size();
	int consumer, id;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	consumer = new_consumer();
	id = bind_all(consumer, self->fd);
	ASSERT_LT(0, id);
	ASSERT_LT(0, rm_get_range(consumer, id, 0, lost));
	ASSERT_LE(8 * MIB, charged(self->cgroup));
	ASSERT_EQ(lost, rm_quarantine(consumer, id, 0, lost));
	EXPECT_GT(SLACK, charged(self->cgroup))
		TH_LOG("nobody has a use for it any more");
	close(consumer);
}

TEST_F(charge, the_creator_pays_whoever_loads)
{
	int zeroes = memfd_create("zeroes", 0);
	long pages;

	ASSERT_EQ(0, ftruncate(zeroes, 48 * MIB));
	ASSERT_EQ(0, load_pages_fd(self->fd, 0, 32 * MIB / page_size(), zeroes, 0, &pages));
	EXPECT_LE(32 * MIB, charged(self->cgroup));
	EXPECT_GT(32 * MIB + SLACK, charged(self->cgroup));
	close(zeroes);
}

TEST_F(charge, the_creator_pays_for_large_pages)
{
	const long block = 2 * MIB / page_size();
	char *contents = calloc(1, page_size());
	long before, pages;

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		SKIP(return, "this kernel has no large pages");
	ASSERT_EQ(0, load_pages(self->fd, 5, 6, contents, &pages));
	before = charged(self->cgroup);
	ASSERT_EQ(0, collapse(self->fd, 0, block, &pages));
	EXPECT_EQ(block, pages);
	EXPECT_LE(before + 3 * MIB / 2, charged(self->cgroup));
	free(contents);
}

TEST_F(charge, at_the_limit_nothing_becomes_large)
{
	const long block = 2 * MIB / page_size();
	char *contents = calloc(1, page_size());
	long pages;

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		SKIP(return, "this kernel has no large pages");
	ASSERT_EQ(0, load_pages(self->fd, 5, 6, contents, &pages));
	limit(self->cgroup, charged(self->cgroup));
	EXPECT_REFUSED(collapse(self->fd, 0, block, &pages), "at the limit", ENOMEM);
	EXPECT_EQ(0, pages);
	EXPECT_EQ(1, pages_of(self->fd));
	EXPECT_EQ(0, kills(self->cgroup));
	free(contents);
}

TEST_F(charge, at_the_limit_a_load_ends)
{
	int zeroes = memfd_create("zeroes", 0);
	long pages;

	ASSERT_EQ(0, ftruncate(zeroes, 48 * MIB));
	limit(self->cgroup, 16 * MIB);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 48 * MIB / page_size(), zeroes, 0,
				     &pages),
		       "more than the creator may have", ENOMEM);
	EXPECT_LT(0, pages);
	EXPECT_EQ(pages, pages_of(self->fd))
		TH_LOG("what was loaded is there, and nothing else");
	EXPECT_EQ(pages * page_size(), lseek(self->fd, 0, SEEK_HOLE));
	EXPECT_EQ(0, kills(self->cgroup));
	EXPECT_EQ(0, waitpid(self->creator, NULL, WNOHANG))
		TH_LOG("the creator is alive");
	close(zeroes);
}

TEST_F(charge, a_file_outlives_its_creator_and_their_cgroup)
{
	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, 8 * MIB));
	ASSERT_EQ(0, kill(self->creator, SIGKILL));
	ASSERT_EQ(self->creator, waitpid(self->creator, NULL, 0));
	self->creator = 0;
	remove_cgroup(self->cgroup);
	ASSERT_EQ(-1, access(self->cgroup, F_OK));
	EXPECT_EQ(8 * MIB / page_size(), pages_of(self->fd));
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, 8 * MIB, 8 * MIB), "somebody pays");
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, 0, 16 * MIB), "and gets it back");
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST(rlimit_memlock_is_not_looked_at)
{
	struct rlimit none = { 0, 0 };
	int fd;

	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &none));
	if (geteuid() == 0)
		ASSERT_EQ(0, become_nobody());
	fd = new_sized_file(MIB);
	ASSERT_LE(0, fd);
	EXPECT_ALLOWED(fallocate(fd, RESERVE, 0, MIB), "not locked memory by default");
}

#define MEMLOCK "/proc/sys/vm/memfd_restricted_memlock"

FIXTURE(memlock) {
	int early;	/* has its size since before the memory counted */
};

FIXTURE_SETUP(memlock)
{
	struct rlimit limit = { 8 * MIB, 8 * MIB };

	if (access(MEMLOCK, W_OK))
		SKIP(return, "cannot write " MEMLOCK);
	self->early = new_sized_file(SIZE);
	ASSERT_LE(0, self->early);
	ASSERT_EQ(0, write_text(MEMLOCK, "1"));
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
}

/* In the parent: the tests below may become nobody, who cannot set it back. */
FIXTURE_TEARDOWN_PARENT(memlock)
{
	write_text(MEMLOCK, "0");
}

/* Have a process of a user set the size: its errno, or 256. */
static int set_size_as(uid_t user, int fd, off_t size)
{
	pid_t child = fork();

	if (!child) {
		if (setresuid(user, user, user))
			_exit(255);
		_exit(ftruncate(fd, size) ? errno : 0);
	}
	return exit_of(child);
}

TEST_F(memlock, counts_where_the_administrator_says_so)
{
	int one = memfd_restricted(0, -1), other = memfd_restricted(0, -1);

	ASSERT_LE(0, one);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, become_nobody());

	EXPECT_REFUSED(ftruncate(one, 8 * MIB + page_size()), "above the limit", ENOMEM);
	EXPECT_EQ(0, size_of(one));
	EXPECT_ALLOWED(ftruncate(one, 8 * MIB), "a size that was refused does not count");
	EXPECT_REFUSED(ftruncate(other, page_size()), "both are above", ENOMEM);
	EXPECT_REFUSED(ftruncate(one, page_size()), "the size is set", EPERM);

	/* A file that never counted gives nothing back. */
	EXPECT_EQ(0, close(self->early));
	EXPECT_REFUSED(ftruncate(other, page_size()), "still above", ENOMEM);
	EXPECT_EQ(0, close(one));
	EXPECT_ALLOWED(ftruncate(other, 8 * MIB), "the other one is gone");
}

TEST_F(memlock, is_given_back_to_whoever_set_the_size)
{
	int one = memfd_restricted(0, -1), other = memfd_restricted(0, -1);

	ASSERT_EQ(0, set_size_as(NOBODY, one, 8 * MIB));
	EXPECT_EQ(8 * MIB, size_of(one));

	/* Root has the last descriptor. */
	EXPECT_EQ(0, close(one));
	ASSERT_EQ(0, become_nobody());
	EXPECT_ALLOWED(ftruncate(other, 8 * MIB), "nothing of nobody's is left");
}

TEST_F(memlock, is_one_limit_for_all_processes_of_a_user)
{
	int one = memfd_restricted(0, -1), other = memfd_restricted(0, -1);
	int third = memfd_restricted(0, -1);

	ASSERT_LE(0, third);
	EXPECT_EQ(0, set_size_as(NOBODY, one, 6 * MIB));
	EXPECT_EQ(ENOMEM, set_size_as(NOBODY, other, 4 * MIB))
		TH_LOG("another process of the same user");
	EXPECT_EQ(0, set_size_as(NOBODY - 1, other, 4 * MIB))
		TH_LOG("a process of another user");
	EXPECT_EQ(ENOMEM, set_size_as(NOBODY - 1, third, 6 * MIB))
		TH_LOG("who has a limit, too");
	EXPECT_EQ(0, close(one));
	EXPECT_EQ(0, set_size_as(NOBODY, third, 8 * MIB))
		TH_LOG("what somebody else has is not the first one's");
}

TEST_F(memlock, does_not_limit_the_privileged)
{
	int fd = new_sized_file(SIZE);

	ASSERT_LE(0, fd);
	EXPECT_EQ(SIZE, size_of(fd));
}

/* All that has been promised to anybody, in kB. */
static long long committed(void)
{
	return read_key("/proc/meminfo", "Committed_AS:");
}

TEST(a_size_is_no_promise_of_memory)
{
	long long before = committed();
	int fd;

	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	fd = new_sized_file(1L << 40);
	ASSERT_LE(0, fd);
	/* In kB: a tenth of a TiB is far above what else may happen. */
	EXPECT_GT(before + 100 * MIB, committed());
}

#define OVERCOMMIT "/proc/sys/vm/overcommit_memory"
#define OVERCOMMIT_RATIO "/proc/sys/vm/overcommit_ratio"

/* No more is promised than there is: vm.overcommit_memory is 2. */
FIXTURE(strict) {
	char policy[8], ratio[8];	/* before */
	long left;			/* kB */
};

FIXTURE_SETUP(strict)
{
	const long long all = read_key("/proc/meminfo", "MemTotal:");
	char ratio[8];

	if (access(OVERCOMMIT, W_OK))
		SKIP(return, "cannot write " OVERCOMMIT);
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	snprintf(self->policy, sizeof(self->policy), "%lld", read_number(OVERCOMMIT));
	snprintf(self->ratio, sizeof(self->ratio), "%lld", read_number(OVERCOMMIT_RATIO));
	/* A few percent of the memory are left: soon reached, and enough for others. */
	snprintf(ratio, sizeof(ratio), "%lld", committed() * 100 / all + 5);
	ASSERT_EQ(0, write_text(OVERCOMMIT_RATIO, ratio));
	self->left = read_key("/proc/meminfo", "CommitLimit:") - committed();
	ASSERT_LT(32 * MIB / 1024, self->left);
	ASSERT_EQ(0, write_text(OVERCOMMIT, "2"));
}

/* In the parent: whatever became of the test, others come after it. */
FIXTURE_TEARDOWN_PARENT(strict)
{
	write_text(OVERCOMMIT, self->policy);
	write_text(OVERCOMMIT_RATIO, self->ratio);
}

/* Have somebody without privilege, to whom no more is left, reserve: its errno. */
static int reserve_as_nobody(int fd, long pages)
{
	pid_t child = fork();

	if (!child) {
		if (become_nobody())
			_exit(255);
		_exit(reserve(fd, 0, pages) ? errno : 0);
	}
	return exit_of(child);
}

TEST_F(strict, memory_counts_while_it_is_there)
{
	const long quarter = self->left / 4 * 1024 / page_size();
	long long before = committed();
	int fd = new_sized_file(1L << 40);

	ASSERT_LE(0, fd)
		TH_LOG("a size is no promise");
	EXPECT_EQ(0, reserve_as_nobody(fd, quarter));
	EXPECT_EQ(quarter, pages_of(fd));
	EXPECT_LE(before + self->left / 4 - SLACK / 1024, committed())
		TH_LOG("memory is");
	ASSERT_EQ(0, punch(fd, 0, quarter / 2));
	EXPECT_GT(before + self->left / 8 + SLACK / 1024, committed());
	ASSERT_EQ(0, close(fd));
	EXPECT_GT(before + SLACK / 1024, committed());
}

TEST_F(strict, beyond_the_limit_a_reservation_fails)
{
	const long too_much = 2 * self->left * 1024 / page_size();
	long long before = committed();
	int fd = new_sized_file(1L << 40);

	ASSERT_LE(0, fd);
	EXPECT_EQ(ENOSPC, reserve_as_nobody(fd, too_much));
	EXPECT_EQ(0, pages_of(fd))
		TH_LOG("exactly what the call added is gone");
	EXPECT_GT(before + SLACK / 1024, committed());
	EXPECT_EQ(0, reserve_as_nobody(fd, too_much / 8))
		TH_LOG("as much as there is");
}

TEST_HARNESS_MAIN
