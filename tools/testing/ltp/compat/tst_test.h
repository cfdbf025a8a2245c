/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much of the C test API of the Linux Test Project as the tests here use, made
 * after its documentation: the test sources are for LTP, and build with either.
 * What a result is and how it is shown is in runner.c.
 */

#ifndef TST_TEST_H__
#define TST_TEST_H__

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ARRAY_SIZE(arr)		(sizeof(arr) / sizeof((arr)[0]))

enum tst_res_flags {
	TPASS,
	TFAIL = 1,
	TBROK = 2,
	TWARN = 4,
	TINFO = 16,
	TCONF = 32,
	/* Beside one of the above: say which errno. */
	TERRNO = 0x100,
};

[[gnu::format(printf, 4, 5)]]
void tst_res_(const char *file, const int lineno, int ttype, const char *fmt, ...);
[[gnu::format(printf, 4, 5)]]
void tst_brk_(const char *file, const int lineno, int ttype, const char *fmt, ...);

#define tst_res(ttype, ...)	tst_res_(__FILE__, __LINE__, ttype, __VA_ARGS__)
#define tst_brk(ttype, ...)	tst_brk_(__FILE__, __LINE__, ttype, __VA_ARGS__)

const char *tst_strerrno(int err);
void tst_reap_children(void);

extern unsigned int tst_variant;

#include "tst_capability.h"
#include "tst_cgroup.h"
#include "tst_safe_macros.h"
#include "tst_test_macros.h"

struct tst_buffers {
	void *ptr;
	size_t size;
};

struct tst_ulimit_val {
	int resource;
	rlim_t rlim_cur;
};

struct tst_test {
	unsigned int tcnt;
	unsigned int needs_tmpdir:1;
	unsigned int needs_root:1;
	unsigned int forks_child:1;
	unsigned int test_variants;
	void (*setup)(void);
	void (*cleanup)(void);
	void (*test)(unsigned int test_nr);
	void (*test_all)(void);
	const struct tst_ulimit_val *ulimit;
	struct tst_buffers *bufs;
	struct tst_cap *caps;
	const enum tst_cg_ver needs_cgroup_ver;
	const char *const *needs_cgroup_ctrls;
};

int tst_run_tcases(const char *name, struct tst_test *self);

#ifndef TST_NO_DEFAULT_MAIN

static struct tst_test test;

int main(int argc, char *argv[])
{
	(void)argc;
	return tst_run_tcases(argv[0], &test);
}

#endif /* TST_NO_DEFAULT_MAIN */

#endif /* TST_TEST_H__ */
