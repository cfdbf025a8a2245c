/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the C and the Rust parts of restricted memory know of each other. Read
 * by bindgen.
 */
#ifndef _MM_RESTRICTEDMEM_INTERNAL_H
#define _MM_RESTRICTEDMEM_INTERNAL_H

#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/types.h>

#include <trace/events/restrictedmem.h>
#include <uapi/linux/restrictedmem.h>

struct file;
struct folio;
struct page;

enum {
	/* No folio of tmpfs is larger. */
	RESTRICTEDMEM_MAX_ORDER = PMD_SHIFT - PAGE_SHIFT,
};

/* restrictedmem_main.rs and ffi.rs */
int restrictedmem_init(void);
struct file *restrictedmem_create(const char *name, unsigned int flags,
				  int mount_fd);

/* glue.c */
void restrictedmem_callback_begin(void);
void restrictedmem_callback_end(void);
void restrictedmem_callback_forbidden(void);
void restrictedmem_comm(char *comm);
void restrictedmem_isolate(struct folio *folio);
bool restrictedmem_killed(void);
int restrictedmem_copy_args(void *args, size_t size, const void __user *from,
			    u32 from_size);
int restrictedmem_check_source(struct file *source);
int restrictedmem_pin(unsigned long addr, int nr, struct page **pages);
void restrictedmem_copy_pinned(struct page *to, struct page **from,
			       size_t offset);

/* sysctl.c */
bool restrictedmem_memlock(void);

#endif /* _MM_RESTRICTEDMEM_INTERNAL_H */
