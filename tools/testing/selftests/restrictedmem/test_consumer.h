/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests that need somebody who uses restricted memory: calls to
 * the test consumer, and the story of what consumers were told.
 *
 * To be included after kselftest_harness.h and restrictedmem.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_TEST_CONSUMER_H
#define _SELFTESTS_RESTRICTEDMEM_TEST_CONSUMER_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <time.h>

#include "../../../../mm/restrictedmem/test_consumer_uapi.h"

/*
 * For FIXTURE_SETUP: if (!have_test_consumer()) SKIP(return, NO_TEST_CONSUMER).
 * What fails later fails.
 */
static inline bool have_test_consumer(void)
{
	return have_restrictedmem() && !access(RMTEST_DEVICE, F_OK);
}

#define NO_TEST_CONSUMER "there is no " RMTEST_DEVICE

/* A new consumer, or -1. */
static inline int new_consumer(void)
{
	return open(RMTEST_DEVICE, O_RDWR | O_CLOEXEC);
}

/* The id of the new binding, or -1. Its cookie in events is its first page. */
static inline int rm_bind(int consumer, int fd, uint64_t start, uint64_t end,
			  int mode)
{
	struct rmtest_bind bind = {
		.start = start,
		.end = end,
		.cookie = start,
		.fd = fd,
		.mode = mode,
	};

	return ioctl(consumer, RMTEST_BIND, &bind) ? -1 : (int)bind.id;
}

static inline int rm_unbind(int consumer, unsigned int id)
{
	return ioctl(consumer, RMTEST_UNBIND, (unsigned long)id);
}

static inline int rm_get_flags(int consumer, unsigned int id, uint64_t index,
			       unsigned int flags, struct rmtest_get *get)
{
	*get = (struct rmtest_get){ .index = index, .id = id, .flags = flags };
	return ioctl(consumer, RMTEST_GET, get);
}

/* The frame of a page, or -1. */
static inline long rm_get(int consumer, unsigned int id, uint64_t index)
{
	struct rmtest_get get;

	return rm_get_flags(consumer, id, index, 0, &get) ? -1 : (long)get.pfn;
}

/* The same, and the reference is kept. */
static inline long rm_keep(int consumer, unsigned int id, uint64_t index)
{
	struct rmtest_get get;

	if (rm_get_flags(consumer, id, index, RMTEST_GET_KEEP, &get))
		return -1;
	return get.pfn;
}

/* The order that a get of the page reports, or -1. */
static inline int rm_order(int consumer, unsigned int id, uint64_t index)
{
	struct rmtest_get get;

	return rm_get_flags(consumer, id, index, 0, &get) ? -1 : (int)get.order;
}

/* Puts all kept references; their number. */
static inline long rm_put_all(int consumer)
{
	struct rmtest_range range = { .end = UINT64_MAX };

	return ioctl(consumer, RMTEST_PUT, &range) ? -1 : (long)range.pages;
}

static inline long rm_quarantine(int consumer, unsigned int id, uint64_t start,
				 uint64_t end)
{
	struct rmtest_range range = { .start = start, .end = end, .id = id };

	if (ioctl(consumer, RMTEST_QUARANTINE, &range))
		return -1;
	return range.pages;
}

/* Gets all pages of a range; -1, or the number of runs of contiguous memory. */
static inline long rm_get_range(int consumer, unsigned int id, uint64_t start,
				uint64_t end)
{
	struct rmtest_get_range range = { .start = start, .end = end, .id = id };

	if (ioctl(consumer, RMTEST_GET_RANGE, &range))
		return -1;
	errno = range.error;
	return range.error ? -1 : (long)range.runs;
}

static inline int rm_io(int consumer, unsigned long call, unsigned int id,
			unsigned int flags, uint64_t offset, void *bytes,
			size_t len)
{
	struct rmtest_io io = {
		.offset = offset,
		.len = len,
		.addr = (uintptr_t)bytes,
		.id = id,
		.flags = flags,
	};

	return ioctl(consumer, call, &io);
}

/* Writes @byte all over the pages. */
static inline int rm_fill(int consumer, unsigned int id, uint64_t start,
			  uint64_t end, unsigned char byte)
{
	char page[page_size()];

	memset(page, byte, sizeof(page));
	for (; start < end; start++)
		if (rm_io(consumer, RMTEST_WRITE, id, 0, start * page_size(),
			  page, page_size()))
			return -1;
	return 0;
}

/* The byte that is all over a page, -1 for an error, -2 if bytes differ. */
static inline int rm_look_flags(int consumer, unsigned int id, uint64_t index,
				unsigned int flags)
{
	unsigned char page[page_size()];

	if (rm_io(consumer, RMTEST_READ, id, flags, index * page_size(), page,
		  page_size()))
		return -1;
	return memcmp(page, page + 1, page_size() - 1) ? -2 : page[0];
}

static inline int rm_look(int consumer, unsigned int id, uint64_t index)
{
	return rm_look_flags(consumer, id, index, 0);
}

static inline uint64_t rm_seq_begin(int consumer, unsigned int id)
{
	struct rmtest_seq seq = { .id = id };

	return ioctl(consumer, RMTEST_SEQ_BEGIN, &seq) ? UINT64_MAX : seq.seq;
}

/* 0, 1 or -1 */
static inline int rm_seq_retry(int consumer, unsigned int id, uint64_t value)
{
	struct rmtest_seq seq = { .seq = value, .id = id };

	return ioctl(consumer, RMTEST_SEQ_RETRY, &seq) ? -1 : (int)seq.retry;
}

