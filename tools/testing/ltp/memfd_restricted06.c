// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that fallocate() with FALLOC_FL_KEEP_SIZE reserves memory:
 *
 * - whole pages inside the size, which shows in st_blocks and leaves the size
 * - where memory is, reserving it again changes nothing
 * - EINVAL if offset or length is no multiple of the page size, the offset is
 *   negative, the length not above zero, or the range not inside the size
 * - EFBIG if the range ends beyond what any file can have
 * - if the process is killed meanwhile, what the call added is gone again
 */

#define _GNU_SOURCE

#include <signal.h>
#include <sys/wait.h>
#include "memfd_restricted.h"

#define PAGES	8
#define LARGE	(64 * 1024 * 1024)

static int fd = -1;
static off_t page, size, last;

static void takes_memory(void)
{
	TST_EXP_PASS(fallocate(fd, RESERVE, page, 2 * page));
	expect_unchanged(fd, size, 2 * page);
	TST_EXP_PASS(fallocate(fd, RESERVE, page, 2 * page), "again");
	expect_unchanged(fd, size, 2 * page);
	TST_EXP_PASS(fallocate(fd, RESERVE, size - page, page), "the last page");
	expect_unchanged(fd, size, 3 * page);
	TST_EXP_PASS(fallocate(fd, RESERVE, 0, size), "all of it");
	expect_unchanged(fd, size, size);
}

static void whole_pages(void)
{
	TST_EXP_FAIL(fallocate(fd, RESERVE, 1, page), EINVAL);
	TST_EXP_FAIL(fallocate(fd, RESERVE, page - 1, page), EINVAL);
	TST_EXP_FAIL(fallocate(fd, RESERVE, 0, 1), EINVAL);
	TST_EXP_FAIL(fallocate(fd, RESERVE, 0, page + 1), EINVAL);
	TST_EXP_FAIL(fallocate(fd, RESERVE, 0, 0), EINVAL);
	TST_EXP_FAIL(fallocate(fd, RESERVE, page, -page), EINVAL);
	TST_EXP_FAIL(fallocate(fd, RESERVE, -page, page), EINVAL);
	expect_unchanged(fd, size, 0);
}

static void inside_the_size(void)
{
	int empty = SAFE_MEMFD_RESTRICTED(0);

	TST_EXP_FAIL(fallocate(fd, RESERVE, size, page), EINVAL);
	TST_EXP_FAIL(fallocate(fd, RESERVE, size - page, 2 * page), EINVAL);
	TST_EXP_FAIL(fallocate(fd, RESERVE, 0, size + page), EINVAL);
	TST_EXP_FAIL(fallocate(fd, RESERVE, last, page), EFBIG);
	TST_EXP_FAIL(fallocate(fd, RESERVE, last, last), EFBIG);
	expect_unchanged(fd, size, 0);

	TST_EXP_FAIL(fallocate(empty, RESERVE, 0, page), EINVAL, "without a size");
	expect_unchanged(empty, 0, 0);
	SAFE_CLOSE(empty);
}

/* If that is too late, all of it is there. */
static void killed(void)
{
	int large_fd = new_file(LARGE);
	pid_t pid, ended;
	off_t memory;

	reserve_memory(large_fd, 0, page);
	pid = SAFE_FORK();
	if (!pid) {
		reserve_memory(large_fd, 0, LARGE);
		exit(0);
	}

	do {
		ended = SAFE_WAITPID(pid, NULL, WNOHANG);
	} while (!ended && memory_of(large_fd) == page);
	if (!ended) {
		SAFE_KILL(pid, SIGKILL);
		SAFE_WAITPID(pid, NULL, 0);
	}

	memory = memory_of(large_fd);
	TST_EXP_EXPR(memory == page || memory == LARGE, "%lld bytes after SIGKILL",
		     (long long)memory);
	SAFE_CLOSE(large_fd);
}

static void (*tests[])(void) = {
	takes_memory,
	whole_pages,
	inside_the_size,
	killed,
};

static void run(unsigned int n)
{
	fd = new_file(size);
	tests[n]();
	SAFE_CLOSE(fd);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	size = PAGES * page;
	last = LLONG_MAX & ~(page - 1);
}

static void cleanup(void)
{
	if (fd != -1)
		SAFE_CLOSE(fd);
}

static struct tst_test test = {
	.test = run,
	.tcnt = ARRAY_SIZE(tests),
	.setup = setup,
	.cleanup = cleanup,
	.forks_child = 1,
	.test_variants = VARIANTS,
};
