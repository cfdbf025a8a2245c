// SPDX-License-Identifier: GPL-2.0
/*
 * What a file says about itself in /proc/PID/fdinfo/FD.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "load.h"
#include "test_consumer.h"
#include "text.h"

#define PAGES 64
#define MANY 2000
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

#define INJECT "/sys/kernel/debug/hwpoison/corrupt-pfn"

#define ORDER 9
#define LARGE 512

static char path[64];

/* The text without the lines that every file has; to be freed. NULL for an error. */
static char *told_by(int fd)
{
	char *text, *ours;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	text = read_text(path);
	ours = text ? strstr(text, "size:") : NULL;
	if (!ours) {
		free(text);
		return NULL;
	}
	memmove(text, ours, strlen(ours) + 1);
	return text;
}

/* One number of it, -1 if the key is not there exactly once. */
static long long told(int fd, const char *key)
{
	char *text = told_by(fd);
	long long number = text ? number_after(text, key) : -1;

	free(text);
	return number;
}

/* The sum of the numbers of all keys that begin with some text, in kB. */
static long long sum_of(const char *text, const char *begin)
{
	long long sum = 0;
	const char *line;

	for (int n = 0; (line = nth_line(text, begin, n)); n++)
		sum += strtoll(strchr(line, '\t'), NULL, 10);
	return sum;
}

/* Pages in kB. */
static long long kb(long pages)
{
	return pages * page_size() / 1024;
}

FIXTURE(stat) {
	int fd, a, b;
};

FIXTURE_SETUP(stat)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->b = new_consumer();
	ASSERT_LE(0, self->b);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(stat)
{
	close(self->a);
	close(self->b);
	close(self->fd);
}

TEST_F(stat, lines_of_a_file_without_memory)
{
	char *text = told_by(self->fd), expected[256];

	ASSERT_NE(NULL, text);
	snprintf(expected, sizeof(expected),
		 "size:\t%lld kB\nmemory:\t0 kB\npresent:\t0 kB\nreserved:\t0 kB\n"
		 "quarantined:\t0 kB\npoisoned:\t0 kB\n"
		 "loads:\t0\npunches:\t0\nrefusals:\t0\npopulates:\t0\n", kb(PAGES));
	EXPECT_STREQ(expected, text);
	free(text);
}

TEST_F(stat, lines_of_a_file_without_a_size)
{
	int fd = memfd_restricted(0, -1);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, told(fd, "size:\t"));
	EXPECT_EQ(0, told(fd, "memory:\t"));
	EXPECT_EQ(0, told(fd, "present:\t"));
	close(fd);
}

TEST_F(stat, lines_come_in_their_order)
{
	char *text, *at = NULL;
	static const char * const keys[] = {
		"size:\t", "memory:\t", "present:\t", "reserved:\t",
		"present-order-", "present-node-", "quarantined:\t", "poisoned:\t",
		"loads:\t", "punches:\t", "refusals:\t", "populates:\t", "binding:\t",
	};
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);

	ASSERT_LT(0, rm_get(self->a, id, 0));
	text = told_by(self->fd);
	ASSERT_NE(NULL, text);
	for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++) {
		char *line = (char *)nth_line(text, keys[i], 0);

		ASSERT_NE(NULL, line)
			TH_LOG("%s: %s", keys[i], text);
		EXPECT_LE(at, line)
			TH_LOG("%s: %s", keys[i], text);
		EXPECT_EQ(1, count_lines(text, keys[i]))
			TH_LOG("%s: %s", keys[i], text);
		at = line;
	}
	free(text);
}

