// SPDX-License-Identifier: GPL-2.0

//! Mounts of tmpfs.
//!
//! C headers: [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h),
//! [`include/linux/mount.h`](srctree/include/linux/mount.h)

use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result,
        Result, //
    },
    ffi::c_int,
    prelude::*, //
};
use core::ptr::NonNull;

/// A mount of tmpfs.
///
/// # Invariants
///
/// The mount has a reference that is ours. It is one of tmpfs, and not idmapped.
pub struct ShmemMount(NonNull<bindings::vfsmount>);

// SAFETY: A mount may be used and its reference put on any thread that may sleep.
unsafe impl Send for ShmemMount {}
// SAFETY: All methods that take `&ShmemMount` are safe to call concurrently.
unsafe impl Sync for ShmemMount {}

impl ShmemMount {
    /// Mounts a tmpfs that only the kernel sees, without limits, until the next boot.
    ///
    /// `huge` is the value of the mount option of that name, see
    /// `Documentation/filesystems/tmpfs.rst`.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] where tmpfs does not have the option; [`ENOMEM`].
    pub fn new_internal(huge: &CStr) -> Result<Self> {
        // SAFETY: The name is nul-terminated.
        let fs = unsafe { bindings::get_fs_type(c"tmpfs".as_char_ptr()) };
        let fs = NonNull::new(fs).ok_or(ENODEV)?;
        // SAFETY: The type is valid, and the context takes a reference of its own.
        let context = from_err_ptr(unsafe {
            bindings::fs_context_for_mount(fs.as_ptr(), bindings::SB_KERNMOUNT)
        });
        // SAFETY: The reference is the one that the lookup returned.
        unsafe { bindings::put_filesystem(fs.as_ptr()) };
        let context = context?;

        // SAFETY: The context is ours, and key and value are nul-terminated.
        let mount = to_result(unsafe {
            bindings::vfs_parse_fs_string(context, c"huge".as_char_ptr(), huge.as_char_ptr())
        })
        // SAFETY: The context is ours, and not mounted yet.
        .and_then(|()| from_err_ptr(unsafe { bindings::fc_mount_longterm(context) }));
        // SAFETY: The context is ours. The mount has what it needs.
        unsafe { bindings::put_fs_context(context) };

        // INVARIANT: Comes with a reference, and is of the type that was asked for.
        Ok(Self(NonNull::new(mount?).ok_or(ENOMEM)?))
    }

    /// Takes the mount whose root directory a descriptor of the current task is.
    ///
    /// A descriptor that was opened with `O_PATH` will do, as the one of `fsmount(2)` is. The task
    /// must be allowed to create files in the directory.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// In this order: [`EBADF`] if there is no such descriptor; [`ENOTDIR`] if it is no directory;
    /// [`EINVAL`] if it is not the root of its mount, if the mount is not one of tmpfs, or if it is
    /// idmapped; [`ENOENT`] if it was unmounted; [`EROFS`] if it is read-only; [`EACCES`] if the
    /// task may not create files in it; [`EOVERFLOW`] if user or group of the task do not exist in
    /// the user namespace of the mount.
    pub fn from_fd(fd: c_int) -> Result<Self> {
        // SAFETY: Always sound to call.
        let file = NonNull::new(unsafe { bindings::fget_raw(fd as u32) }).ok_or(EBADF)?;
        // SAFETY: We have a reference to the file, which keeps its path.
        let mount = unsafe { Self::of_root(&raw const (*file.as_ptr()).__bindgen_anon_1.f_path) };
        // SAFETY: The reference is the one that the lookup returned.
        unsafe { bindings::fput(file.as_ptr()) };

        mount
    }

    /// # Safety
    ///
    /// The path is valid, and has references that last for the duration of the call.
    unsafe fn of_root(path: *const bindings::path) -> Result<Self> {
        // SAFETY: Promised by the caller.
        let (mount, dentry) = unsafe { ((*path).mnt, (*path).dentry) };
        // SAFETY: As above; the dentry of an open file is positive, and a mount keeps its root and
        // its superblock.
        let (inode, root, sb, flags) = unsafe {
            (
                (*dentry).d_inode,
                (*mount).mnt_root,
                (*mount).mnt_sb,
                (&raw const (*mount).mnt_flags).read_volatile(),
            )
        };

        // SAFETY: The inode is alive.
        if u32::from(unsafe { (*inode).i_mode }) & bindings::S_IFMT != bindings::S_IFDIR {
            return Err(ENOTDIR);
        }
        // SAFETY: The superblock is alive, and its magic never changes.
        let magic = unsafe { (*sb).s_magic };
        // SAFETY: The mount is alive.
        let is_idmapped = unsafe { bindings::is_idmapped_mnt(mount) };
        if dentry != root || magic != bindings::TMPFS_MAGIC as usize || is_idmapped {
            return Err(EINVAL);
        }
        if flags & bindings::mount_flags_MNT_UMOUNT as c_int != 0 {
            return Err(ENOENT);
        }
        // SAFETY: The mount is alive.
        if unsafe { bindings::__mnt_is_readonly(mount) } {
            return Err(EROFS);
        }
        let mask = bindings::MAY_WRITE | bindings::MAY_EXEC;
        // SAFETY: Inode and mount are alive.
        to_result(unsafe {
            bindings::inode_permission(bindings::mnt_idmap(mount), inode, mask as c_int)
        })?;
        // SAFETY: Superblock and mount are alive.
        if !unsafe { bindings::fsuidgid_has_mapping(sb, bindings::mnt_idmap(mount)) } {
            return Err(EOVERFLOW);
        }

        // SAFETY: The mount is alive.
        let mount = unsafe { bindings::mntget(mount) };
        // INVARIANT: A reference was taken right above, and the rest was checked.
        Ok(Self(NonNull::new(mount).ok_or(EINVAL)?))
    }

    /// Returns the raw pointer.
    pub(super) fn as_ptr(&self) -> *mut bindings::vfsmount {
        self.0.as_ptr()
    }
}

impl Drop for ShmemMount {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the reference is ours.
        unsafe { bindings::mntput(self.0.as_ptr()) };
    }
}
