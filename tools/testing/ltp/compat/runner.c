// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a test and shows its results as KTAP. Each variant of the test is a subtest,
 * and each result that it reports is one of the subtest:
 *
 *	TPASS			ok
 *	TFAIL, TBROK, TWARN	not ok
 *	TCONF			ok, with the directive SKIP
 *	TINFO			a comment
 *
 * It is not ok either if a function of the test reports nothing, or if a process of
 * the test is killed, fails, ends too early, or is not done in time.
 */
#define _GNU_SOURCE
#define TST_NO_DEFAULT_MAIN
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tst_test.h"

#define MAX_RESULTS	1024

/* Seconds for a variant, setup and cleanup included. */
#define TIMEOUT		90

/* How kselftest says that all of a test was skipped. */
#define EXIT_SKIPPED	4

struct result {
	bool complete;
	int type;
	char text[240];
};

/* Of one variant. All processes of the test write to it. */
static struct {
	pid_t main_pid;
	bool broken;		/* a process has ended the test */
	bool done;		/* the main process has come to its end */
	unsigned int lines;
	unsigned int results;	/* lines that are no comments */
	struct result list[MAX_RESULTS];
} *shared;

unsigned int tst_variant;
long TST_RET;
void *TST_RET_PTR;
int TST_ERR;
int TST_PASS;

static struct tst_test *test;
static char tmpdir[64];
static bool in_cleanup;
static pid_t child;
static bool timed_out;

const char *tst_strerrno(int err)
{
	return strerrorname_np(err) ?: "an unknown error";
}

/* Neither ends a line nor begins a directive. */
static void make_plain(char *text)
{
	while ((text = strpbrk(text, "#\n")))
		*text = ' ';
}

static void report(const char *file, int lineno, int ttype, const char *fmt, va_list args)
{
	const char *slash = strrchr(file, '/');
	int type = ttype & ~TERRNO, err = errno;
	char message[160], suffix[32] = "";
	struct result *result;
	unsigned int line;

	if (type != TINFO)
		__atomic_fetch_add(&shared->results, 1, __ATOMIC_RELAXED);
	line = __atomic_fetch_add(&shared->lines, 1, __ATOMIC_RELAXED);
	if (line >= MAX_RESULTS)
		return;

	result = &shared->list[line];
	vsnprintf(message, sizeof(message), fmt, args);
	if (ttype & TERRNO)
		snprintf(suffix, sizeof(suffix), ": %s", tst_strerrno(err));
	snprintf(result->text, sizeof(result->text), "%s:%d %s%s",
		 slash ? slash + 1 : file, lineno, message, suffix);
	make_plain(result->text);
	result->type = type;
	result->complete = true;
	errno = err;
}

void tst_res_(const char *file, const int lineno, int ttype, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report(file, lineno, ttype, fmt, args);
	va_end(args);
}

static void clean_up(void)
{
	in_cleanup = true;
	if (test->cleanup)
		test->cleanup();
	shared->done = true;
}

void tst_brk_(const char *file, const int lineno, int ttype, const char *fmt, ...)
{
	bool broken = ttype & TBROK;
	va_list args;

	if (in_cleanup && broken)
		ttype = (ttype & ~TBROK) | TWARN;
	va_start(args, fmt);
	report(file, lineno, ttype, fmt, args);
	va_end(args);
	if (in_cleanup)
		return;

	if (getpid() == shared->main_pid) {
		clean_up();
	} else if (broken) {
		shared->broken = true;
		kill(shared->main_pid, SIGKILL);
	}
	exit(0);
}

const char *tst_name_(const char *text, ...)
{
	static char name[160];
	const char *fmt;
	va_list args;

	va_start(args, text);
	fmt = va_arg(args, const char *);
	if (fmt)
		vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	return fmt ? name : text;
}

void tst_expect_(const char *file, const int lineno, bool right, long ret,
		 const char *expected, const char *name)
{
	const char *err = ret == -1 ? tst_strerrno(TST_ERR) : "no error";

	TST_PASS = right;
	if (right && ret == -1)
		tst_res_(file, lineno, TPASS, "%s: %s", name, err);
	else if (right)
		tst_res_(file, lineno, TPASS, "%s: %ld", name, ret);
	else
		tst_res_(file, lineno, TFAIL, "%s: %ld (%s), expected %s", name, ret, err,
			 expected);
}

void tst_reap_children(void)
{
	int status;

	while (wait(&status) > 0 || errno == EINTR)
		if (status)
			tst_brk(TBROK, "a child ended with status 0x%x", status);
}

pid_t safe_fork(const char *file, const int lineno)
{
	pid_t pid;

	if (!test->forks_child)
		tst_brk_(file, lineno, TBROK, "a test that forks has to say so in .forks_child");
	pid = fork();
	if (pid < 0)
		tst_brk_(file, lineno, TBROK | TERRNO, "fork() failed");
	return pid;
}

