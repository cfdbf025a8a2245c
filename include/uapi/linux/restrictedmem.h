/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_RESTRICTEDMEM_H
#define _UAPI_LINUX_RESTRICTEDMEM_H

/* Flags of memfd_restricted(2). A bit that is not listed here is -EINVAL. */
#define RMFD_CLOEXEC		0x0001U

#endif /* _UAPI_LINUX_RESTRICTEDMEM_H */
