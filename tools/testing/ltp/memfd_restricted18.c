// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that restricted memory lives as long as there is a descriptor, wherever
 * that is, and no longer:
 *
 * - it goes with the last close(), or the end of the last process that has it
 * - a duplicate keeps it, and so does a message that nobody has read yet
 *
 * The test runs in a memory cgroup, which knows whether the memory is there.
 */

#define _GNU_SOURCE

#include "memfd_restricted.h"

#define SIZE	(16 << 20)
/* What else the cgroup may have come to use, or to know a little later. */
#define SLACK	(4 << 20)

static int fd = -1;
static int copy = -1;
static int sock[2] = {-1, -1};
static long before;

static long charged(void)
{
	long bytes;

	SAFE_CG_SCANF(tst_cg, "memory.current", "%ld", &bytes);

	return bytes;
}

static void expect_kept(const char *why)
{
	TST_EXP_EXPR(charged() >= before + SIZE - SLACK, "memory is kept by %s", why);
}

static int is_low(long bytes)
{
	return bytes <= before + SLACK;
}

static void expect_gone(const char *why)
{
	long bytes = TST_RETRY_FN_EXP_BACKOFF(charged(), is_low, 5);

	TST_EXP_EXPR(is_low(bytes), "memory is gone after %s", why);
}

static void last_close(void)
{
	SAFE_CLOSE(fd);
	expect_gone("the last close");
}

static void close_duplicate(void)
{
	copy = SAFE_DUP(fd);
	SAFE_CLOSE(fd);
	expect_kept("a duplicate");
	TST_EXP_EQ_LI(memory_of(copy), SIZE);
	SAFE_CLOSE(copy);
	expect_gone("the close of the duplicate");
}

static void close_message(void)
{
	send_fd(sock[0], fd);
	SAFE_CLOSE(fd);
	expect_kept("a message");
	copy = receive_fd(sock[1]);
	TST_EXP_EQ_LI(memory_of(copy), SIZE);
	send_fd(sock[0], copy);
	SAFE_CLOSE(copy);
	SAFE_CLOSE(sock[0]);
	SAFE_CLOSE(sock[1]);
	expect_gone("a message that nobody reads");
}

static void other_process(int killed)
{
	pid_t pid = SAFE_FORK();
	int status;
	char byte;

	if (!pid) {
		SAFE_CLOSE(sock[0]);
		if (read(sock[1], &byte, 1) < 0)
			tst_brk(TBROK | TERRNO, "read() failed");
		exit(0);
	}

	SAFE_CLOSE(fd);
	expect_kept("a child");
	if (killed)
		SAFE_KILL(pid, SIGKILL);
	else
		SAFE_WRITE(SAFE_WRITE_ALL, sock[0], "x", 1);
	SAFE_WAITPID(pid, &status, 0);
	expect_gone(killed ? "SIGKILL for the child" : "the end of the child");
}

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
	before = charged();
	fd = new_reserved_file(SIZE);
	SAFE_SOCKETPAIR(AF_UNIX, SOCK_STREAM, 0, sock);
	expect_kept("its descriptor");

	switch (n) {
	case 0:
		last_close();
		break;
	case 1:
		close_duplicate();
		break;
	case 2:
		close_message();
		break;
	case 3:
		other_process(0);
		break;
	case 4:
		other_process(1);
		break;
	}

	close_all();
}

static void setup(void)
{
	SAFE_CG_PRINTF(tst_cg, "cgroup.procs", "%d", getpid());
	become_variant();
}

static struct tst_test test = {
	.test = run,
	.tcnt = 5,
	.setup = setup,
	.cleanup = close_all,
	.forks_child = 1,
	.test_variants = VARIANTS,
	/* For the cgroup. */
	.needs_root = 1,
	.needs_cgroup_ver = TST_CG_V2,
	.needs_cgroup_ctrls = (const char *const []){"memory", NULL},
};
