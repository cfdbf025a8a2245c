/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests that make memory large.
 *
 * To be included after restrictedmem.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_COLLAPSE_H
#define _SELFTESTS_RESTRICTEDMEM_COLLAPSE_H

#include <stdint.h>
#include <sys/ioctl.h>

/*
 * Collapses pages [start, end): 0 or -1. @large is how many pages are large then,
 * also if it fails, and -1 if the call did not say.
 */
static inline int collapse(int fd, uint64_t start, uint64_t end, long *large)
{
	struct rmfd_collapse args = {
		.offset = start * page_size(),
		.len = (end - start) * page_size(),
		.done = UINT64_MAX,
		.size = sizeof(args),
	};
	int ret = ioctl(fd, RMFD_COLLAPSE, &args);

	*large = args.done % page_size() ? -1 : (long)(args.done / page_size());
	return ret;
}

#endif /* _SELFTESTS_RESTRICTEDMEM_COLLAPSE_H */
