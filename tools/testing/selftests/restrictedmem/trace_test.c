// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: each operation is one event, with what there is to know of it.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "load.h"
#include "test_consumer.h"
#include "text.h"

#define PAGES 64
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

#define INSTANCES "/sys/kernel/tracing/instances"
#define INJECT "/sys/kernel/debug/hwpoison/corrupt-pfn"

/* A trace buffer that nobody else uses. */
static char instance[64];

/* Our file, and what the last event of it told beside its number. */
static unsigned long long ino;
static char told[256];

/* A file of the instance. */
static const char *path_of(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", instance, name);
	return path;
}

/* How many events of a kind there are of our file. */
static int events_of(const char *kind)
{
	char *text = read_text(path_of("trace")), begin[96];
	int n = 0;

	if (!text)
		return -1;
	told[0] = '\0';
	snprintf(begin, sizeof(begin), ": restrictedmem_%s: ino=%llu", kind, ino);
	for (char *at = text; (at = strstr(at, begin)); ) {
		at += strlen(begin);
		if (*at != ' ' && *at != '\n')
			continue;
		at += *at == ' ';
		snprintf(told, sizeof(told), "%.*s", (int)strcspn(at, "\n"), at);
		n++;
	}
	free(text);
	return n;
}

/* Empties the buffer. */
static int forget(void)
{
	int fd = open(path_of("trace"), O_WRONLY | O_TRUNC);

	return fd < 0 ? -1 : close(fd);
}

/* A range of pages, as events tell it. */
static const char *pages(unsigned long start, unsigned long end)
{
	static char text[64];

	snprintf(text, sizeof(text), "range=0x%lx-0x%lx", start * page_size(),
		 end * page_size());
	return text;
}

#define EXPECT_EVENT(kind, start, end, rest)				\
do {									\
	char __expected[256];						\
									\
	EXPECT_EQ(1, events_of(kind))					\
		TH_LOG("events of " kind);				\
	snprintf(__expected, sizeof(__expected), "%s%s",		\
		 pages(start, end), rest);				\
	EXPECT_STREQ(__expected, told);					\
	EXPECT_EQ(0, forget());					\
} while (0)

FIXTURE(trace) {
	int fd, a, b;
};

FIXTURE_SETUP(trace)
{
	struct stat st;

	if (access(INSTANCES, W_OK))
		SKIP(return, "there is no " INSTANCES);
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	snprintf(instance, sizeof(instance), INSTANCES "/restrictedmem-%d",
		 getpid());
	ASSERT_EQ(0, mkdir(instance, 0700));
	ASSERT_EQ(0, write_text(path_of("events/restrictedmem/enable"), "1"));
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->b = new_consumer();
	ASSERT_LE(0, self->b);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fstat(self->fd, &st));
	ino = st.st_ino;
}

FIXTURE_TEARDOWN(trace)
{
	close(self->a);
	close(self->b);
	close(self->fd);
	rmdir(instance);
}

TEST_F(trace, create)
{
	EXPECT_EQ(1, events_of("create"));
	EXPECT_STREQ("", told);
}

TEST_F(trace, bind_and_unbind)
{
	int id = rm_bind(self->a, self->fd, 8, 24, SHRD);

	ASSERT_LT(0, id);
	EXPECT_EVENT("bind", 8, 24, " mode=shared consumer=test ret=0");
	ASSERT_EQ(0, rm_unbind(self->a, id));
	EXPECT_EQ(0, events_of("bind"));
	EXPECT_EVENT("unbind", 8, 24, " consumer=test");

	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, 8, EXCL));
	EXPECT_EVENT("bind", 0, 8, " mode=exclusive consumer=test ret=0");
}

TEST_F(trace, bind_that_is_turned_down)
{
	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, 8, EXCL));
	ASSERT_EQ(0, forget());
	EXPECT_REFUSED(rm_bind(self->a, self->fd, 4, 12, SHRD), "overlaps", EEXIST);
	EXPECT_EVENT("bind", 4, 12, " mode=shared consumer=test ret=-17");
	EXPECT_REFUSED(rm_bind(self->b, self->fd, 4, 12, SHRD), "overlaps", EBUSY);
	EXPECT_EVENT("bind", 4, 12, " mode=shared consumer=test ret=-16");
	EXPECT_REFUSED(rm_bind(self->b, self->fd, 8, PAGES + 1, SHRD), "outside", EINVAL);
	EXPECT_EVENT("bind", 8, PAGES + 1, " mode=shared consumer=test ret=-22");
	EXPECT_EQ(0, events_of("unbind"));
}

TEST_F(trace, populate)
{
	int id = rm_bind(self->a, self->fd, 8, 24, SHRD);

	ASSERT_EQ(0, reserve(self->fd, 8, 24));
	EXPECT_EQ(0, events_of("populate"))
		TH_LOG("reserved is not present");
	ASSERT_LT(0, rm_get(self->a, id, 12));
	EXPECT_EVENT("populate", 12, 13, " ret=0");
	ASSERT_LT(0, rm_get(self->a, id, 12));
	EXPECT_EQ(0, events_of("populate"))
		TH_LOG("it was present");
	BEHAVE(self->a, .populate_errno = EDOM);
	EXPECT_REFUSED(rm_get(self->a, id, 13), "a consumer refuses", EDOM);
	EXPECT_EVENT("populate", 13, 14, " ret=-33");
	EXPECT_EQ(0, events_of("invalidate"));
}

