/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests that load initial contents.
 *
 * To be included after restrictedmem.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_LOAD_H
#define _SELFTESTS_RESTRICTEDMEM_LOAD_H

#include <stdint.h>
#include <sys/ioctl.h>

/* More than any call can have done: what @done must never keep. */
#define NOT_DONE UINT64_MAX

/*
 * Loads pages [start, end) from memory: 0 or -1. @pages is how many were loaded,
 * also if it fails, and -1 if the call did not say or did not stop at a page.
 */
static inline int load_pages(int fd, uint64_t start, uint64_t end,
			     const void *from, long *pages)
{
	struct rmfd_load load = {
		.offset = start * page_size(),
		.len = (end - start) * page_size(),
		.addr = (uintptr_t)from,
		.done = NOT_DONE,
		.size = sizeof(load),
	};
	int ret = ioctl(fd, RMFD_LOAD, &load);

	*pages = load.done % page_size() ? -1 : (long)(load.done / page_size());
	return ret;
}

/* The same from another file. */
static inline int load_pages_fd(int fd, uint64_t start, uint64_t end, int source,
				uint64_t source_offset, long *pages)
{
	struct rmfd_load_fd load = {
		.offset = start * page_size(),
		.len = (end - start) * page_size(),
		.source_offset = source_offset,
		.done = NOT_DONE,
		.fd = source,
		.size = sizeof(load),
	};
	int ret = ioctl(fd, RMFD_LOAD_FD, &load);

	*pages = load.done % page_size() ? -1 : (long)(load.done / page_size());
	return ret;
}

#endif /* _SELFTESTS_RESTRICTEDMEM_LOAD_H */
