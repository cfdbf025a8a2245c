// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel wants a block of memory for itself: restricted memory does not move,
 * and is not where the kernel counts on moving it.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <signal.h>
#include <sys/time.h>

#include <linux/mempolicy.h>

#include "restrictedmem.h"
#include "text.h"
#include "nodes.h"
#include "collapse.h"
#include "test_consumer.h"
#include "stays.h"

#define PAGES 1024
#define ORDINARY 4096

FIXTURE(hotplug) {
	int consumer;
	struct held bound, loose;
	struct ordinary ordinary;
};

FIXTURE_SETUP(hotplug)
{
	if (geteuid())
		SKIP(return, "moves all memory of the machine");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
	ASSERT_EQ(0, hold(&self->bound, self->consumer,
			  new_sized_file(PAGES * page_size()), PAGES, true));
	ASSERT_EQ(0, hold(&self->loose, self->consumer,
			  new_sized_file(PAGES * page_size()), PAGES, false));
	ASSERT_EQ(0, take_ordinary(&self->ordinary, ORDINARY));
}

FIXTURE_TEARDOWN(hotplug)
{
}

/* Is the frame in a zone that is kept free of what does not move? -1: none is. */
static int is_movable(long pfn)
{
	char *text = read_text("/proc/zoneinfo");
	int movable = -1;

	for (char *zone = text; zone && (zone = strstr(zone, ", zone")); zone++) {
		char *spanned = strstr(zone, "spanned"), *start = strstr(zone, "start_pfn:");
		char name[16];
		long first, frames;

		if (sscanf(zone, ", zone %15s", name) != 1 || strcmp(name, "Movable") ||
		    !spanned || sscanf(spanned, "spanned %ld", &frames) != 1 || !frames ||
		    !start || sscanf(start, "start_pfn: %ld", &first) != 1)
			continue;
		if (movable < 0)
			movable = 0;
		movable |= pfn >= first && pfn < first + frames;
	}
	free(text);
	return movable;
}

TEST_F(hotplug, is_not_where_everything_has_to_move)
{
	int ordinary = 0, restricted = 0;

	if (is_movable(0) < 0)
		SKIP(return, "no zone of this machine is for what moves");
	for (int i = 0; i < ORDINARY; i += 64)
		ordinary += is_movable(self->ordinary.before[i] & PAGEMAP_FRAME);
	for (int i = 0; i < PAGES; i += 16)
		restricted += is_movable(self->bound.pfns[i]) +
			      is_movable(self->loose.pfns[i]);
	EXPECT_LT(0, ordinary)
		TH_LOG("ordinary memory is");
	EXPECT_EQ(0, restricted);
}

/* Nor does it get there when it is made large. */
TEST_F(hotplug, does_not_get_there_when_it_is_made_large)
{
	long large;

	if (is_movable(0) < 0)
		SKIP(return, "no zone of this machine is for what moves");
	if (access(LARGE_POLICY, F_OK))
		SKIP(return, "this kernel has no large pages");
	ASSERT_EQ(0, collapse(self->bound.fd, 0, PAGES, &large));
	EXPECT_EQ(PAGES, large);
	for (int i = 0; i < PAGES; i += 16)
		EXPECT_EQ(0, is_movable(rm_get(self->consumer, self->bound.id, i)));
}

static long block_of(long pfn)
{
	return pfn / frames_of_a_block();
}

static int set_state(long block, const char *state)
{
	char path[64];

	snprintf(path, sizeof(path), BLOCKS "/memory%ld/state", block);
	return write_text(path, state);
}

/* Is all of a block in a zone for what moves? */
static bool is_movable_block(long block)
{
	char path[64], zone[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), BLOCKS "/memory%ld/valid_zones", block);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fscanf(file, "%31s", zone) != 1)
		zone[0] = '\0';
	fclose(file);
	return !strcmp(zone, "Movable");
}

static void on_alarm(int signal)
{
}