TEST_F(trace, load)
{
	char *from = calloc(8, page_size());
	long done;

	ASSERT_NE(NULL, from);
	ASSERT_EQ(0, load_pages(self->fd, 16, 24, from, &done));
	EXPECT_EVENT("load", 16, 24, " ret=0");
	ASSERT_EQ(-1, load_pages(self->fd, 0, 8, NULL, &done));
	EXPECT_EVENT("load", 0, 0, " ret=-14");
	free(from);
}

TEST_F(trace, invalidate)
{
	unsigned long long took = 0;
	char expected[128];
	int n;

	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, 8, SHRD));
	ASSERT_LT(0, rm_bind(self->a, self->fd, 8, 16, SHRD));
	ASSERT_LT(0, rm_bind(self->b, self->fd, 0, 32, SHRD));
	ASSERT_LT(0, rm_bind(self->b, self->fd, 40, 48, SHRD));

	ASSERT_EQ(0, punch(self->fd, 4, 40));
	EXPECT_EQ(1, events_of("invalidate"));
	n = sscanf(told, "range=0x%*x-0x%*x consumers=2 bindings=3 duration_ns=%llu", &took);
	EXPECT_EQ(1, n)
		TH_LOG("%s", told);
	EXPECT_LT(0, took);
	snprintf(expected, sizeof(expected),
		 "%s consumers=2 bindings=3 duration_ns=%llu ret=0", pages(4, 40), took);
	EXPECT_STREQ(expected, told);

	/* Both consumers let it wait. */
	BEHAVE(self->a, .prepare_delay_ms = 20);
	BEHAVE(self->b, .start_delay_ms = 20);
	ASSERT_EQ(0, forget());
	ASSERT_EQ(0, punch(self->fd, 4, 40));
	EXPECT_EQ(1, events_of("invalidate"));
	n = sscanf(told, "range=0x%*x-0x%*x consumers=2 bindings=3 duration_ns=%llu", &took);
	EXPECT_EQ(1, n)
		TH_LOG("%s", told);
	EXPECT_LE(40000000, took);
}

TEST_F(trace, invalidate_that_is_refused)
{
	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, 8, SHRD));
	BEHAVE(self->a, .prepare_errno = EBUSY);
	EXPECT_REFUSED(punch(self->fd, 0, 8), "a consumer refuses", EBUSY);
	EXPECT_EQ(1, events_of("invalidate"));
	EXPECT_NE(NULL, strstr(told, " consumers=1 bindings=1 "));
	EXPECT_NE(NULL, strstr(told, " ret=-16"));
}

TEST_F(trace, invalidate_of_what_nobody_holds)
{
	ASSERT_EQ(0, punch(self->fd, 0, 8));
	EXPECT_EQ(1, events_of("invalidate"));
	EXPECT_NE(NULL, strstr(told, " consumers=0 bindings=0 "));
	ASSERT_EQ(0, forget());
	ASSERT_EQ(0, punch(self->fd, PAGES, PAGES + 1));
	EXPECT_EQ(0, events_of("invalidate"))
		TH_LOG("beyond the end there is nothing to take");
}

TEST_F(trace, quarantine)
{
	int id = rm_bind(self->a, self->fd, 8, 24, SHRD);

	ASSERT_LT(0, rm_get_range(self->a, id, 8, 12));
	ASSERT_EQ(2, rm_quarantine(self->a, id, 10, 40));
	EXPECT_EVENT("quarantine", 10, 24, " consumer=test pages=2");
	EXPECT_EQ(0, events_of("invalidate"));
}

TEST_F(trace, error)
{
	int id = rm_bind(self->a, self->fd, 8, 24, SHRD), n = 0;
	char text[32];

	if (access(INJECT, W_OK))
		SKIP(return, "there is no " INJECT);
	snprintf(text, sizeof(text), "%ld", rm_get(self->a, id, 12));
	ASSERT_EQ(0, write_text(INJECT, text));
	ASSERT_TRUE(rm_wait_for(self->a, ends, 1));
	/* The event comes after the last consumer was told. */
	for (int ms = 0; ms < 20000 && !n; ms += 5) {
		n = events_of("error");
		rm_sleep_ms(5);
	}
	EXPECT_EQ(1, n);
	snprintf(text, sizeof(text), "offset=0x%lx", 12 * page_size());
	EXPECT_STREQ(text, told);
	ASSERT_EQ(0, punch(self->fd, 12, 13));
}

TEST_F(trace, nothing_when_off)
{
	int id;

	ASSERT_EQ(0, write_text(path_of("events/restrictedmem/enable"), "0"));
	ASSERT_EQ(0, forget());
	id = rm_bind(self->a, self->fd, 0, 8, SHRD);
	ASSERT_LT(0, rm_get(self->a, id, 0));
	ASSERT_EQ(0, punch(self->fd, 0, 8));
	ASSERT_EQ(0, rm_unbind(self->a, id));
	EXPECT_EQ(0, events_of("bind"));
	EXPECT_EQ(0, events_of("populate"));
	EXPECT_EQ(0, events_of("invalidate"));
	EXPECT_EQ(0, events_of("unbind"));
}

TEST_F(trace, tells_no_kernel_address)
{
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);
	char *text;

	ASSERT_LT(0, rm_get(self->a, id, 0));
	ASSERT_EQ(0, punch(self->fd, 0, 8));
	text = read_text(path_of("trace"));
	ASSERT_NE(NULL, text);
	EXPECT_NE(NULL, strstr(text, "restrictedmem_"));
	EXPECT_EQ(NULL, strstr(text, "ffff"))
		TH_LOG("%s", text);
	free(text);
}

TEST_HARNESS_MAIN
