// SPDX-License-Identifier: GPL-2.0
/*
 * Restricted memory lives as long as there is a descriptor for it, wherever that
 * is, and no longer. One test for each way to have one and to lose it.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "restrictedmem.h"
#include "pass.h"

#define MIB	(1024L * 1024)
#define SIZE	(32 * MIB)

/* Counters of the kernel are right up to a few pages per processor. */
#define ROUGHLY	(4 * MIB)

static long shmem(void)
{
	return read_key("/proc/meminfo", "Shmem:") * 1024;
}

/* Wait for the counter, as the last of a file may go a little later. */
static bool shmem_back_to(long before)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (labs(shmem() - before) <= ROUGHLY)
			return true;
		usleep(50000);
	}
	return false;
}

/* Wait until the other side of a socket says so, and say so. */
static void wait_for(int sock)
{
	char byte;

	while (read(sock, &byte, 1) < 0 && errno == EINTR)
		;
}

static void tell(int sock)
{
	while (write(sock, "x", 1) < 0 && errno == EINTR)
		;
}

FIXTURE(lifetime) {
	int fd;
	long before;	/* bytes of shared memory without the file */
	int sock[2];
};

FIXTURE_SETUP(lifetime)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	self->before = shmem();
	ASSERT_LE(0, self->before);
	self->fd = new_sized_file(SIZE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, SIZE));
	ASSERT_LE(self->before + SIZE - ROUGHLY, shmem())
		TH_LOG("the memory shows as shared memory");
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->sock));
}

FIXTURE_TEARDOWN(lifetime)
{
}

TEST_F(lifetime, close_frees)
{
	ASSERT_EQ(0, close(self->fd));
	EXPECT_TRUE(shmem_back_to(self->before))
		TH_LOG("%ld bytes before, %ld after", self->before, shmem());
}

TEST_F(lifetime, a_duplicate_keeps_it)
{
	int copy = dup(self->fd);

	ASSERT_LE(0, copy);
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(SIZE / page_size(), pages_of(copy));
	EXPECT_LE(self->before + SIZE - ROUGHLY, shmem());
	ASSERT_EQ(0, close(copy));
	EXPECT_TRUE(shmem_back_to(self->before));
}

TEST_F(lifetime, dup2_over_it_frees)
{
	int null = open("/dev/null", O_RDONLY);

	ASSERT_LE(0, null);
	ASSERT_EQ(self->fd, dup2(null, self->fd));
	EXPECT_TRUE(shmem_back_to(self->before));
}

TEST_F(lifetime, a_child_keeps_it)
{
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (!child) {
		wait_for(self->sock[1]);
		if (pages_of(self->fd) != SIZE / page_size())
			_exit(1);
		if (fallocate(self->fd, PUNCH, 0, SIZE / 2) ||
		    pages_of(self->fd) != SIZE / 2 / page_size())
			_exit(2);
		tell(self->sock[1]);
		wait_for(self->sock[1]);
		_exit(0);
	}
	ASSERT_EQ(0, close(self->fd));
	tell(self->sock[0]);
	wait_for(self->sock[0]);
	EXPECT_LE(self->before + SIZE / 2 - ROUGHLY, shmem());
	tell(self->sock[0]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(shmem_back_to(self->before));
}

TEST_F(lifetime, parent_and_child_have_the_same_file)
{
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (!child)
		_exit(fallocate(self->fd, PUNCH, 0, SIZE) ? errno : 0);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(lifetime, a_message_keeps_it)
{
	struct stat one, other;
	int fd;

	ASSERT_EQ(0, fstat(self->fd, &one));
	ASSERT_EQ(0, send_fd(self->sock[0], self->fd));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_LE(self->before + SIZE - ROUGHLY, shmem())
		TH_LOG("on its way it is not gone");
	fd = receive_fd(self->sock[1]);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(fd, &other));
	EXPECT_EQ(one.st_ino, other.st_ino);
	EXPECT_EQ(SIZE / page_size(), pages_of(fd));
	EXPECT_ALLOWED(fallocate(fd, PUNCH, 0, SIZE), "as with any descriptor");
	EXPECT_REFUSED(ftruncate(fd, page_size()), "its size was set before", EPERM);
}

TEST_F(lifetime, a_message_that_nobody_reads_frees)
{
	ASSERT_EQ(0, send_fd(self->sock[0], self->fd));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, close(self->sock[0]));
	ASSERT_EQ(0, close(self->sock[1]));
	EXPECT_TRUE(shmem_back_to(self->before));
}

/* A socket in its own queue, with the file: a cycle that the kernel has to find. */
TEST_F(lifetime, a_cycle_of_messages_frees)
{
	ASSERT_EQ(0, send_fd(self->sock[0], self->fd));
	ASSERT_EQ(0, send_fd(self->sock[0], self->sock[1]));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, close(self->sock[0]));
	ASSERT_EQ(0, close(self->sock[1]));
	/* What another socket does makes it look. */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->sock));
	ASSERT_EQ(0, send_fd(self->sock[0], self->sock[0]));
	ASSERT_EQ(0, close(self->sock[0]));
	ASSERT_EQ(0, close(self->sock[1]));
	EXPECT_TRUE(shmem_back_to(self->before));
}

