/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM restrictedmem

#if !defined(_TRACE_RESTRICTEDMEM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_RESTRICTEDMEM_H

#include <linux/mm.h>
#include <linux/tracepoint.h>

/*
 * A file is named by its inode number, as fstat() and fdinfo have it. Ranges come
 * in as pages and are shown as bytes, as fallocate() and fdinfo have them.
 */

/* A file was made. */
TRACE_EVENT(restrictedmem_create,
	TP_PROTO(u64 ino),
	TP_ARGS(ino),

	TP_STRUCT__entry(
		__field(u64, ino)
	),

	TP_fast_assign(
		__entry->ino = ino;
	),

	TP_printk("ino=%llu", __entry->ino)
);

/* A consumer subscribed, or was turned down with an error. */
TRACE_EVENT(restrictedmem_bind,
	TP_PROTO(u64 ino, pgoff_t start, pgoff_t end, bool exclusive,
		 const char *consumer, int ret),
	TP_ARGS(ino, start, end, exclusive, consumer, ret),

	TP_STRUCT__entry(
		__field(u64, ino)
		__field(u64, start)
		__field(u64, end)
		__field(bool, exclusive)
		__string(consumer, consumer)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->ino = ino;
		__entry->start = (u64)start << PAGE_SHIFT;
		__entry->end = (u64)end << PAGE_SHIFT;
		__entry->exclusive = exclusive;
		__assign_str(consumer);
		__entry->ret = ret;
	),

	TP_printk("ino=%llu range=0x%llx-0x%llx mode=%s consumer=%s ret=%d",
		  __entry->ino, __entry->start, __entry->end,
		  __entry->exclusive ? "exclusive" : "shared",
		  __get_str(consumer), __entry->ret)
);

/* A subscription ended. */
TRACE_EVENT(restrictedmem_unbind,
	TP_PROTO(u64 ino, pgoff_t start, pgoff_t end, const char *consumer),
	TP_ARGS(ino, start, end, consumer),

	TP_STRUCT__entry(
		__field(u64, ino)
		__field(u64, start)
		__field(u64, end)
		__string(consumer, consumer)
	),

	TP_fast_assign(
		__entry->ino = ino;
		__entry->start = (u64)start << PAGE_SHIFT;
		__entry->end = (u64)end << PAGE_SHIFT;
		__assign_str(consumer);
	),

	TP_printk("ino=%llu range=0x%llx-0x%llx consumer=%s",
		  __entry->ino, __entry->start, __entry->end,
		  __get_str(consumer))
);

/* One folio became present, or a consumer did not want it. */
TRACE_EVENT(restrictedmem_populate,
	TP_PROTO(u64 ino, pgoff_t start, pgoff_t end, int ret),
	TP_ARGS(ino, start, end, ret),

	TP_STRUCT__entry(
		__field(u64, ino)
		__field(u64, start)
		__field(u64, end)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->ino = ino;
		__entry->start = (u64)start << PAGE_SHIFT;
		__entry->end = (u64)end << PAGE_SHIFT;
		__entry->ret = ret;
	),

	TP_printk("ino=%llu range=0x%llx-0x%llx ret=%d",
		  __entry->ino, __entry->start, __entry->end, __entry->ret)
);

/* Contents were loaded; of the range that was, if it ended with an error. */
TRACE_EVENT(restrictedmem_load,
	TP_PROTO(u64 ino, pgoff_t start, pgoff_t end, int ret),
	TP_ARGS(ino, start, end, ret),

	TP_STRUCT__entry(
		__field(u64, ino)
		__field(u64, start)
		__field(u64, end)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->ino = ino;
		__entry->start = (u64)start << PAGE_SHIFT;
		__entry->end = (u64)end << PAGE_SHIFT;
		__entry->ret = ret;
	),

	TP_printk("ino=%llu range=0x%llx-0x%llx ret=%d",
		  __entry->ino, __entry->start, __entry->end, __entry->ret)
);

/*
 * Memory was taken away with the consent of its consumers, or was not because of
 * an error. The time begins when the first of them is asked, and ends when the
 * last one is told that it is over; the wait for the lock comes before.
 */
TRACE_EVENT(restrictedmem_invalidate,
	TP_PROTO(u64 ino, pgoff_t start, pgoff_t end, unsigned long consumers,
		 unsigned long bindings, u64 duration, int ret),
	TP_ARGS(ino, start, end, consumers, bindings, duration, ret),

	TP_STRUCT__entry(
		__field(u64, ino)
		__field(u64, start)
		__field(u64, end)
		__field(unsigned long, consumers)
		__field(unsigned long, bindings)
		__field(u64, duration)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->ino = ino;
		__entry->start = (u64)start << PAGE_SHIFT;
		__entry->end = (u64)end << PAGE_SHIFT;
		__entry->consumers = consumers;
		__entry->bindings = bindings;
		__entry->duration = duration;
		__entry->ret = ret;
	),

	TP_printk("ino=%llu range=0x%llx-0x%llx consumers=%lu bindings=%lu duration_ns=%llu ret=%d",
		  __entry->ino, __entry->start, __entry->end,
		  __entry->consumers, __entry->bindings, __entry->duration,
		  __entry->ret)
);

/* Consumers were told of an uncorrectable memory error at one page. */
TRACE_EVENT(restrictedmem_error,
	TP_PROTO(u64 ino, pgoff_t index),
	TP_ARGS(ino, index),

	TP_STRUCT__entry(
		__field(u64, ino)
		__field(u64, offset)
	),

	TP_fast_assign(
		__entry->ino = ino;
		__entry->offset = (u64)index << PAGE_SHIFT;
	),

	TP_printk("ino=%llu offset=0x%llx", __entry->ino, __entry->offset)
);

/* Memory left a file for ever, because a consumer could not get it back. */
TRACE_EVENT(restrictedmem_quarantine,
	TP_PROTO(u64 ino, pgoff_t start, pgoff_t end, const char *consumer,
		 unsigned long pages),
	TP_ARGS(ino, start, end, consumer, pages),

	TP_STRUCT__entry(
		__field(u64, ino)
		__field(u64, start)
		__field(u64, end)
		__string(consumer, consumer)
		__field(unsigned long, pages)
	),

	TP_fast_assign(
		__entry->ino = ino;
		__entry->start = (u64)start << PAGE_SHIFT;
		__entry->end = (u64)end << PAGE_SHIFT;
		__assign_str(consumer);
		__entry->pages = pages;
	),

	TP_printk("ino=%llu range=0x%llx-0x%llx consumer=%s pages=%lu",
		  __entry->ino, __entry->start, __entry->end,
		  __get_str(consumer), __entry->pages)
);

#endif /* _TRACE_RESTRICTEDMEM_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
