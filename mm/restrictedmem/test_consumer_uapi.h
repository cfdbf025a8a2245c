/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Interface of /dev/restrictedmem_test, the test consumer of restricted memory.
 *
 * One open file is one consumer: it holds bindings, does with them what a test
 * asks for, and writes down what it is told. Closing it ends its bindings.
 *
 * Positions and lengths are pages of the restricted file unless a name says
 * bytes. Errors are errno of the ioctl. The interface is for the tests of the
 * same tree only and may change with them.
 */
#ifndef _RESTRICTEDMEM_TEST_CONSUMER_UAPI_H
#define _RESTRICTEDMEM_TEST_CONSUMER_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RMTEST_DEVICE	"/dev/restrictedmem_test"

#define RMTEST_EXCLUSIVE	0
#define RMTEST_SHARED		1
/* Beside one of them: contents may be loaded while the range is bound. */
#define RMTEST_LOADABLE		2

/**
 * struct rmtest_bind - bind pages [start, end) of a file
 * @start: First page.
 * @end: First page after the range.
 * @cookie: Comes back in every event of this binding.
 * @fd: The file.
 * @mode: RMTEST_EXCLUSIVE or RMTEST_SHARED, with RMTEST_LOADABLE or without it;
 *	anything else: EINVAL.
 * @id: Result: names the binding on this open file, from 1, never used twice.
 * @reserved: 0
 */
struct rmtest_bind {
	__u64 start;
	__u64 end;
	__u64 cookie;
	__s32 fd;
	__u32 mode;
	__u32 id;
	__u32 reserved;
};

/*
 * A range of a binding, and a number of pages as the result. A binding that is
 * not there is ENOENT.
 */
struct rmtest_range {
	__u64 start;
	__u64 end;
	__u64 pages;
	__u32 id;
	__u32 reserved;
};

/* Keep the reference until RMTEST_PUT, unbind does not put it. */
#define RMTEST_GET_KEEP	0x1
/*
 * "Map" the page as a device would: sample the sequence, get, and under the lock
 * of invalidate_start() install it unless the sequence moved; try again if so.
 * The reference is put. invalidate_start() takes the page out again.
 */
#define RMTEST_GET_MAP	0x2
/* Of a range get alone: it is a kernel thread that does it. */
#define RMTEST_GET_IN_THREAD	0x4

/**
 * struct rmtest_get - the memory at one page
 * @index: Page of the file.
 * @pfn: Result: page frame number.
 * @order: Result.
 * @id: The binding.
 * @flags: RMTEST_GET_KEEP, RMTEST_GET_MAP
 * @retries: Result: how often RMTEST_GET_MAP tried again.
 */
struct rmtest_get {
	__u64 index;
	__u64 pfn;
	__u32 order;
	__u32 id;
	__u32 flags;
	__u32 retries;
};

/* Take pages from the references that are kept, without a get; else ENOENT. */
#define RMTEST_IO_KEPT	0x1

/**
 * struct rmtest_io - read or write bytes as a device would, after a get
 * @offset: First byte of the file.
 * @len: Bytes.
 * @addr: Memory of the caller.
 * @id: The binding.
 * @flags: RMTEST_IO_*
 */
struct rmtest_io {
	__u64 offset;
	__u64 len;
	__u64 addr;
	__u32 id;
	__u32 flags;
};

/* One visit of a range get. */
struct rmtest_run {
	__u64 start;
	__u64 end;
	__u64 pfn;
	__u64 folio_order;
};

/**
 * struct rmtest_get_range - the memory of a range
 * @start: First page.
 * @end: First page after the range.
 * @stop_after: The visitor stops the walk after so many runs; 0: never.
 * @addr: Memory for @capacity struct rmtest_run.
 * @runs: Result: runs visited, also when more than @capacity.
 * @pages: Result: pages visited.
 * @capacity: Of @addr.
 * @id: The binding.
 * @flags: RMTEST_GET_KEEP: keep a reference for every page visited;
 *	RMTEST_GET_IN_THREAD.
 * @error: Result: errno of the walk, 0 if it reached the end or was stopped.
 */
struct rmtest_get_range {
	__u64 start;
	__u64 end;
	__u64 stop_after;
	__u64 addr;
	__u64 runs;
	__u64 pages;
	__u32 capacity;
	__u32 id;
	__u32 flags;
	__u32 error;
};

