// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that the descriptor of a restricted file can be passed on as any other:
 * by dup(), to a child, in a message (SCM_RIGHTS) and by pidfd_getfd(). It is the
 * same file then. Whoever has it, another user as well, can reserve memory and
 * punch holes, and do no more than the first holder could.
 */

#define _GNU_SOURCE

#include <sys/mman.h>
#include "memfd_restricted.h"
#include "lapi/pidfd.h"

#define PAGES 4

static int fd = -1;
static int copy = -1;
static int sock[2] = {-1, -1};
static off_t page, size;

static void same_file(int holder)
{
	char byte;

	TST_EXP_EQ_LI(inode_of(holder), inode_of(fd));
	TST_EXP_FAIL(ftruncate(holder, page), EPERM);
	TST_EXP_FAIL2(read(holder, &byte, 1), EINVAL);
	TST_EXP_FAIL_PTR_VOID(mmap(NULL, page, PROT_READ, MAP_SHARED, holder, 0), ENODEV);

	TST_EXP_PASS(fallocate(holder, PUNCH, 0, page));
	TST_EXP_EQ_LI(memory_of(fd), size - page);
	TST_EXP_PASS(fallocate(holder, RESERVE, 0, page));
	expect_unchanged(fd, size, size);
}

static void duplicate(void)
{
	copy = SAFE_DUP(fd);
	same_file(copy);
}

static void child(void)
{
	if (!SAFE_FORK()) {
		if (is_root())
			become_nobody();
		same_file(fd);
		exit(0);
	}
	tst_reap_children();
}

static void message(void)
{
	send_fd(sock[0], fd);
	copy = receive_fd(sock[1]);
	same_file(copy);
}

/* The child has the only descriptor of a file. */
static void other_process(void)
{
	int pidfd, number;
	pid_t pid;
	char byte;

	number = new_reserved_file(size);
	pid = SAFE_FORK();
	if (!pid) {
		SAFE_CLOSE(sock[0]);
		if (read(sock[1], &byte, 1) < 0)
			tst_brk(TBROK | TERRNO, "read() failed");
		exit(0);
	}
	SAFE_CLOSE(fd);
	fd = number;

	pidfd = SAFE_PIDFD_OPEN(pid, 0);
	copy = TST_EXP_FD(pidfd_getfd(pidfd, number, 0));
	SAFE_CLOSE(pidfd);
	SAFE_WRITE(SAFE_WRITE_ALL, sock[0], "x", 1);
	tst_reap_children();
	if (copy != -1)
		same_file(copy);
}

static void (*tests[])(void) = {
	duplicate,
	child,
	message,
	other_process,
};

static void close_all(void)
{
	if (copy != -1)
		SAFE_CLOSE(copy);
	if (sock[0] != -1)
		SAFE_CLOSE(sock[0]);
	if (sock[1] != -1)
		SAFE_CLOSE(sock[1]);
	if (fd != -1)
		SAFE_CLOSE(fd);
}

static void run(unsigned int n)
{
	fd = new_reserved_file(size);
	SAFE_SOCKETPAIR(AF_UNIX, SOCK_STREAM, 0, sock);
	tests[n]();
	close_all();
}

static void setup(void)
{
	become_variant();
	page = page_size();
	size = PAGES * page;
}

static struct tst_test test = {
	.test = run,
	.tcnt = ARRAY_SIZE(tests),
	.setup = setup,
	.cleanup = close_all,
	.forks_child = 1,
	.test_variants = VARIANTS,
};
