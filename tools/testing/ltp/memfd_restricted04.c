// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify what limits of the process mean for restricted memory:
 *
 * - RLIMIT_FSIZE limits the size, with EFBIG and SIGXFSZ as for any file, and a
 *   size that it refuses does not count
 * - RLIMIT_FSIZE limits neither memory that is reserved nor holes
 * - RLIMIT_MEMLOCK does not count the memory, unless vm.memfd_restricted_memlock
 *   is set; a limit for it is that of the memory cgroup
 */

#define _GNU_SOURCE

#include <signal.h>
#include "memfd_restricted.h"

/* So large that it does not limit the output of the test as well. */
#define LIMIT	(256 * 1024 * 1024)

static int fd = -1;
static int large_fd = -1;
static off_t page;
static struct rlimit fsize;
static int signals;

static void count_signal(int sig)
{
	(void)sig;
	__atomic_fetch_add(&signals, 1, __ATOMIC_RELAXED);
}

static void run(void)
{
	fd = SAFE_MEMFD_RESTRICTED(0);
	signals = 0;

	TST_EXP_FAIL(ftruncate(fd, LIMIT + page), EFBIG);
	TST_EXP_EQ_LI(signals, 1);
	TST_EXP_EQ_LI(size_of(fd), 0);
	TST_EXP_PASS(ftruncate(fd, LIMIT));

	TST_EXP_PASS(fallocate(large_fd, RESERVE, LIMIT, page));
	TST_EXP_EQ_LI(memory_of(large_fd), page);
	TST_EXP_PASS(fallocate(large_fd, PUNCH, LIMIT, page));
	TST_EXP_EQ_LI(signals, 1);

	SAFE_CLOSE(fd);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	large_fd = new_file(2 * LIMIT);

	SAFE_SIGNAL(SIGXFSZ, count_signal);
	SAFE_GETRLIMIT(RLIMIT_FSIZE, &fsize);
	fsize.rlim_cur = LIMIT;
	SAFE_SETRLIMIT(RLIMIT_FSIZE, &fsize);
}

static void cleanup(void)
{
	if (fd != -1)
		SAFE_CLOSE(fd);
	if (large_fd != -1)
		SAFE_CLOSE(large_fd);
}

static struct tst_test test = {
	.test_all = run,
	.setup = setup,
	.cleanup = cleanup,
	.test_variants = VARIANTS,
	.ulimit = (const struct tst_ulimit_val []) {
		{RLIMIT_MEMLOCK, 0},
		{}
	},
	/* It would exempt root from RLIMIT_MEMLOCK. */
	.caps = (struct tst_cap []) {
		TST_CAP(TST_CAP_DROP, CAP_IPC_LOCK),
		{}
	},
};
