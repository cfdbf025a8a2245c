/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Restricted memory: memory that user space owns but cannot touch.
 *
 * This header is the whole interface between the memory and the kernel code
 * that uses it. Rust consumers reach it through kernel::mm::restrictedmem.
 */
#ifndef _LINUX_RESTRICTEDMEM_H
#define _LINUX_RESTRICTEDMEM_H

#include <linux/err.h>
#include <linux/types.h>

struct file;
struct folio;
struct inode;
struct module;
struct page;
struct restrictedmem_binding;
struct restrictedmem_link;

/**
 * DOC: Words
 *
 * file
 *	One restricted inode, made by memfd_restricted(2).
 * consumer
 *	One subscriber to the memory, such as one device. It may hold bindings
 *	in several files.
 * link
 *	What a file knows of one consumer. It exists while that consumer holds
 *	a binding in the file.
 * binding
 *	A half-open range of pages, [start, end), of one file, held by one
 *	consumer, with a cookie of the consumer's own.
 * span
 *	The part of a binding that one operation touches, in pages of the file.
 * present
 *	A page that holds zeroes or contents and may be handed out. Memory that
 *	is only reserved is not present.
 *
 * A consumer owns its bindings and a binding owns a reference to its file; the
 * file only knows its bindings. Closing the last descriptor therefore never
 * takes memory from a consumer.
 */

/**
 * enum restrictedmem_mode - how a binding shares its range with others
 * @RESTRICTEDMEM_EXCLUSIVE: No other consumer may overlap it.
 * @RESTRICTEDMEM_SHARED: Other consumers may overlap it if they are shared too.
 * @RESTRICTEDMEM_LOADABLE: Beside one of the others: whoever has the file may
 *	load contents into the range while it is bound. What becomes present that
 *	way is announced by the populate callback. What is present already changes
 *	under the consumer, a page at a time, and nobody tells it.
 *
 * Bindings of one consumer never overlap each other, whatever their mode.
 */
enum restrictedmem_mode {
	RESTRICTEDMEM_EXCLUSIVE = 0x0,
	RESTRICTEDMEM_SHARED = 0x1,
	RESTRICTEDMEM_LOADABLE = 0x2,
};

/**
 * struct restrictedmem_span - the part of a binding that an operation touches
 * @binding: The binding.
 * @start: First page of the file.
 * @end: First page after it.
 */
struct restrictedmem_span {
	struct restrictedmem_binding *binding;
	pgoff_t start;
	pgoff_t end;
};

/**
 * struct restrictedmem_page - one page of present memory, see restrictedmem_get()
 * @folio: The folio that contains the page, with a reference for the caller.
 * @pfn: Page frame number of exactly the page that was asked for.
 * @order: The naturally aligned block of 2^@order pages of the file around the
 *	page lies inside the folio, the binding and the file. A snapshot: the
 *	folio may be split at any time, with contents and frames unchanged.
 */
struct restrictedmem_page {
	struct folio *folio;
	unsigned long pfn;
	unsigned int order;
};

/**
 * struct restrictedmem_ops - what a consumer wants to be told
 *
 * All callbacks run in process context and may sleep. No folio is locked. The
 * bindings of the file are held still from the first to the last callback of an
 * operation, so no callback may call restrictedmem_bind(), restrictedmem_unbind(),
 * restrictedmem_get(), restrictedmem_get_range() or restrictedmem_quarantine() for
 * the same file, nor wait for anybody who does: lockdep reports it, and does not
 * tell one file from another. The other functions for consumers may be called, and
 * references to folios and files be put. A lock taken in @invalidate_start must not
 * be held until @invalidate_end.
 *
 * One operation calls each of the invalidate callbacks once per consumer, over
 * however many bindings its range reaches; restrictedmem_for_each_span() lists
 * them. Consumers are called in the order of their first binding in the range,
 * and for @invalidate_abort and @invalidate_end in reverse, whether or not any of
 * the range is present.
 */
struct restrictedmem_ops {
	/** @owner: Module that is pinned by every binding. */
	struct module *owner;

	/** @name: Short name for statistics and messages. */
	const char *name;