TEST_F(lifetime, pidfd_getfd_is_one_more_descriptor)
{
	pid_t child = fork();
	int pidfd, fd;

	ASSERT_LE(0, child);
	if (!child) {
		wait_for(self->sock[1]);
		_exit(0);
	}
	pidfd = syscall(SYS_pidfd_open, child, 0);
	ASSERT_LE(0, pidfd);
	fd = syscall(SYS_pidfd_getfd, pidfd, self->fd, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(self->fd));
	tell(self->sock[0]);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_EQ(SIZE / page_size(), pages_of(fd));
	EXPECT_REFUSED(pread(fd, &pidfd, 1, 0), "reads no more than the other",
		       EINVAL, EBADF, ESPIPE);
	ASSERT_EQ(0, close(fd));
	EXPECT_TRUE(shmem_back_to(self->before));
}

TEST_F(lifetime, exit_frees)
{
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		wait_for(self->sock[1]);
		_exit(0);
	}
	ASSERT_EQ(0, close(self->fd));
	EXPECT_LE(self->before + SIZE - ROUGHLY, shmem());
	tell(self->sock[0]);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_TRUE(shmem_back_to(self->before));
}

TEST_F(lifetime, kill_frees)
{
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		for (;;) {
			fallocate(self->fd, PUNCH, 0, SIZE);
			fallocate(self->fd, RESERVE, 0, SIZE);
		}
	}
	ASSERT_EQ(0, close(self->fd));
	usleep(100000);
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_TRUE(shmem_back_to(self->before));
}

TEST_F(lifetime, works_in_another_user_namespace)
{
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (!child) {
		if (unshare(CLONE_NEWUSER))
			_exit(KSFT_SKIP);
		if (fallocate(self->fd, PUNCH, 0, SIZE) || pages_of(self->fd) ||
		    fallocate(self->fd, RESERVE, 0, page_size()))
			_exit(1);
		_exit(memfd_restricted(0, -1) < 0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP)
		SKIP(return, "no user namespaces");
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, pages_of(self->fd));
}

static void *punch_and_reserve(void *fd)
{
	int i;

	for (i = 0; i < 20; i++) {
		if (fallocate((long)fd, PUNCH, 0, SIZE) && errno != EBADF)
			return (void *)(long)errno;
		if (fallocate((long)fd, RESERVE, 0, SIZE) && errno != EBADF)
			return (void *)(long)errno;
	}
	return NULL;
}

TEST_F(lifetime, close_during_a_call_frees_after_it)
{
	pthread_t thread;
	void *error;

	ASSERT_EQ(0, pthread_create(&thread, NULL, punch_and_reserve, (void *)(long)self->fd));
	usleep(1000);
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, pthread_join(thread, &error));
	EXPECT_EQ(0, (long)error)
		TH_LOG("%s", strerror((long)error));
	EXPECT_TRUE(shmem_back_to(self->before));
}

TEST_F_TIMEOUT(lifetime, a_thousand_files_leave_nothing, 120)
{
	long long files = read_number("/proc/sys/fs/file-nr");
	long long inodes = read_number("/proc/sys/fs/inode-nr");
	long page = page_size();
	int i;

	ASSERT_EQ(0, close(self->fd));
	for (i = 0; i < 1000; i++) {
		int fd = new_sized_file(64 * page);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, fallocate(fd, RESERVE, 0, 64 * page));
		ASSERT_EQ(64, pages_of(fd));
		if (i % 2)
			ASSERT_EQ(0, fallocate(fd, PUNCH, 16 * page, 32 * page));
		ASSERT_EQ(0, close(fd));
	}
	/* 250 MB if they stayed. */
	EXPECT_TRUE(shmem_back_to(self->before))
		TH_LOG("%ld bytes before, %ld after", self->before, shmem());
	EXPECT_GT(files + 200, read_number("/proc/sys/fs/file-nr"));
	for (i = 0; i < 100 && read_number("/proc/sys/fs/inode-nr") > inodes + 300; i++)
		usleep(50000);
	EXPECT_GT(inodes + 300, read_number("/proc/sys/fs/inode-nr"));
}

TEST_F_TIMEOUT(lifetime, a_thousand_files_without_a_size_leave_nothing, 120)
{
	long long files = read_number("/proc/sys/fs/file-nr");
	long long inodes = read_number("/proc/sys/fs/inode-nr");
	int i;

	for (i = 0; i < 1000; i++) {
		int fd = memfd_restricted(i % 2 ? RMFD_CLOEXEC : 0, -1);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, close(fd));
	}
	EXPECT_GT(files + 200, read_number("/proc/sys/fs/file-nr"));
	for (i = 0; i < 100 && read_number("/proc/sys/fs/inode-nr") > inodes + 300; i++)
		usleep(50000);
	EXPECT_GT(inodes + 300, read_number("/proc/sys/fs/inode-nr"));
}

TEST_HARNESS_MAIN