TEST_F(stat, present_and_reserved)
{
	int id = rm_bind(self->a, self->fd, 4, 16, SHRD);
	char *text;

	ASSERT_EQ(0, reserve(self->fd, 0, 8));
	EXPECT_EQ(kb(8), told(self->fd, "memory:\t"));
	EXPECT_EQ(0, told(self->fd, "present:\t"));
	EXPECT_EQ(kb(8), told(self->fd, "reserved:\t"));

	ASSERT_LT(0, rm_get_range(self->a, id, 6, 11));
	text = told_by(self->fd);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(kb(11), number_after(text, "memory:\t"));
	EXPECT_EQ(kb(5), number_after(text, "present:\t"));
	EXPECT_EQ(kb(6), number_after(text, "reserved:\t"));
	EXPECT_EQ(kb(5), sum_of(text, "present-order-"));
	EXPECT_EQ(kb(5), sum_of(text, "present-node-"));
	free(text);

	ASSERT_EQ(0, punch(self->fd, 5, 7));
	EXPECT_EQ(kb(9), told(self->fd, "memory:\t"));
	EXPECT_EQ(kb(4), told(self->fd, "present:\t"));
	EXPECT_EQ(kb(5), told(self->fd, "reserved:\t"));

	ASSERT_EQ(0, punch(self->fd, 0, PAGES));
	text = told_by(self->fd);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(0, number_after(text, "memory:\t"));
	EXPECT_EQ(0, number_after(text, "present:\t"));
	EXPECT_EQ(0, count_lines(text, "present-order-"));
	EXPECT_EQ(0, count_lines(text, "present-node-"));
	free(text);
}

TEST_F(stat, present_at_the_end_of_a_huge_file)
{
	long pages = 1L << 40;
	int fd = new_sized_file(pages * page_size());
	int id = rm_bind(self->a, fd, 0, pages, SHRD);

	ASSERT_LT(0, id);
	ASSERT_LT(0, rm_get(self->a, id, 0));
	ASSERT_LT(0, rm_get(self->a, id, pages / 2 - 1));
	ASSERT_LT(0, rm_get(self->a, id, pages - 1));
	EXPECT_EQ(pages * page_size() / 1024, told(fd, "size:\t"));
	EXPECT_EQ(told(fd, "memory:\t"), told(fd, "present:\t"));
	EXPECT_LE(kb(3), told(fd, "present:\t"))
		TH_LOG("and it does not take for ever to find out");
	close(fd);
}

TEST_F(stat, present_in_thousands_of_folios)
{
	long pages = 3000;
	int fd = new_sized_file(2 * pages * page_size());
	int id = rm_bind(self->a, fd, 0, 2 * pages, SHRD);

	ASSERT_LT(0, id);
	for (long i = 0; i < pages; i++)
		ASSERT_NE(-1, rm_get(self->a, id, 2 * i));
	ASSERT_EQ(0, reserve(fd, 1, 2));
	EXPECT_EQ(kb(pages), told(fd, "present:\t"));
	EXPECT_EQ(kb(1), told(fd, "reserved:\t"));
	EXPECT_EQ(kb(pages + 1), told(fd, "memory:\t"));
	close(fd);
}

TEST_F(stat, quarantined)
{
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);

	ASSERT_LT(0, rm_get_range(self->a, id, 0, 8));
	ASSERT_EQ(2, rm_quarantine(self->a, id, 3, 5));
	EXPECT_EQ(kb(2), told(self->fd, "quarantined:\t"));
	EXPECT_EQ(kb(6), told(self->fd, "memory:\t"));
	EXPECT_EQ(kb(6), told(self->fd, "present:\t"));
	EXPECT_EQ(0, told(self->fd, "punches:\t"));
}

TEST_F(stat, poisoned)
{
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);
	char text[32];

	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
	ASSERT_LT(0, rm_get_range(self->a, id, 0, 8));
	snprintf(text, sizeof(text), "%ld", rm_get(self->a, id, 3));
	ASSERT_EQ(0, write_text(INJECT, text));
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	EXPECT_EQ(kb(1), told(self->fd, "poisoned:\t"));
	EXPECT_EQ(kb(8), told(self->fd, "present:\t"))
		TH_LOG("it is part of the file still");
	ASSERT_EQ(0, punch(self->fd, 3, 4));
	EXPECT_EQ(0, told(self->fd, "poisoned:\t"));
	EXPECT_EQ(kb(7), told(self->fd, "present:\t"));
}