/* RMTEST_SEQ_BEGIN fills @seq; RMTEST_SEQ_RETRY fills @retry with 0 or 1. */
struct rmtest_seq {
	__u64 seq;
	__u32 id;
	__u32 retry;
};

/* A signal ends a delay in prepare or populate, which then returns EINTR. */
#define RMTEST_DELAY_INTERRUPTIBLE	0x1
/* Count pages that are not zero when populate is told of them. */
#define RMTEST_CHECK_ZERO		0x2
/*
 * @value of RMTEST_SPAN is the first byte of what is present there, or
 * RMTEST_NO_SAMPLE; and each RMTEST_END is followed by such events, too.
 */
#define RMTEST_SAMPLE			0x4
#define RMTEST_NO_SAMPLE		0x100

/* Break a rule: the call made from a callback ... */
#define RMTEST_BREAK_GET	0x100
#define RMTEST_BREAK_BIND	0x200
#define RMTEST_BREAK_UNBIND	0x400
#define RMTEST_BREAK_GET_RANGE	0x800
#define RMTEST_BREAK_QUARANTINE	0x1000
/* ... and the callback that makes it, once. */
#define RMTEST_BREAK_IN_POPULATE	0x10000
#define RMTEST_BREAK_IN_PREPARE		0x20000
#define RMTEST_BREAK_IN_START		0x40000
#define RMTEST_BREAK_IN_END		0x80000
#define RMTEST_BREAK_IN_ABORT		0x100000
#define RMTEST_BREAK_IN_ERROR		0x200000

/**
 * struct rmtest_behaviour - what the callbacks do from now on, at first all 0
 * @flags: RMTEST_DELAY_*, RMTEST_CHECK_*, RMTEST_BREAK_*
 * @prepare_errno: Positive errno to refuse with; 0: agree.
 * @prepare_every: Refuse only every so manyth; 0 and 1: each.
 * @populate_errno: Positive errno to fail with; 0: agree.
 * @populate_nth: Fail only the n-th from now on; 0: each.
 * @populate_delay_ms: Wait in populate, until RMTEST_CONTINUE at the longest.
 * @prepare_delay_ms: The same in prepare.
 * @start_delay_ms: The same in start.
 * @break_fd: The file of RMTEST_BREAK_BIND, as a descriptor of the task that
 *	runs into the callback.
 * @reserved: 0
 */
struct rmtest_behaviour {
	__u32 flags;
	__u32 prepare_errno;
	__u32 prepare_every;
	__u32 populate_errno;
	__u32 populate_nth;
	__u32 populate_delay_ms;
	__u32 prepare_delay_ms;
	__u32 start_delay_ms;
	__s32 break_fd;
	__u32 reserved;
};

/**
 * struct rmtest_counters - what happened since open or RMTEST_RESET, and what is
 * @populates: Calls, also those that failed.
 * @prepares: Calls, also those that refused.
 * @aborts: Calls.
 * @starts: Calls.
 * @ends: Calls.
 * @errors: Calls of the memory error callback.
 * @spans: Spans in all calls of start.
 * @walked: Pages that were present in those spans.
 * @not_zero: Pages that RMTEST_CHECK_ZERO found.
 * @unmapped: Pages that start took out of the map.
 * @bindings: Now.
 * @kept: References that are kept now.
 * @mapped: Pages that are "mapped" now.
 * @active: Starts without their end, now.
 * @max_active: The most at one time.
 * @broken: Ends without a start, pages mapped between start and end, and spans
 *	of starts and ends whose sequence says that nothing is in progress.
 */
struct rmtest_counters {
	__u64 populates;
	__u64 prepares;
	__u64 aborts;
	__u64 starts;
	__u64 ends;
	__u64 errors;
	__u64 spans;
	__u64 walked;
	__u64 not_zero;
	__u64 unmapped;
	__u64 bindings;
	__u64 kept;
	__u64 mapped;
	__u64 active;
	__u64 max_active;
	__u64 broken;
};

