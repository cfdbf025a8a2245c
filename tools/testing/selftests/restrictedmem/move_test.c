// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel moves memory, to have larger free blocks of it or a range for a device.
 * Ordinary memory moves. Restricted memory does not, and is not where it had to.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "test_consumer.h"
#include "stays.h"

#define PAGES 1024
#define ORDINARY 16384

/* What the command line calls cma= */
#define AREA	"/sys/kernel/debug/cma/reserved/"
#define CHUNK	8192

FIXTURE(move) {
	int consumer;
	struct held bound, loose;
	struct ordinary early, late;
};

FIXTURE_SETUP(move)
{
	if (geteuid())
		SKIP(return, "moves all memory of the machine");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
	/* Wherever the kernel begins, restricted memory is between the two. */
	ASSERT_EQ(0, take_ordinary(&self->early, ORDINARY));
	ASSERT_EQ(0, hold(&self->bound, self->consumer,
			  new_sized_file(PAGES * page_size()), PAGES, true));
	ASSERT_EQ(0, hold(&self->loose, self->consumer,
			  new_sized_file(PAGES * page_size()), PAGES, false));
	ASSERT_EQ(0, take_ordinary(&self->late, ORDINARY));
}

FIXTURE_TEARDOWN(move)
{
}

static long frame_of(const struct ordinary *ordinary, uint64_t i)
{
	return ordinary->before[i] & PAGEMAP_FRAME;
}

static int compare(const void *a, const void *b)
{
	return *(const long *)a < *(const long *)b ? -1 : 1;
}

/* Of four frames of ordinary memory three lie below this one. */
static long find_quarter(const struct ordinary *early, const struct ordinary *late)
{
	static long pfns[2 * ORDINARY];

	for (int i = 0; i < ORDINARY; i++) {
		pfns[i] = frame_of(early, i);
		pfns[ORDINARY + i] = frame_of(late, i);
	}
	qsort(pfns, 2 * ORDINARY, sizeof(*pfns), compare);
	return pfns[2 * ORDINARY * 3 / 4];
}

/* Gives back all but one page of some below a frame, and all but one of others above. */
static void thin_out(const struct ordinary *ordinary, long pfn, int below, int above)
{
	for (uint64_t i = 0; i < ordinary->pages; i++)
		if (i % (frame_of(ordinary, i) < pfn ? below : above))
			madvise(ordinary->memory + i * page_size(), page_size(),
				MADV_DONTNEED);
}

/*
 * Compaction moves what is low to blocks above it that have some free pages, but not
 * to those that are free. There must be more room than needed, or there is none left
 * for what lies in the middle.
 */
TEST_F_TIMEOUT(move, not_by_compaction, 120)
{
	long quarter = find_quarter(&self->early, &self->late), moved;

	thin_out(&self->early, quarter, 16, 2);
	thin_out(&self->late, quarter, 16, 2);
	ASSERT_EQ(0, write_text("/proc/sys/vm/compact_memory", "1"));
	moved = count_moved(&self->early) + count_moved(&self->late);
	EXPECT_STAYED(self->consumer, &self->bound, &self->loose);
	/* How much there is to do is up to where everything lies. */
	ASSERT_LE(0, moved);
	if (!moved)
		SKIP(return, "compaction found nothing to move");
}

/* How many of these frames are in the area of the device. */
static int count_in_area(const long *pfns, uint64_t pages)
{
	long long first = read_number(AREA "ranges/0/base_pfn");
	long long last = first + read_number(AREA "count") - 1;
	int inside = 0;

	for (uint64_t i = 0; i < pages; i++)
		inside += pfns[i] >= first && pfns[i] <= last;
	return inside;
}

/* A device has memory that others use until it asks for it. */
TEST_F_TIMEOUT(move, not_for_a_device, 120)
{
	long pfns[ORDINARY], chunks = 0;
	char text[32];

	if (access(AREA "alloc", W_OK))
		SKIP(return, "no memory of this machine is kept for a device");
	for (int i = 0; i < ORDINARY; i++)
		pfns[i] = frame_of(&self->early, i);
	ASSERT_LT(0, count_in_area(pfns, ORDINARY))
		TH_LOG("ordinary memory is there");
	EXPECT_EQ(0, count_in_area(self->bound.pfns, PAGES));
	EXPECT_EQ(0, count_in_area(self->loose.pfns, PAGES));

	snprintf(text, sizeof(text), "%d", CHUNK);
	while (!write_text(AREA "alloc", text))
		chunks++;
	EXPECT_LT(0, chunks);
	EXPECT_LT(0, count_moved(&self->early) + count_moved(&self->late));
	EXPECT_STAYED(self->consumer, &self->bound, &self->loose);
	snprintf(text, sizeof(text), "%ld", chunks * CHUNK);
	EXPECT_EQ(0, write_text(AREA "free", text));
}

TEST_HARNESS_MAIN
