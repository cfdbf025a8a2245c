/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of what the kernel does when memory is short, or has to
 * move: restricted memory, to which it must not happen, and ordinary memory beside
 * it, to which it must. Without the second the first proves nothing.
 *
 * To be included after restrictedmem.h, text.h and test_consumer.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_STAYS_H
#define _SELFTESTS_RESTRICTEDMEM_STAYS_H

#include <sys/mman.h>

/* What is all over page @index. No two neighbours have the same. */
static inline unsigned char byte_of(uint64_t index)
{
	return 1 + index % 251;
}

/* A file with all of its memory present, and where that is. */
struct held {
	int fd;
	int id;		/* the binding, or 0 if nobody has one */
	uint64_t pages;
	long *pfns;
};

/* Makes all @pages of @fd present, with contents. */
static inline int hold(struct held *held, int consumer, int fd, uint64_t pages,
		       bool bound)
{
	*held = (struct held){
		.fd = fd,
		.id = rm_bind(consumer, fd, 0, pages, RMTEST_EXCLUSIVE),
		.pages = pages,
		.pfns = calloc(pages, sizeof(long)),
	};
	if (held->id < 0 || !held->pfns)
		return -1;
	for (uint64_t i = 0; i < pages; i++) {
		held->pfns[i] = rm_get(consumer, held->id, i);
		if (held->pfns[i] < 0 ||
		    rm_fill(consumer, held->id, i, i + 1, byte_of(i)))
			return -1;
	}
	if (bound)
		return 0;
	if (rm_unbind(consumer, held->id))
		return -1;
	held->id = 0;
	return 0;
}

/* How many pages are not what they were, or not where they were; -1: an error. */
static inline long count_changed(const struct held *held, int consumer)
{
	int id = held->id ? held->id : rm_bind(consumer, held->fd, 0, held->pages,
					       RMTEST_EXCLUSIVE);
	long changed = 0;

	if (id < 0)
		return -1;
	for (uint64_t i = 0; i < held->pages; i++)
		changed += rm_get(consumer, id, i) != held->pfns[i] ||
			   rm_look(consumer, id, i) != byte_of(i);
	if (!held->id && rm_unbind(consumer, id))
		return -1;
	return changed;
}

/* Memory of this process, and where it was. */
struct ordinary {
	char *memory;
	uint64_t pages;
	uint64_t *before, *now;		/* of /proc/self/pagemap */
};

#define PAGEMAP_SWAPPED	0x4000000000000000ULL
#define PAGEMAP_PRESENT	0x8000000000000000ULL
#define PAGEMAP_FRAME	0x007fffffffffffffULL

static inline int read_pagemap(const struct ordinary *ordinary, uint64_t *entries)
{
	off_t offset = (uintptr_t)ordinary->memory / page_size() * sizeof(*entries);
	size_t len = ordinary->pages * sizeof(*entries);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t n = pread(fd, entries, len, offset);

	close(fd);
	return n == (ssize_t)len ? 0 : -1;
}

/* Notes where the memory is. */
static inline int note_frames(struct ordinary *ordinary)
{
	return read_pagemap(ordinary, ordinary->before);
}

/* Takes small pages and writes to each. */
static inline int take_ordinary(struct ordinary *ordinary, uint64_t pages)
{
	*ordinary = (struct ordinary){
		.memory = mmap(NULL, pages * page_size(), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.pages = pages,
		.before = calloc(pages, sizeof(uint64_t)),
		.now = calloc(pages, sizeof(uint64_t)),
	};
	if (ordinary->memory == MAP_FAILED || !ordinary->before || !ordinary->now)
		return -1;
	madvise(ordinary->memory, pages * page_size(), MADV_NOHUGEPAGE);
	for (uint64_t i = 0; i < pages; i++)
		memset(ordinary->memory + i * page_size(), byte_of(i), page_size());
	return note_frames(ordinary);
}

/* How many pages of it are on a swap device now; -1: an error. */
static inline long count_swapped(struct ordinary *ordinary)
{
	long swapped = 0;

	if (read_pagemap(ordinary, ordinary->now))
		return -1;
	for (uint64_t i = 0; i < ordinary->pages; i++)
		swapped += !!(ordinary->now[i] & PAGEMAP_SWAPPED);
	return swapped;
}

/* How many were in memory before, are now, and are elsewhere; -1: an error. */
static inline long count_moved(struct ordinary *ordinary)
{
	long moved = 0;

	if (read_pagemap(ordinary, ordinary->now))
		return -1;
	for (uint64_t i = 0; i < ordinary->pages; i++)
		moved += ordinary->before[i] & ordinary->now[i] & PAGEMAP_PRESENT &&
			 (ordinary->before[i] ^ ordinary->now[i]) & PAGEMAP_FRAME;
	return moved;
}

/* Neither memory that somebody has, nor memory that is only kept. */
#define EXPECT_STAYED(consumer, bound, loose)				\
do {									\
	struct rmtest_counters __told = rm_counters(consumer);		\
									\
	EXPECT_EQ(0, __told.starts)					\
		TH_LOG("nobody was told of anything");			\
	EXPECT_EQ(0, count_changed(bound, consumer))			\
		TH_LOG("somebody has it");				\
	EXPECT_EQ(0, count_changed(loose, consumer))			\
		TH_LOG("nobody has it");				\
} while (0)

#endif /* _SELFTESTS_RESTRICTEDMEM_STAYS_H */