static inline int rm_behave(int consumer, struct rmtest_behaviour behaviour)
{
	return ioctl(consumer, RMTEST_SET_BEHAVIOUR, &behaviour);
}

#define BEHAVE(consumer, ...) \
	ASSERT_EQ(0, rm_behave(consumer, (struct rmtest_behaviour){ __VA_ARGS__ }))

static inline int rm_continue(int consumer)
{
	return ioctl(consumer, RMTEST_CONTINUE);
}

static inline struct rmtest_counters rm_counters(int consumer)
{
	struct rmtest_counters counters;

	memset(&counters, 0xff, sizeof(counters));
	ioctl(consumer, RMTEST_COUNTERS, &counters);
	return counters;
}

static inline int rm_reset(int consumer)
{
	return ioctl(consumer, RMTEST_RESET);
}

/* Takes events out of the log; their number or -1. */
static inline int rm_events(int consumer, struct rmtest_event *events, int max)
{
	struct rmtest_events io = { .addr = (uintptr_t)events, .capacity = max };

	return ioctl(consumer, RMTEST_EVENTS, &io) ? -1 : (int)io.count;
}

/*
 * What up to four consumers were told since the last call, in one word for each
 * callback: who, a colon, what, and where it is about one binding or one page,
 * the first page. The last consumer is followed by -1.
 */
static inline const char *rm_story(int first, ...)
{
	static const char * const names[] = {
		"?", "populate", "prepare", "abort", "start", "end", "error", "span",
	};
	static char story[8192];
	struct rmtest_event events[4][256];
	int counts[4] = {}, next[4] = {}, n = 0;
	size_t len = 0;
	va_list list;

	va_start(list, first);
	for (int c = first; c >= 0 && n < 4; c = va_arg(list, int), n++)
		counts[n] = rm_events(c, events[n], 256);
	va_end(list);

	story[0] = '\0';
	for (;;) {
		const struct rmtest_event *event = NULL;
		int who = -1;

		for (int i = 0; i < n; i++)
			if (next[i] < counts[i] &&
			    (!event || events[i][next[i]].seq < event->seq)) {
				event = &events[i][next[i]];
				who = i;
			}
		if (!event)
			return story;
		next[who]++;
		if (len > sizeof(story) - 64)
			return "too long a story";

		len += sprintf(story + len, "%s%c:%s", len ? " " : "",
			       'a' + who,
			       event->type < 8 ? names[event->type] : "?");
		if (event->id || event->type == RMTEST_ERROR)
			len += sprintf(story + len, "@%llu",
				       (unsigned long long)event->start);
	}
}

#define EXPECT_STORY(story, rule, ...)					\
do {									\
	const char *__told = rm_story(__VA_ARGS__, -1);			\
	EXPECT_STREQ(story, __told)					\
		TH_LOG("%s", rule);					\
} while (0)

static inline void rm_sleep_ms(int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

static inline long rm_ms_since(const struct timespec *before)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - before->tv_sec) * 1000 +
	       (now.tv_nsec - before->tv_nsec) / 1000000;
}

/* Waits until a counter, given by its place, has been counted up to @n. */
static inline bool rm_wait(int consumer, size_t place, uint64_t n)
{
	for (int ms = 0; ms < 20000; ms += 5) {
		struct rmtest_counters counters = rm_counters(consumer);
		uint64_t value;

		memcpy(&value, (char *)&counters + place, sizeof(value));
		if (value >= n)
			return true;
		rm_sleep_ms(5);
	}
	return false;
}

#define rm_wait_for(consumer, counter, n) \
	rm_wait(consumer, offsetof(struct rmtest_counters, counter), n)

static inline int punch(int fd, uint64_t start, uint64_t end)
{
	return fallocate(fd, PUNCH, start * page_size(),
			 (end - start) * page_size());
}

static inline int reserve(int fd, uint64_t start, uint64_t end)
{
	return fallocate(fd, RESERVE, start * page_size(),
			 (end - start) * page_size());
}

/* A call that another thread makes, because it is expected to wait. */
struct rm_call {
	enum { CALL_PUNCH, CALL_RESERVE, CALL_BIND, CALL_GET, CALL_UNBIND } what;
	int fd, consumer;
	unsigned int id;
	uint64_t start, end;
	long ret;
	int error;
	bool done;
	pthread_t thread;
};

static inline void rm_signal(int signal)
{
}

static inline void *rm_call_thread(void *arg)
{
	struct rm_call *call = arg;

	switch (call->what) {
	case CALL_PUNCH:
		call->ret = punch(call->fd, call->start, call->end);
		break;
	case CALL_RESERVE:
		call->ret = reserve(call->fd, call->start, call->end);
		break;
	case CALL_BIND:
		call->ret = rm_bind(call->consumer, call->fd, call->start,
				    call->end, RMTEST_SHARED);
		break;
	case CALL_GET:
		call->ret = rm_get(call->consumer, call->id, call->start);
		break;
	case CALL_UNBIND:
		call->ret = rm_unbind(call->consumer, call->id);
		break;
	}
	call->error = call->ret < 0 ? errno : 0;
	call->done = true;
	return NULL;
}

static inline int rm_call_start(struct rm_call *call)
{
	struct sigaction action = { .sa_handler = rm_signal };

	/* Without SA_RESTART, so that a signal is seen as EINTR. */
	sigaction(SIGUSR1, &action, NULL);
	call->done = false;
	return pthread_create(&call->thread, NULL, rm_call_thread, call);
}

static inline long rm_call_end(struct rm_call *call)
{
	pthread_join(call->thread, NULL);
	return call->ret;
}

#endif /* _SELFTESTS_RESTRICTEDMEM_TEST_CONSUMER_H */