	/**
	 * @populate: Memory becomes present in a bound range. Optional.
	 *
	 * Called before anybody can use the memory, exactly once for each time
	 * it becomes present and each binding that it lies in. @span lies
	 * within one folio. An error leaves the memory not present: those who
	 * were told already get @invalidate_start and @invalidate_end for their
	 * span, and whoever touched the memory gets the error.
	 *
	 * Memory that was made large, between @invalidate_start and
	 * @invalidate_end, is announced right after them, and has contents that
	 * an error cannot undo: it stays present, and restrictedmem_get()
	 * returns it as it returns what was there before the binding.
	 */
	int (*populate)(const struct restrictedmem_span *span,
			struct folio *folio);

	/**
	 * @invalidate_prepare: May the memory in this range go? Optional.
	 *
	 * The only place for slow work and the only callback that can refuse.
	 * On an error nothing changes, whoever was asked before gets
	 * @invalidate_abort, and the error reaches user space. A consumer must
	 * say in its documentation how long this may take: whoever punches a
	 * hole waits that long, and so does everybody who binds or unbinds.
	 *
	 * restrictedmem_read_retry() tells nothing yet: a consumer that agrees,
	 * and could not agree any more if it used more of the memory now, has
	 * to keep from that by itself until @invalidate_start or
	 * @invalidate_abort.
	 */
	int (*invalidate_prepare)(struct restrictedmem_link *link,
				  pgoff_t start, pgoff_t end);

	/**
	 * @invalidate_abort: Somebody refused after this consumer had agreed.
	 * Optional.
	 */
	void (*invalidate_abort)(struct restrictedmem_link *link,
				 pgoff_t start, pgoff_t end);

	/**
	 * @invalidate_start: The memory in this range goes away. Required.
	 *
	 * When it returns, the consumer does not use the memory, and does not
	 * begin to until @invalidate_end. Not preceded by @invalidate_prepare
	 * for a memory error or a populate that failed. A second start
	 * may come before the first end, so count.
	 */
	void (*invalidate_start)(struct restrictedmem_link *link,
				 pgoff_t start, pgoff_t end);

	/**
	 * @invalidate_end: It is over, whether or not the operation succeeded.
	 * Exactly one for each @invalidate_start. Required.
	 */
	void (*invalidate_end)(struct restrictedmem_link *link,
			       pgoff_t start, pgoff_t end);

	/**
	 * @error: An uncorrectable memory error at exactly these pages. Runs
	 * between @invalidate_start and @invalidate_end. Optional.
	 */
	void (*error)(struct restrictedmem_link *link,
		      pgoff_t start, pgoff_t end);
};

/**
 * struct restrictedmem_consumer - one subscriber, embedded in an object of its own
 * @ops: What it wants to be told.
 *
 * The address is the consumer's identity. It may be freed when the last
 * restrictedmem_unbind() has returned.
 */
struct restrictedmem_consumer {
	const struct restrictedmem_ops *ops;
};

/**
 * typedef restrictedmem_visit_t - visits one physically contiguous run of memory
 * @arg: The argument that was given to the walk.
 * @start: First page of the file.
 * @end: First page after the run.
 * @folio: The one folio that contains the run. It is referenced during the
 *	visit; a visitor that keeps it takes a reference of its own.
 * @pfn: Page frame number of @start.
 *
 * Return: 0 to go on; anything else ends the walk and is returned from it.
 */
typedef int (*restrictedmem_visit_t)(void *arg, pgoff_t start, pgoff_t end,
				     struct folio *folio, unsigned long pfn);

/**
 * restrictedmem_create_named() - create a restricted file
 * @name: Name of the file in /proc.
 *
 * For memfd_create(2).
 *
 * Context: May sleep.
 * Return: The file, or an ERR_PTR().
 */
struct file *restrictedmem_create_named(const char *name);

#ifdef CONFIG_RESTRICTEDMEM

/* Implemented in Rust, mm/restrictedmem/ffi.rs, and documented here. */

/**
 * file_is_restrictedmem() - is this a file of memfd_restricted(2)?
 * @file: Any file.
 *
 * Context: Any.
 * Return: True if so.
 */
