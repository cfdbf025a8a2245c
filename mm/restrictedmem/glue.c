// SPDX-License-Identifier: GPL-2.0
/*
 * What restricted memory needs of the kernel that Rust cannot reach: static
 * lockdep maps, and functions that are internal to mm.
 */

#include <linux/lockdep.h>
#include <linux/memcontrol.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>

#include "../internal.h"
#include "internal.h"

#ifdef CONFIG_LOCKDEP
/*
 * Held, as far as lockdep knows, while a callback runs, and taken by all that a
 * callback must not call. One map for all files: no path holds two of them.
 */
static struct lock_class_key restrictedmem_callback_key;
static struct lockdep_map restrictedmem_callback_map =
	STATIC_LOCKDEP_MAP_INIT("restrictedmem_callback",
				&restrictedmem_callback_key);
#endif

/* A consumer's callback is called next. */
void restrictedmem_callback_begin(void)
{
	lock_map_acquire(&restrictedmem_callback_map);
}

/* It has returned. */
void restrictedmem_callback_end(void)
{
	lock_map_release(&restrictedmem_callback_map);
}

/* The caller must not be a callback, nor hold a lock that a callback takes. */
void restrictedmem_callback_forbidden(void)
{
	might_sleep();
	lock_map_acquire(&restrictedmem_callback_map);
	lock_map_release(&restrictedmem_callback_map);
}

/*
 * Takes a folio, which has left its file, out of everybody's sight: the LRU
 * lists must not lead to it any more, and the memory cgroup must not be pinned
 * by memory that is never freed.
 */
void restrictedmem_isolate(struct folio *folio)
{
	/* It may still be on its way to an LRU list, in a batch of some CPU. */
	if (!folio_test_lru(folio))
		lru_add_drain_all();
	folio_isolate_lru(folio);
	mem_cgroup_uncharge(folio);
}

/* Is the current task about to die? */
bool restrictedmem_killed(void)
{
	return fatal_signal_pending(current);
}
