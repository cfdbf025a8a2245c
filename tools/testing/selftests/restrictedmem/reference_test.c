// SPDX-License-Identifier: GPL-2.0
/*
 * References that a consumer keeps, for a device that still reads the memory or for
 * no good reason: what they hold up, which is nothing, and when the memory is free.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <linux/kernel-page-flags.h>

#include "restrictedmem.h"
#include "load.h"
#include "test_consumer.h"

#define MANY 4096		/* pages */
#define LARGE 512
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

FIXTURE(reference) {
	int fd, a, b, id;
};

FIXTURE_VARIANT(reference) {
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(reference, small) {
};

FIXTURE_VARIANT_ADD(reference, large) {
	.flags = RMFD_HUGEPAGE,
};

FIXTURE_SETUP(reference)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->b = new_consumer();
	ASSERT_LE(0, self->b);
	self->fd = memfd_restricted(variant->flags, -1);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ftruncate(self->fd, MANY * page_size()));
	self->id = rm_bind(self->a, self->fd, 0, MANY, SHRD);
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(reference)
{
	close(self->a);
	close(self->b);
	close(self->fd);
}

/* Where the memory is that is kept, in runs of contiguous frames. */
static struct rmtest_run runs[MANY];
static uint64_t nr_runs;

/* Keeps a reference to every page. */
static int keep_all(int consumer, int id)
{
	struct rmtest_get_range range = {
		.end = MANY, .id = id, .flags = RMTEST_GET_KEEP,
		.addr = (uintptr_t)runs, .capacity = MANY,
	};

	if (ioctl(consumer, RMTEST_GET_RANGE, &range) || range.error)
		return -1;
	nr_runs = range.runs;
	return 0;
}

/*
 * How many of those frames have contents, as the flags of a frame are cleared when
 * it is freed; -1 if the kernel does not tell.
 */
static long frames_in_use(void)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	long in_use = 0;

	for (uint64_t i = 0; i < nr_runs && in_use >= 0; i++) {
		uint64_t pages = runs[i].end - runs[i].start, flags[pages];

		if (pread(fd, flags, sizeof(flags), runs[i].pfn * sizeof(*flags)) !=
		    (ssize_t)sizeof(flags)) {
			in_use = -1;
			break;
		}
		for (uint64_t page = 0; page < pages; page++)
			in_use += flags[page] >> KPF_UPTODATE & 1;
	}
	close(fd);
	return in_use;
}

/*
 * A hole in memory that is referenced takes it out of the file and does not free
 * it: a device may write to it until its consumer puts the reference. Then it is
 * free. A few frames may have found another use already.
 */
TEST_F_TIMEOUT(reference, memory_is_freed_when_it_is_put, 120)
{
	ASSERT_EQ(0, keep_all(self->a, self->id));
	if (frames_in_use() < 0)
		SKIP(return, "no /proc/kpageflags");
	EXPECT_EQ(MANY, rm_counters(self->a).kept);
	EXPECT_EQ(MANY, frames_in_use());
	ASSERT_EQ(0, punch(self->fd, 0, MANY));
	EXPECT_EQ(0, pages_of(self->fd))
		TH_LOG("it is out of the file");
	EXPECT_EQ(MANY, frames_in_use())
		TH_LOG("and not free");
	EXPECT_EQ(MANY, rm_put_all(self->a));
	EXPECT_GT(MANY / 16, frames_in_use());
	EXPECT_EQ(0, rm_put_all(self->a));
}

/* The same when binding and file are gone before the reference is. */
TEST_F_TIMEOUT(reference, memory_is_freed_when_all_is_gone, 120)
{
	ASSERT_EQ(0, rm_fill(self->a, self->id, 77, 78, 0x42));
	ASSERT_EQ(0, keep_all(self->a, self->id));
	if (frames_in_use() < 0)
		SKIP(return, "no /proc/kpageflags");
	ASSERT_EQ(0, rm_unbind(self->a, self->id));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(MANY, frames_in_use());
	EXPECT_EQ(0x42, rm_look_flags(self->a, self->id, 77, RMTEST_IO_KEPT))
		TH_LOG("nobody else has got it");
	close(self->a);
	self->a = -1;
	EXPECT_GT(MANY / 16, frames_in_use());
}

/* A consumer that never puts what it has. */
TEST_F_TIMEOUT(reference, for_ever_holds_up_nobody, 120)
{
	char bytes[page_size()];
	long pages;
	int id;

	memset(bytes, 0x21, sizeof(bytes));
	ASSERT_EQ(0, rm_fill(self->a, self->id, 3, 4, 0x42));
	ASSERT_EQ(0, keep_all(self->a, self->id));
	EXPECT_EQ(0, punch(self->fd, 0, MANY));
	EXPECT_EQ(0, rm_look(self->a, self->id, 3))
		TH_LOG("new memory, for the one who keeps the old, too");
	EXPECT_EQ(0, punch(self->fd, 0, MANY));
	EXPECT_EQ(0, reserve(self->fd, 0, MANY / 2));
	EXPECT_EQ(0, rm_unbind(self->a, self->id));
	EXPECT_EQ(0, load_pages(self->fd, 3, 4, bytes, &pages));
	id = rm_bind(self->b, self->fd, 0, MANY, EXCL);
	EXPECT_LT(0, id);
	EXPECT_EQ(0x21, rm_look(self->b, id, 3));
	EXPECT_EQ(0x42, rm_look_flags(self->a, self->id, 3, RMTEST_IO_KEPT));
	EXPECT_EQ(0, punch(self->fd, 0, MANY));
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_EQ(MANY, rm_counters(self->a).kept);
}

/*
 * What a consumer finds in callbacks: all of the contents as long as it has not
 * stopped its device, which start is for, and then the file has them no more.
 */
TEST_F(reference, contents_are_there_in_start_and_gone_in_end)
{
	struct rmtest_event events[8];
	int n;

	/* Of as much as needs no split of a large page, which a reference would forbid. */
	ASSERT_EQ(0, rm_fill(self->a, self->id, 0, LARGE, 0x42));
	ASSERT_LT(0, rm_keep(self->a, self->id, 9));
	ASSERT_EQ(0, rm_reset(self->a));
	BEHAVE(self->a, .flags = RMTEST_SAMPLE);
	ASSERT_EQ(0, punch(self->fd, 0, LARGE));
	n = rm_events(self->a, events, 8);
	ASSERT_EQ(5, n);
	EXPECT_EQ(RMTEST_START, events[1].type);
	EXPECT_EQ(RMTEST_SPAN, events[2].type);
	EXPECT_EQ(0x42, events[2].value)
		TH_LOG("in start");
	EXPECT_EQ(RMTEST_END, events[3].type);
	EXPECT_EQ(RMTEST_SPAN, events[4].type);
	EXPECT_EQ(RMTEST_NO_SAMPLE, events[4].value)
		TH_LOG("in end");
	EXPECT_EQ(0x42, rm_look_flags(self->a, self->id, 9, RMTEST_IO_KEPT))
		TH_LOG("for whoever is late");
	EXPECT_EQ(0, rm_look(self->a, self->id, 9));
}

TEST_HARNESS_MAIN
