// SPDX-License-Identifier: GPL-2.0
/*
 * What restricted memory needs of the kernel that Rust cannot reach: static
 * lockdep maps, and functions that are internal to mm.
 */

#include <linux/highmem.h>
#include <linux/lockdep.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/restrictedmem.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

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

/* Copies the name of the current task, TASK_COMM_LEN bytes. */
void restrictedmem_comm(char *comm)
{
	strscpy_pad(comm, current->comm, TASK_COMM_LEN);
}

/* Is the current task about to die? */
bool restrictedmem_killed(void)
{
	return fatal_signal_pending(current);
}

/*
 * Copies the arguments of an ioctl, of which the caller may know less than we do,
 * or more: -EINVAL, -E2BIG or -EFAULT. All there is has been there from the
 * beginning.
 */
int restrictedmem_copy_args(void *args, size_t size, const void __user *from,
			    u32 from_size)
{
	if (from_size < size)
		return -EINVAL;
	if (from_size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(args, size, from, from_size);
}

/* May contents be read from this file as pread() does, and why not? */
int restrictedmem_check_source(struct file *source)
{
	if (!(source->f_mode & FMODE_READ))
		return -EBADF;
	if (file_is_restrictedmem(source))
		return -EINVAL;
	if (S_ISDIR(file_inode(source)->i_mode))
		return -EISDIR;
	if (!(source->f_mode & FMODE_PREAD))
		return -ESPIPE;
	return 0;
}

/*
 * Pins memory of the caller: as much as is there, without the lock of the address
 * space, or else what there is after the next fault. Whoever answers that fault
 * may never do so, so a signal ends the wait, which pin_user_pages_fast() by
 * itself does not allow. Returns how many pages, which is not 0.
 */
int restrictedmem_pin(unsigned long addr, int nr, struct page **pages)
{
	int pinned = pin_user_pages_fast(addr, nr, FOLL_NOFAULT, pages);

	if (pinned <= 0)
		pinned = pin_user_pages_unlocked(addr, nr, pages,
						 FOLL_INTERRUPTIBLE);
	return pinned ?: -EFAULT;
}

/*
 * Copies a page out of pinned memory, which begins at @offset in the first page
 * of @from. Cannot fault.
 */
void restrictedmem_copy_pinned(struct page *to, struct page **from,
			       size_t offset)
{
	memcpy_page(to, 0, from[0], offset, PAGE_SIZE - offset);
	if (offset)
		memcpy_page(to, PAGE_SIZE - offset, from[1], 0, offset);
}