bool file_is_restrictedmem(const struct file *file);

/**
 * restrictedmem_bind() - subscribe to a range of restricted memory
 * @file: The file. The binding takes a reference of its own.
 * @consumer: Who subscribes. Its module is pinned.
 * @start: First page.
 * @end: First page after the range.
 * @mode: Whether others may overlap, and whether contents may be loaded.
 * @cookie: The consumer's own, see restrictedmem_binding_cookie().
 *
 * Memory that is present already is not announced; restrictedmem_get_range()
 * finds it. Callbacks may start before the function returns.
 *
 * Context: May sleep. Takes the invalidate_lock of the file. Not from a
 * callback.
 * Return: The binding or an error pointer: -EINVAL (not restricted memory,
 * range empty or outside the file, unknown mode), -EEXIST (overlaps a binding of the same
 * consumer), -EBUSY (overlaps another consumer's), -EAGAIN (a large folio
 * crosses an edge and somebody's reference keeps it from being split), -ENOMEM,
 * -ENODEV (the module is going), -EINTR. Nothing has changed then.
 */
struct restrictedmem_binding *
restrictedmem_bind(struct file *file, struct restrictedmem_consumer *consumer,
		   pgoff_t start, pgoff_t end, enum restrictedmem_mode mode,
		   void *cookie);

/**
 * restrictedmem_unbind() - end a subscription
 * @binding: The binding, gone when this returns.
 *
 * When it returns no callback for this binding runs and none will. The memory
 * stays in the file and keeps its contents.
 *
 * Context: May sleep, for as long as another consumer's callback. Takes the
 * invalidate_lock of the file. Not from a callback. The caller holds its own
 * reference to the module it runs in.
 */
void restrictedmem_unbind(struct restrictedmem_binding *binding);

/**
 * restrictedmem_get() - the memory at a page of the file
 * @binding: Must not be unbound at the same time.
 * @index: Page of the file.
 * @page: Result. The caller puts the reference to its folio.
 *
 * Allocates and zeroes the memory if it is not present. A consumer that maps
 * what it gets uses restrictedmem_read_begin() and restrictedmem_read_retry().
 *
 * Context: May sleep. Takes the invalidate_lock of the file, shared, if the
 * memory is not present or an invalidation is going on. Not from a callback.
 * Return: 0, -EINVAL (outside the binding), -EHWPOISON (memory error at this
 * page), -ENOMEM, -ENOSPC, -EDQUOT, -EINTR, -EAGAIN (a new large folio could not be
 * split at the edge of a binding), or what a consumer's populate() returned.
 */
int restrictedmem_get(struct restrictedmem_binding *binding, pgoff_t index,
		      struct restrictedmem_page *page);

/**
 * restrictedmem_get_range() - the memory of a range, one folio after the other
 * @binding: Must not be unbound at the same time.
 * @start: First page of the file.
 * @end: First page after the range.
 * @visit: Called in order, without locks, for each part of the range that lies
 *	in one folio; one page at a time where a folio has a memory error.
 * @arg: Its argument.
 *
 * Context: As restrictedmem_get().
 * Return: 0, what @visit returned, or an error of restrictedmem_get(). What was
 * visited before an error stays present.
 */
int restrictedmem_get_range(struct restrictedmem_binding *binding,
			    pgoff_t start, pgoff_t end,
			    restrictedmem_visit_t visit, void *arg);

/**
 * restrictedmem_read_begin() - sample a binding's sequence before a get
 * @binding: The binding.
 *
 * Context: Any. Does not sleep.
 * Return: A value for restrictedmem_read_retry().
 */
u64 restrictedmem_read_begin(const struct restrictedmem_binding *binding);

/**
 * restrictedmem_read_retry() - has an invalidation begun since?
 * @binding: The binding.
 * @seq: From restrictedmem_read_begin(), before the get.
 *
 * To be called under the lock that the consumer's invalidate_start() takes too,
 * before the memory is made usable.
 *
 * Context: Any. Does not sleep.
 * Return: True if an invalidation began since, or is in progress: the result of
 * the get must not be used.
 */
