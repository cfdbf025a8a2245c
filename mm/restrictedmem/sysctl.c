// SPDX-License-Identifier: GPL-2.0
/*
 * What an administrator may decide about restricted memory.
 */

#include <linux/init.h>
#include <linux/sysctl.h>

#include "../internal.h"
#include "internal.h"

static bool memlock;

static const struct ctl_table restrictedmem_sysctls[] = {
	{
		.procname	= "memfd_restricted_memlock",
		.data		= &memlock,
		.maxlen		= sizeof(memlock),
		.mode		= 0644,
		.proc_handler	= proc_dobool,
	},
};

/* Does restricted memory count as locked memory? */
bool restrictedmem_memlock(void)
{
	return READ_ONCE(memlock);
}

static int __init restrictedmem_sysctl_init(void)
{
	register_sysctl_init(SYSCTL_MM, restrictedmem_sysctls);
	return 0;
}
late_initcall(restrictedmem_sysctl_init);