/* The kernel goes on trying for as long as nobody interrupts it. */
static void interrupt_after(int seconds)
{
	struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval timer = {
		.it_value.tv_sec = seconds, .it_interval.tv_sec = seconds ? 1 : 0,
	};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Has the memory one block after the other go, until one does; -1: none. */
static long send_away(const struct ordinary *ordinary)
{
	long block = -1;

	for (uint64_t i = 0; i < ordinary->pages; i++) {
		long next = block_of(ordinary->before[i] & PAGEMAP_FRAME);

		if (next == block || !is_movable_block(next))
			continue;
		block = next;
		interrupt_after(60);
		if (!set_state(block, "offline"))
			return block;
	}
	return -1;
}

TEST_F_TIMEOUT(hotplug, a_block_that_goes_takes_nothing_of_it_along, 240)
{
	struct ordinary ordinary;
	long block = -1;
	uint64_t i;

	if (!frames_of_a_block())
		SKIP(return, "there is no memory hotplug");
	if (is_movable(0) < 0)
		SKIP(return, "no zone of this machine is for what moves");
	/* What the kernel took when it started may be in the way on one node or another. */
	for (int node = 0; node < 4 && block < 0; node++) {
		if (take_from(node))
			continue;
		ASSERT_EQ(0, take_ordinary(&ordinary, ORDINARY));
		block = send_away(&ordinary);
	}
	interrupt_after(0);
	ASSERT_LE(0, block);
	EXPECT_LT(0, count_moved(&ordinary));
	for (i = 0; i < ORDINARY; i++)
		if (block_of(ordinary.now[i] & PAGEMAP_FRAME) == block)
			break;
	EXPECT_EQ(ORDINARY, i);
	EXPECT_STAYED(self->consumer, &self->bound, &self->loose);
	EXPECT_EQ(0, set_state(block, "online_movable"));
	EXPECT_STAYED(self->consumer, &self->bound, &self->loose);
}

#define LARGE	512
#define MUCH	(512L * 1024 * 1024)

/* A block with nothing in it but memory of this file, which is in large pages; or -1. */
static long find_full_block(int consumer, int id, int large_pages)
{
	int wanted = frames_of_a_block() / LARGE;
	long *blocks = calloc(large_pages, sizeof(*blocks));
	long found = -1;

	for (int i = 0; blocks && i < large_pages && found < 0; i++) {
		int have = 1;

		if (rm_order(consumer, id, i * LARGE) != 9)
			continue;
		blocks[i] = block_of(rm_get(consumer, id, i * LARGE));
		for (int j = 0; j < i; j++)
			have += blocks[j] == blocks[i];
		if (have == wanted)
			found = blocks[i];
	}
	free(blocks);
	return found;
}

TEST_F_TIMEOUT(hotplug, a_block_full_of_it_does_not_go, 240)
{
	const long pages = MUCH / page_size();
	int fd = memfd_restricted(RMFD_HUGEPAGE, -1), id;
	struct timespec before;
	char path[64];
	long block;

	if (!frames_of_a_block())
		SKIP(return, "there is no memory hotplug");
	ASSERT_EQ(0, take_from(-1));
	ASSERT_EQ(0, ftruncate(fd, MUCH));
	id = rm_bind(self->consumer, fd, 0, pages, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, rm_fill(self->consumer, id, 0, pages, 0x3c));
	block = find_full_block(self->consumer, id, pages / LARGE);
	if (block < 0)
		SKIP(return, "memory is too fragmented to fill a block of it");

	clock_gettime(CLOCK_MONOTONIC, &before);
	interrupt_after(5);
	EXPECT_REFUSED(set_state(block, "offline"), "it does not move", EBUSY, EINTR, EAGAIN);
	interrupt_after(0);
	EXPECT_GT(60000, rm_ms_since(&before))
		TH_LOG("and who asks does not wait for ever");
	snprintf(path, sizeof(path), BLOCKS "/memory%ld/online", block);
	EXPECT_EQ(1, read_number(path));
	EXPECT_EQ(block, find_full_block(self->consumer, id, pages / LARGE));
	for (long i = 0; i < pages; i += 61)
		EXPECT_EQ(0x3c, rm_look(self->consumer, id, i));
	EXPECT_STAYED(self->consumer, &self->bound, &self->loose);
}

TEST_HARNESS_MAIN