bool restrictedmem_read_retry(const struct restrictedmem_binding *binding,
			      u64 seq);

/**
 * restrictedmem_quarantine() - memory that the consumer cannot get back
 * @binding: The binding.
 * @start: First page.
 * @end: First page after the range.
 *
 * For teardown, when refusing in invalidate_prepare() is no longer possible.
 * Every folio that is present in the range leaves the file for ever: it is
 * isolated, uncharged, never zeroed and never freed. Works on whole folios,
 * which never reach beyond the binding. Other consumers of the range see an
 * invalidation for each folio, not one for all, since telling them must not need
 * memory; the caller sees no callback. References that the consumer holds may be
 * kept or put.
 *
 * Context: May sleep. Takes the invalidate_lock of the file. Not from a
 * callback.
 * Return: Number of pages that were quarantined.
 */
unsigned long restrictedmem_quarantine(struct restrictedmem_binding *binding,
				       pgoff_t start, pgoff_t end);

/**
 * restrictedmem_binding_cookie() - the cookie given to restrictedmem_bind()
 * @binding: The binding.
 *
 * Context: Any.
 * Return: The cookie.
 */
void *restrictedmem_binding_cookie(const struct restrictedmem_binding *binding);

/**
 * restrictedmem_link_consumer() - the consumer that a callback is for
 * @link: The link.
 *
 * Context: From a callback.
 * Return: The consumer given to restrictedmem_bind().
 */
struct restrictedmem_consumer *
restrictedmem_link_consumer(const struct restrictedmem_link *link);

/**
 * restrictedmem_next_span() - find a binding of a link in a range
 * @link: The link.
 * @start: First page.
 * @end: First page after the range.
 * @span: Result: the first binding at or after @start, clipped to the range.
 *
 * Allocates nothing. See restrictedmem_for_each_span().
 *
 * Context: From a callback.
 * Return: True if there is one.
 */
bool restrictedmem_next_span(const struct restrictedmem_link *link,
			     pgoff_t start, pgoff_t end,
			     struct restrictedmem_span *span);

/**
 * restrictedmem_walk_present() - visit what is present in a span
 * @span: The span.
 * @visit: Called in order.
 * @arg: Its argument.
 *
 * Context: From a callback.
 * Return: 0 or what @visit returned.
 */
int restrictedmem_walk_present(const struct restrictedmem_span *span,
			       restrictedmem_visit_t visit, void *arg);

/**
 * restrictedmem_memory_failure() - tell consumers of an uncorrectable error
 * @page: The page, referenced, its folio not locked and not yet split.
 *
 * Looks up the file and leaves the rest to a work item, because a callback may
 * sleep for long and the caller holds the lock of all memory errors.
 *
 * Context: Process context, may sleep. Called by memory_failure() only.
 */
void restrictedmem_memory_failure(struct page *page);

/**
 * restrictedmem_active() - is there restricted memory
 *
 * For whoever would write all memory to a disk.
 *
 * Context: May sleep.
 * Return: Whether any restricted file has memory, present or reserved, or memory
 * was quarantined since the machine was booted.
 */
bool restrictedmem_active(void);

#else /* CONFIG_RESTRICTEDMEM */

static inline bool file_is_restrictedmem(const struct file *file)
{
	return false;
}

static inline void restrictedmem_memory_failure(struct page *page)
{
}

static inline bool restrictedmem_active(void)
{
	return false;
}

#endif /* CONFIG_RESTRICTEDMEM */

/**
 * restrictedmem_for_each_span() - iterate over the bindings of a link in a range
 * @span: struct restrictedmem_span to iterate with.
 * @link: The link.
 * @first: First page.
 * @last_end: First page after the range.
 *
 * Context: From a callback.
 */
#define restrictedmem_for_each_span(span, link, first, last_end)		\
	for (bool __more = restrictedmem_next_span(link, first, last_end, span);\
	     __more;								\
	     __more = restrictedmem_next_span(link, (span)->end, last_end, span))

#endif /* _LINUX_RESTRICTEDMEM_H */