TEST_F(stat, loads)
{
	char *from = calloc(4, page_size());
	long pages;

	ASSERT_NE(NULL, from);
	ASSERT_EQ(0, load_pages(self->fd, 4, 8, from, &pages));
	EXPECT_EQ(1, told(self->fd, "loads:\t"));
	EXPECT_EQ(kb(4), told(self->fd, "present:\t"));
	ASSERT_EQ(-1, load_pages(self->fd, 4, 8, NULL, &pages));
	EXPECT_EQ(1, told(self->fd, "loads:\t"))
		TH_LOG("nothing was loaded");
	free(from);
}

TEST_F(stat, punches)
{
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);

	ASSERT_LT(0, rm_get(self->a, id, 0));
	ASSERT_EQ(0, punch(self->fd, 0, 8));
	ASSERT_EQ(0, punch(self->fd, 32, 33));
	EXPECT_EQ(2, told(self->fd, "punches:\t"));
	ASSERT_EQ(0, punch(self->fd, PAGES, PAGES + 1));
	EXPECT_EQ(2, told(self->fd, "punches:\t"))
		TH_LOG("there was nothing to punch");
	EXPECT_EQ(0, told(self->fd, "refusals:\t"));
}

TEST_F(stat, refusals)
{
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);

	ASSERT_LT(0, rm_bind(self->b, self->fd, 4, 8, SHRD));
	BEHAVE(self->b, .prepare_errno = EBUSY);
	EXPECT_REFUSED(punch(self->fd, 0, 8), "a consumer refuses", EBUSY);
	EXPECT_EQ(1, told(self->fd, "refusals:\t"));
	EXPECT_EQ(0, told(self->fd, "punches:\t"));

	BEHAVE(self->b, .populate_errno = EDOM);
	EXPECT_REFUSED(rm_get(self->a, id, 5), "a consumer refuses", EDOM);
	EXPECT_EQ(2, told(self->fd, "refusals:\t"));
	EXPECT_EQ(0, told(self->fd, "populates:\t"));
	ASSERT_LT(0, rm_get(self->a, id, 3));
	EXPECT_EQ(2, told(self->fd, "refusals:\t"));

	EXPECT_REFUSED(rm_bind(self->b, self->fd, 0, 8, EXCL), "overlaps", EBUSY);
	EXPECT_REFUSED(rm_get(self->a, id, 8), "outside", EINVAL);
	EXPECT_EQ(2, told(self->fd, "refusals:\t"))
		TH_LOG("no consumer was asked");
}

TEST_F(stat, populates)
{
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);
	int other = rm_bind(self->b, self->fd, 0, 8, SHRD);

	ASSERT_EQ(0, reserve(self->fd, 0, 8));
	EXPECT_EQ(0, told(self->fd, "populates:\t"));
	ASSERT_LT(0, rm_get(self->a, id, 1));
	EXPECT_EQ(1, told(self->fd, "populates:\t"));
	ASSERT_LT(0, rm_get(self->a, id, 1));
	ASSERT_LT(0, rm_get(self->b, other, 1));
	EXPECT_EQ(1, told(self->fd, "populates:\t"))
		TH_LOG("it was present");
	ASSERT_EQ(0, punch(self->fd, 1, 2));
	ASSERT_LT(0, rm_get(self->b, other, 1));
	EXPECT_EQ(2, told(self->fd, "populates:\t"));
}

