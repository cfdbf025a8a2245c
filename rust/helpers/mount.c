// SPDX-License-Identifier: GPL-2.0

#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/mount.h>

__rust_helper int rust_helper_vfs_parse_fs_string(struct fs_context *fc,
						  const char *key,
						  const char *value)
{
	return vfs_parse_fs_string(fc, key, value);
}

__rust_helper bool rust_helper_is_idmapped_mnt(const struct vfsmount *mnt)
{
	return is_idmapped_mnt(mnt);
}

__rust_helper struct mnt_idmap *
rust_helper_mnt_idmap(const struct vfsmount *mnt)
{
	return mnt_idmap(mnt);
}

__rust_helper bool rust_helper_fsuidgid_has_mapping(struct super_block *sb,
						    struct mnt_idmap *idmap)
{
	return fsuidgid_has_mapping(sb, idmap);
}