enum rmtest_event_type {
	/* Of a binding. @value: frame of its first page. Written before any delay. */
	RMTEST_POPULATE = 1,
	/*
	 * Of the consumer (@id and @cookie 0), over the range of the operation.
	 * @value: pages present in all of its spans. Written before any delay.
	 */
	RMTEST_PREPARE,
	RMTEST_ABORT,
	RMTEST_START,
	RMTEST_END,
	RMTEST_ERROR,
	/* After each RMTEST_START, one for each span of it. @value: pages present. */
	RMTEST_SPAN,
};

/**
 * struct rmtest_event - one callback
 * @seq: Position among the events of all consumers of the machine.
 * @type: enum rmtest_event_type
 * @id: Binding.
 * @cookie: Of the binding.
 * @start: First page.
 * @end: First page after the range.
 * @value: Depends on @type.
 */
struct rmtest_event {
	__u64 seq;
	__u32 type;
	__u32 id;
	__u64 cookie;
	__u64 start;
	__u64 end;
	__u64 value;
};

/**
 * struct rmtest_events - take the oldest events out of the log
 * @addr: Memory for @capacity struct rmtest_event.
 * @capacity: Of @addr.
 * @count: Result: events copied.
 * @dropped: Result: events lost since open or reset because the log was full.
 * @reserved: 0
 */
struct rmtest_events {
	__u64 addr;
	__u32 capacity;
	__u32 count;
	__u32 dropped;
	__u32 reserved;
};

/**
 * struct rmtest_measure - how long it takes to look at a page that is there
 * @index: Page of the file.
 * @get: Result: nanoseconds that all gets took.
 * @shmem: Result: nanoseconds that as many calls of shmem_get_folio() took, with a
 *	page of another file of tmpfs.
 * @id: The binding.
 * @calls: How many of each, at most 2^20; more, or none: EINVAL.
 */
struct rmtest_measure {
	__u64 index;
	__u64 get;
	__u64 shmem;
	__u32 id;
	__u32 calls;
};

#define RMTEST_IOC	0xb9

#define RMTEST_BIND		_IOWR(RMTEST_IOC, 0x01, struct rmtest_bind)
/*
 * The argument is the id itself. If a call of another thread is using the
 * binding, it ends when that call does.
 */
#define RMTEST_UNBIND		_IO(RMTEST_IOC, 0x02)
#define RMTEST_GET		_IOWR(RMTEST_IOC, 0x03, struct rmtest_get)
/* Puts the kept references in the range, of all bindings if @id is 0. */
#define RMTEST_PUT		_IOWR(RMTEST_IOC, 0x04, struct rmtest_range)
#define RMTEST_READ		_IOW(RMTEST_IOC, 0x05, struct rmtest_io)
#define RMTEST_WRITE		_IOW(RMTEST_IOC, 0x06, struct rmtest_io)
#define RMTEST_GET_RANGE	_IOWR(RMTEST_IOC, 0x07, struct rmtest_get_range)
#define RMTEST_QUARANTINE	_IOWR(RMTEST_IOC, 0x08, struct rmtest_range)
#define RMTEST_SEQ_BEGIN	_IOWR(RMTEST_IOC, 0x09, struct rmtest_seq)
#define RMTEST_SEQ_RETRY	_IOWR(RMTEST_IOC, 0x0a, struct rmtest_seq)
#define RMTEST_SET_BEHAVIOUR	_IOW(RMTEST_IOC, 0x0b, struct rmtest_behaviour)
/* Ends the delays that are running, not those to come. */
#define RMTEST_CONTINUE		_IO(RMTEST_IOC, 0x0c)
#define RMTEST_COUNTERS		_IOR(RMTEST_IOC, 0x0d, struct rmtest_counters)
#define RMTEST_EVENTS		_IOWR(RMTEST_IOC, 0x0e, struct rmtest_events)
/* Behaviour, counters and events as after open; bindings and references stay. */
#define RMTEST_RESET		_IO(RMTEST_IOC, 0x0f)
/* Fills @start and @end with the range of a binding. */
#define RMTEST_BINDING_RANGE	_IOWR(RMTEST_IOC, 0x10, struct rmtest_range)

/* Never ends the binding with this id. Once; later ones end with EBUSY. */
#define RMTEST_LEAK		_IO(RMTEST_IOC, 0x11)
/* For a benchmark. */
#define RMTEST_MEASURE		_IOWR(RMTEST_IOC, 0x12, struct rmtest_measure)

#endif /* _RESTRICTEDMEM_TEST_CONSUMER_UAPI_H */
