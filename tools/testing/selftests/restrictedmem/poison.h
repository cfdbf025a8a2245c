/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests of memory errors.
 *
 * To be included after restrictedmem.h and text.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_POISON_H
#define _SELFTESTS_RESTRICTEDMEM_POISON_H

#define HWPOISON "/sys/kernel/debug/hwpoison"
#define INJECT HWPOISON "/corrupt-pfn"

/* 0, or the errno of the memory error handler. */
static inline int poison(long pfn)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", pfn);
	return write_text(INJECT, text) ? errno : 0;
}

#endif /* _SELFTESTS_RESTRICTEDMEM_POISON_H */
