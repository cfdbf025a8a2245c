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

struct file;
struct folio;

enum {
	/* No folio of tmpfs is larger. */
	RESTRICTEDMEM_MAX_ORDER = PMD_SHIFT - PAGE_SHIFT,
};

/* restrictedmem_main.rs and ffi.rs */
int restrictedmem_init(void);
struct file *restrictedmem_create(unsigned int flags);

/* glue.c */
void restrictedmem_callback_begin(void);
void restrictedmem_callback_end(void);
void restrictedmem_callback_forbidden(void);
void restrictedmem_isolate(struct folio *folio);
bool restrictedmem_killed(void);

#endif /* _MM_RESTRICTEDMEM_INTERNAL_H */