TEST_F(stat, bindings_with_mode_and_name)
{
	int id = rm_bind(self->a, self->fd, 0, 8, EXCL);
	char expected[256], *text;
	unsigned long page = page_size();

	ASSERT_LT(0, rm_bind(self->b, self->fd, 16, PAGES, SHRD));
	ASSERT_LT(0, rm_bind(self->a, self->fd, 20, 21, SHRD));
	text = told_by(self->fd);
	ASSERT_NE(NULL, text);
	snprintf(expected, sizeof(expected),
		 "binding:\t0x0-0x%lx exclusive test\n"
		 "binding:\t0x%lx-0x%lx shared test\n"
		 "binding:\t0x%lx-0x%lx shared test\n",
		 8 * page, 16 * page, PAGES * page, 20 * page, 21 * page);
	ASSERT_NE(NULL, strstr(text, "binding:"));
	EXPECT_STREQ(expected, strstr(text, "binding:"));
	free(text);

	ASSERT_EQ(0, rm_unbind(self->a, id));
	text = told_by(self->fd);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(2, count_lines(text, "binding:\t"));
	EXPECT_EQ(0, count_lines(text, "binding:\t0x0-"));
	EXPECT_EQ(0, count_lines(text, "busy:"));
	free(text);
}

TEST_F(stat, many_bindings_in_full)
{
	int fd = new_sized_file(2 * MANY * page_size()), n = 0;
	char *text, *pieces, expected[128];

	ASSERT_LE(0, fd);
	for (int i = 0; i < MANY; i++) {
		ASSERT_LT(0, rm_bind(self->a, fd, 2 * i, 2 * i + 1, EXCL))
			TH_LOG("binding %d: %s", i, strerror(errno));
	}
	text = told_by(fd);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(MANY, count_lines(text, "binding:\t"));
	EXPECT_EQ(1, count_lines(text, "size:\t"));
	for (const char *line = strstr(text, "binding:"); line && *line; n++) {
		unsigned long start = 2 * n * page_size();
		int len = sprintf(expected, "binding:\t0x%lx-0x%lx exclusive test\n",
				  start, start + page_size());

		ASSERT_EQ(0, strncmp(expected, line, len))
			TH_LOG("line %d: %.40s", n, line);
		line += len;
	}
	EXPECT_EQ(MANY, n);

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	pieces = read_pieces(path, 1000);
	ASSERT_NE(NULL, pieces);
	EXPECT_STREQ(text, strstr(pieces, "size:"))
		TH_LOG("it does not depend on how it is read");
	free(pieces);
	free(text);
	close(fd);
}

TEST_F(stat, does_not_wait_for_a_slow_consumer)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .start = 0, .end = 8 };
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);
	struct timespec before, after;
	char *text;

	ASSERT_LT(0, rm_get_range(self->a, id, 0, 8));
	BEHAVE(self->a, .prepare_delay_ms = 60000);
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait_for(self->a, prepares, 1));

	clock_gettime(CLOCK_MONOTONIC, &before);
	text = told_by(self->fd);
	clock_gettime(CLOCK_MONOTONIC, &after);
	ASSERT_NE(NULL, text);
	EXPECT_GT(30, after.tv_sec - before.tv_sec);
	EXPECT_FALSE(hole.done);
	EXPECT_EQ(1, number_after(text, "busy:\t"));
	EXPECT_EQ(0, count_lines(text, "binding:"));
	EXPECT_EQ(kb(8), number_after(text, "present:\t"))
		TH_LOG("everything else is there");
	EXPECT_EQ(8, number_after(text, "populates:\t"));
	free(text);

	ASSERT_EQ(0, rm_continue(self->a));
	ASSERT_EQ(0, rm_call_end(&hole));
	text = told_by(self->fd);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(0, count_lines(text, "busy:"));
	EXPECT_EQ(1, count_lines(text, "binding:"));
	free(text);
}

/* The exit status of a child without privileges that looks at a file in /proc. */
static int look_as_nobody(const char *file)
{
	pid_t child = fork();
	int status = -1;

	if (!child) {
		char *text;

		if (become_nobody())
			_exit(255);
		errno = 0;
		text = read_text(file);
		if (!text)
			_exit(errno);
		_exit(count_lines(text, "binding:\t") == 1 &&
		      number_after(text, "present:\t") >= 0 ? 0 : 254);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

TEST_F(stat, needs_no_privileges)
{
	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, 8, SHRD));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	EXPECT_EQ(0, look_as_nobody(path))
		TH_LOG("whoever has the file may know");
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", getpid(), self->fd);
	EXPECT_EQ(EACCES, look_as_nobody(path))
		TH_LOG("others may not");
}

