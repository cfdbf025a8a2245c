// SPDX-License-Identifier: GPL-2.0
/*
 * The entries into restricted memory that only C macros can make: the system
 * call, the exports and the initcall.
 */

#include <linux/export.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/init.h>
#include <linux/restrictedmem.h>
#include <linux/syscalls.h>

#include <uapi/linux/restrictedmem.h>

#include "internal.h"

SYSCALL_DEFINE2(memfd_restricted, unsigned int, flags, int, mount_fd)
{
	if (flags & ~(RMFD_CLOEXEC | RMFD_HUGEPAGE | RMFD_USERMNT))
		return -EINVAL;
	/* The mount says how large its folios are. */
	if (flags & RMFD_HUGEPAGE && flags & RMFD_USERMNT)
		return -EINVAL;

	return FD_ADD(flags & RMFD_CLOEXEC ? O_CLOEXEC : 0,
		      restrictedmem_create("restrictedmem", flags, mount_fd));
}

/* For memfd_create(2). */
struct file *restrictedmem_create_named(const char *name)
{
	return restrictedmem_create(name, 0, -1);
}

/* Once vfs and tmpfs are there, and before anything that could have consumers. */
fs_initcall(restrictedmem_init);

EXPORT_SYMBOL_GPL(file_is_restrictedmem);
EXPORT_SYMBOL_GPL(restrictedmem_bind);
EXPORT_SYMBOL_GPL(restrictedmem_unbind);
EXPORT_SYMBOL_GPL(restrictedmem_get);
EXPORT_SYMBOL_GPL(restrictedmem_get_range);
EXPORT_SYMBOL_GPL(restrictedmem_read_begin);
EXPORT_SYMBOL_GPL(restrictedmem_read_retry);
EXPORT_SYMBOL_GPL(restrictedmem_quarantine);
EXPORT_SYMBOL_GPL(restrictedmem_binding_cookie);
EXPORT_SYMBOL_GPL(restrictedmem_link_consumer);
EXPORT_SYMBOL_GPL(restrictedmem_next_span);
EXPORT_SYMBOL_GPL(restrictedmem_walk_present);
