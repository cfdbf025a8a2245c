// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that memfd_restricted() fails with:
 *
 * - EINVAL if a flag is not known, alone or beside one that is
 * - EMFILE if no descriptor is free, and takes none then
 *
 * Flags are defined from the lowest bit on; those tried here are the 16 highest.
 */

#define _GNU_SOURCE

#include "memfd_restricted.h"

static void unknown_flags(void)
{
	unsigned int flag;

	for (flag = 1U << 16; flag; flag <<= 1) {
		TST_EXP_FAIL2(memfd_restricted(flag, -1), EINVAL,
			      "memfd_restricted(0x%x, -1)", flag);
		TST_EXP_FAIL2(memfd_restricted(flag | RMFD_CLOEXEC, -1), EINVAL,
			      "memfd_restricted(0x%x | RMFD_CLOEXEC, -1)", flag);
	}

	TST_EXP_FAIL2(memfd_restricted(~0U, -1), EINVAL);
}

static void no_descriptor(void)
{
	int lowest = SAFE_MEMFD_RESTRICTED(0);
	struct rlimit old, limit;
	int fd = lowest;

	SAFE_CLOSE(fd);
	SAFE_GETRLIMIT(RLIMIT_NOFILE, &old);
	limit = old;

	limit.rlim_cur = lowest;
	SAFE_SETRLIMIT(RLIMIT_NOFILE, &limit);
	TST_EXP_FAIL2(memfd_restricted(0, -1), EMFILE);
	TST_EXP_FAIL2(memfd_restricted(RMFD_CLOEXEC, -1), EMFILE);

	limit.rlim_cur = lowest + 1;
	SAFE_SETRLIMIT(RLIMIT_NOFILE, &limit);
	fd = TST_EXP_FD(memfd_restricted(0, -1));
	SAFE_SETRLIMIT(RLIMIT_NOFILE, &old);

	if (fd != -1) {
		TST_EXP_EQ_LI(fd, lowest);
		SAFE_CLOSE(fd);
	}
}

static void (*tests[])(void) = {
	unknown_flags,
	no_descriptor,
};

static void run(unsigned int n)
{
	tests[n]();
}

static struct tst_test test = {
	.test = run,
	.tcnt = ARRAY_SIZE(tests),
	.setup = become_variant,
	.test_variants = VARIANTS,
};