/* A buffer between pages that cannot be accessed. */
static void *guarded(size_t size)
{
	size_t page = SAFE_SYSCONF(_SC_PAGESIZE);
	size_t len = (size + page - 1) & ~(page - 1);
	char *area = SAFE_MMAP(NULL, len + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return SAFE_MMAP(area + page, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* What the test asks for beside its functions. */
static void prepare(void)
{
	const struct tst_ulimit_val *ulimit;
	struct tst_buffers *buf;
	struct rlimit limit;

	if (test->needs_root && geteuid() != 0)
		tst_brk(TCONF, "needs root");
	if (test->needs_cgroup_ctrls && !tst_cg_make_(test->needs_cgroup_ctrls))
		tst_brk(TCONF, "needs a controller that no cgroup has here");
	if (test->needs_tmpdir && (mkdir(tmpdir, 0700) || chmod(tmpdir, 0777) || chdir(tmpdir)))
		tst_brk(TBROK | TERRNO, "cannot make %s", tmpdir);
	for (ulimit = test->ulimit; ulimit && ulimit->resource; ulimit++) {
		SAFE_GETRLIMIT(ulimit->resource, &limit);
		limit.rlim_cur = ulimit->rlim_cur;
		SAFE_SETRLIMIT(ulimit->resource, &limit);
	}
	for (buf = test->bufs; buf && buf->ptr; buf++)
		*(void **)buf->ptr = guarded(buf->size);
}

static void run_variant(void)
{
	unsigned int i = 0, before;

	setpgid(0, 0);
	shared->main_pid = getpid();
	prepare();
	if (test->setup)
		test->setup();
	if (test->caps)
		tst_cap_drop_(test->caps);

	do {
		before = shared->results;
		if (test->test)
			test->test(i);
		else
			test->test_all();
		if (getpid() != shared->main_pid)
			exit(0);
		tst_reap_children();
		if (shared->results == before)
			tst_brk(TBROK, "function %u of the test reported nothing", i);
	} while (++i < test->tcnt);

	clean_up();
	exit(0);
}

static void stop_child(int sig)
{
	(void)sig;
	__atomic_store_n(&timed_out, true, __ATOMIC_RELAXED);
	kill(-child, SIGKILL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Run a variant, until none of its processes is left. */
static void perform(void)
{
	int status;

	__atomic_store_n(&timed_out, false, __ATOMIC_RELAXED);
	child = fork();
	if (!child)
		run_variant();
	setpgid(child, child);
	alarm(TIMEOUT);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	alarm(0);
	kill(-child, SIGKILL);
	while (wait(NULL) > 0)
		;

	if (__atomic_load_n(&timed_out, __ATOMIC_RELAXED))
		tst_res(TBROK, "not done after %d seconds", TIMEOUT);
	else if (status && !shared->broken)
		tst_res(TBROK, "the test ended with status 0x%x", status);
	else if (!shared->done && !shared->broken)
		tst_res(TBROK, "the test ended too early");
	else if (!shared->results)
		tst_res(TBROK, "the test reported nothing");

	if (test->needs_cgroup_ctrls)
		tst_cg_remove_();
	if (test->needs_tmpdir)
		nftw(tmpdir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Show the results of a variant, and that it had them. */
static int show(unsigned int number)
{
	unsigned int i, n = 0, passed = 0, failed = 0;

	printf("    KTAP version 1\n    # Subtest: variant %u\n    1..%u\n",
	       tst_variant, shared->results);
	for (i = 0; i < shared->lines && i < MAX_RESULTS; i++) {
		struct result *result = &shared->list[i];
		int type = result->complete ? result->type : TBROK;

		if (type == TINFO) {
			printf("    # %s\n", result->text);
		} else if (type == TCONF) {
			printf("    ok %u # SKIP %s\n", ++n, result->text);
		} else if (type == TPASS) {
			printf("    ok %u - %s\n", ++n, result->text);
			passed++;
		} else {
			printf("    not ok %u - %s\n", ++n, result->text);
			failed++;
		}
	}
	failed += shared->results - n;	/* for which there was no space */

	printf("%sok %u variant %u%s\n", failed ? "not " : "", number, tst_variant,
	       failed || passed ? "" : " # SKIP");
	if (failed)
		return EXIT_FAILURE;
	return passed ? EXIT_SUCCESS : EXIT_SKIPPED;
}

int tst_run_tcases(const char *name, struct tst_test *self)
{
	struct sigaction action = {.sa_handler = stop_child};
	int result = EXIT_SKIPPED, one;
	unsigned int variants;

	test = self;
	variants = test->test_variants ?: 1;
	snprintf(tmpdir, sizeof(tmpdir), "/tmp/ltp-%d", getpid());
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED || sigaction(SIGALRM, &action, NULL) ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1)) {
		perror(name);
		return EXIT_FAILURE;
	}

	printf("KTAP version 1\n1..%u\n", variants);
	for (; tst_variant < variants; tst_variant++) {
		fflush(stdout);
		memset(shared, 0, sizeof(*shared));
		perform();
		one = show(tst_variant + 1);
		if (one == EXIT_FAILURE || result == EXIT_SKIPPED)
			result = one;
	}
	return result;
}