/* Uses the file of the test while it is being looked at. */
static void *use(void *arg)
{
	static const struct rmtest_behaviour refuse = {
		.prepare_errno = EBUSY, .prepare_every = 3,
	};
	int fd = *(int *)arg, consumer = new_consumer();

	rm_behave(consumer, refuse);
	for (int i = 0; i < 200; i++) {
		int start = i * 7 % (PAGES - 8);
		int id = rm_bind(consumer, fd, start, start + 8, SHRD);

		rm_get_range(consumer, id, start, start + 8);
		punch(fd, start + 2, start + 6);
		rm_unbind(consumer, id);
	}
	close(consumer);
	return NULL;
}

TEST_F_TIMEOUT(stat, while_the_file_is_in_use, 120)
{
	pthread_t threads[2];
	int looked = 0;

	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, use, &self->fd));
	do {
		char *text = told_by(self->fd);

		ASSERT_NE(NULL, text);
		EXPECT_EQ(kb(PAGES), number_after(text, "size:\t"));
		EXPECT_GE(kb(PAGES), number_after(text, "present:\t"));
		EXPECT_EQ(number_after(text, "present:\t"), sum_of(text, "present-order-"));
		EXPECT_EQ(number_after(text, "present:\t"), sum_of(text, "present-node-"));
		EXPECT_GE(2, count_lines(text, "binding:\t"));
		EXPECT_GE(1, count_lines(text, "busy:\t1") +
			  !!count_lines(text, "binding:\t"))
			TH_LOG("%s", text);
		EXPECT_EQ('\n', text[strlen(text) - 1]);
		free(text);
		looked++;
	} while (pthread_tryjoin_np(threads[0], NULL));
	ASSERT_EQ(0, pthread_join(threads[1], NULL));
	EXPECT_LT(0, looked);
	EXPECT_EQ(told(self->fd, "memory:\t"), told(self->fd, "present:\t"));
	EXPECT_EQ(pages_of(self->fd), told(self->fd, "present:\t") * 1024 / page_size());
}

TEST_F(stat, large_folios_by_order)
{
	int fd = new_sized_file(4 * LARGE * page_size());
	int id = rm_bind(self->a, fd, 0, 4 * LARGE, SHRD);
	char *text, policy[32];
	int order;

	ASSERT_LT(0, id);
	if (!want_large(policy, sizeof(policy)))
		SKIP(return, "cannot change " LARGE_POLICY);
	order = rm_order(self->a, id, LARGE);
	ASSERT_EQ(0, write_text(LARGE_POLICY, policy));
	if (order != ORDER)
		SKIP(return, "no large folio to be had");

	ASSERT_LT(0, rm_get(self->a, id, 0));
	text = told_by(fd);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(kb(LARGE), number_after(text, "present-order-9:\t"));
	EXPECT_EQ(kb(1), number_after(text, "present-order-0:\t"));
	EXPECT_EQ(2, count_lines(text, "present-order-"));
	EXPECT_EQ(kb(LARGE + 1), number_after(text, "present:\t"));
	EXPECT_EQ(kb(LARGE + 1), sum_of(text, "present-node-"));
	EXPECT_EQ(2, number_after(text, "populates:\t"))
		TH_LOG("one for each folio");
	free(text);

	/* What is left of it: 256 and smaller powers of two. */
	ASSERT_EQ(0, punch(fd, LARGE, LARGE + 1));
	text = told_by(fd);
	ASSERT_NE(NULL, text);
	EXPECT_EQ(-1, number_after(text, "present-order-9:\t"));
	EXPECT_EQ(kb(256), number_after(text, "present-order-8:\t"));
	EXPECT_EQ(kb(2), number_after(text, "present-order-1:\t"));
	EXPECT_EQ(kb(2), number_after(text, "present-order-0:\t"));
	EXPECT_EQ(kb(LARGE), sum_of(text, "present-order-"));
	free(text);
	close(fd);
}

TEST_HARNESS_MAIN
