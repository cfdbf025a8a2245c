// SPDX-License-Identifier: GPL-2.0

#include <linux/mempolicy.h>
#include <linux/shmem_fs.h>

__rust_helper struct shmem_inode_info *rust_helper_SHMEM_I(struct inode *inode)
{
	return SHMEM_I(inode);
}

#ifndef CONFIG_NUMA
__rust_helper int rust_helper_mpol_set_shared_range(struct shared_policy *sp,
						    pgoff_t start, pgoff_t end,
						    int mode,
						    const unsigned long __user *nmask,
						    unsigned long maxnode)
{
	return mpol_set_shared_range(sp, start, end, mode, nmask, maxnode);
}
#endif
