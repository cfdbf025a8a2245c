// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify who pays for restricted memory: the memory cgroup of the process that
 * made the file.
 *
 * - it is charged for what others reserve, and until they punch it
 * - at its limit fallocate() fails with ENOMEM, inside the cgroup and outside,
 *   gives back exactly what this call added, and nobody is killed
 */

#define _GNU_SOURCE

#include "memfd_restricted.h"

#define MB	(1024 * 1024)
#define SIZE	(64 * MB)
#define LIMIT	(32 * MB)
/* What else the cgroup may have come to use. */
#define SLACK	(4 * MB)

static int fd = -1;
static int sock[2] = {-1, -1};

static void reserve_too_much(const char *where)
{
	TST_EXP_FAIL(fallocate(fd, RESERVE, 0, SIZE), ENOMEM,
		     "fallocate() above the limit, %s the cgroup", where);
	TST_EXP_EQ_LI(memory_of(fd), 8 * MB);
}

/* Makes the file, sends it, and tries to get too much once asked to. */
static void inside(void)
{
	char byte;

	SAFE_CLOSE(sock[0]);
	SAFE_CG_PRINTF(tst_cg, "cgroup.procs", "%d", getpid());
	become_variant();
	fd = new_file(SIZE);
	send_fd(sock[1], fd);
	SAFE_READ(1, sock[1], &byte, 1);
	reserve_too_much("inside");
	exit(0);
}

static void expect_charged(long expected)
{
	long bytes;

	SAFE_CG_SCANF(tst_cg, "memory.current", "%ld", &bytes);
	TST_EXP_EXPR(bytes >= expected && bytes < expected + SLACK,
		     "%ld bytes are charged, expected %ld or a little more", bytes, expected);
}

/* Not in the cgroup, like the main process, which stays root. */
static void outside(void)
{
	become_variant();
	TST_EXP_PASS(fallocate(fd, RESERVE, 0, 16 * MB));
	expect_charged(16 * MB);
	TST_EXP_PASS(fallocate(fd, PUNCH, 0, 8 * MB));
	expect_charged(8 * MB);
	reserve_too_much("outside");
	expect_charged(8 * MB);
	exit(0);
}

static void try_both(void)
{
	long oom_kills;
	pid_t pid;
	int status;

	pid = SAFE_FORK();
	if (!pid)
		outside();
	SAFE_WAITPID(pid, &status, 0);
	TST_EXP_EQ_LI(status, 0);

	SAFE_WRITE(SAFE_WRITE_ALL, sock[0], "x", 1);
	tst_reap_children();
	SAFE_CG_LINES_SCANF(tst_cg, "memory.events", "oom_kill %ld", &oom_kills);
	TST_EXP_EQ_LI(oom_kills, 0);

	SAFE_CLOSE(fd);
}

static void run(void)
{
	SAFE_SOCKETPAIR(AF_UNIX, SOCK_STREAM, 0, sock);
	if (!SAFE_FORK())
		inside();
	SAFE_CLOSE(sock[1]);

	fd = receive_fd(sock[0]);
	if (fd != -1)
		try_both();
	SAFE_CLOSE(sock[0]);
}

static void setup(void)
{
	SAFE_CG_PRINTF(tst_cg, "memory.max", "%d", LIMIT);
	if (SAFE_CG_HAS(tst_cg, "memory.swap.max"))
		SAFE_CG_PRINT(tst_cg, "memory.swap.max", "0");
}

static void cleanup(void)
{
	if (fd != -1)
		SAFE_CLOSE(fd);
	if (sock[0] != -1)
		SAFE_CLOSE(sock[0]);
	if (sock[1] != -1)
		SAFE_CLOSE(sock[1]);
}

static struct tst_test test = {
	.test_all = run,
	.setup = setup,
	.cleanup = cleanup,
	.forks_child = 1,
	.test_variants = VARIANTS,
	/* For the cgroup. */
	.needs_root = 1,
	.needs_cgroup_ver = TST_CG_V2,
	.needs_cgroup_ctrls = (const char *const []){"memory", NULL},
};
