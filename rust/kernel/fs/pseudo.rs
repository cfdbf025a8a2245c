// SPDX-License-Identifier: GPL-2.0

//! Filesystems that exist only inside the kernel, for inodes that have no name.
//!
//! C headers: [`include/linux/pseudo_fs.h`](srctree/include/linux/pseudo_fs.h),
//! [`include/linux/mount.h`](srctree/include/linux/mount.h)

use crate::{
    bindings,
    error::{
        from_err_ptr,
        Result, //
    },
    ffi::c_int,
    fs::{
        inode::INode,
        File, //
    },
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::aref::ARef,
    types::{
        ForeignOwnable,
        Opaque, //
    },
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// Describes a pseudo filesystem.
pub trait PseudoFs: Sized + 'static {
    /// Name of the filesystem type.
    const NAME: &'static CStr;

    /// What `statfs(2)` reports as the type.
    const MAGIC: usize;

    /// What every inode owns. Dropped when the inode is evicted, in a context that may sleep; the
    /// memory of the inode is freed after that.
    type Data: ForeignOwnable + Send + Sync;
}

/// A pseudo filesystem type, to be put in a `static`: it holds the lock classes of its inodes.
#[repr(transparent)]
pub struct Type<F: PseudoFs>(Opaque<bindings::file_system_type>, PhantomData<F>);

// SAFETY: The C code does its own locking for the fields that change.
unsafe impl<F: PseudoFs> Sync for Type<F> {}

impl<F: PseudoFs> Type<F> {
    const SUPER_OPS: bindings::super_operations = bindings::super_operations {
        statfs: Some(bindings::simple_statfs),
        evict_inode: Some(Self::evict_inode),
        ..pin_init::zeroed()
    };

    /// Makes the description.
    pub const fn new() -> Self {
        Self(
            Opaque::new(bindings::file_system_type {
                name: as_char_ptr_in_const_context(F::NAME),
                init_fs_context: Some(Self::init_fs_context),
                kill_sb: Some(bindings::kill_anon_super),
                ..pin_init::zeroed()
            }),
            PhantomData,
        )
    }

    /// Mounts the filesystem for good. Nothing on it can be executed.
    pub fn mount(&'static self) -> Result<Mount<F>> {
        // SAFETY: The type is `'static`.
        let ptr = from_err_ptr(unsafe { bindings::kern_mount(self.0.get()) })?;
        let ptr = NonNull::new(ptr).ok_or(ENOMEM)?;

        // SAFETY: Nobody else knows the mount yet.
        unsafe { (*ptr.as_ptr()).mnt_flags |= bindings::mount_flags_MNT_NOEXEC as c_int };
        // INVARIANT: Mounted right above, and never unmounted.
        Ok(Mount(ptr, PhantomData))
    }

    /// # Safety
    ///
    /// `fc` is a context that is being set up.
    unsafe extern "C" fn init_fs_context(fc: *mut bindings::fs_context) -> c_int {
        // SAFETY: Promised by the caller.
        let ctx = unsafe { bindings::init_pseudo(fc, F::MAGIC) };
        let Some(ctx) = NonNull::new(ctx) else {
            return ENOMEM.to_errno();
        };

        // SAFETY: The context is ours until we return.
        unsafe { (*ctx.as_ptr()).ops = &Self::SUPER_OPS };
        0
    }

    /// # Safety
    ///
    /// `inode` is one of this filesystem, and on its way out.
    unsafe extern "C" fn evict_inode(inode: *mut bindings::inode) {
        // SAFETY: Both are due here, and the inode is ours.
        unsafe {
            bindings::truncate_inode_pages_final(&raw mut (*inode).i_data);
            bindings::clear_inode(inode);
        }
        // SAFETY: `i_private` is null, for the root and for an inode that did not get its data, or
        // comes from `into_foreign()` in `Mount::inode()`. This is the last use of it.
        drop(unsafe { F::Data::try_from_foreign((*inode).i_private) });
    }
}

impl<F: PseudoFs> Default for Type<F> {
    fn default() -> Self {
        Self::new()
    }
}

/// A pseudo filesystem that is mounted and stays so.
///
/// # Invariants
///
/// The pointer is valid for ever.
pub struct Mount<F: PseudoFs>(NonNull<bindings::vfsmount>, PhantomData<F>);

// SAFETY: A mount may be used on any thread.
unsafe impl<F: PseudoFs> Send for Mount<F> {}
// SAFETY: A mount may be used on several threads at once.
unsafe impl<F: PseudoFs> Sync for Mount<F> {}

impl<F: PseudoFs> Mount<F> {
    /// Makes an inode of a regular file that security modules see, and gives it its data.
    ///
    /// `data` is called with the inode, before anybody else knows it.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn inode(
        &self,
        name: &'static CStr,
        iops: &'static bindings::inode_operations,
        data: impl FnOnce(NonNull<bindings::inode>) -> Result<F::Data>,
    ) -> Result<ARef<INode>> {
        // SAFETY: By the type invariants the mount is valid, and the name is nul-terminated.
        let ptr = from_err_ptr(unsafe {
            bindings::anon_inode_make_secure_inode(
                (*self.0.as_ptr()).mnt_sb,
                name.as_char_ptr(),
                core::ptr::null(),
            )
        })?;
        let ptr = NonNull::new(ptr).ok_or(ENOMEM)?;
        // SAFETY: The new inode comes with a reference for us.
        let inode: ARef<INode> = unsafe { ARef::from_raw(ptr.cast()) };
        let data = data(ptr)?;

        // SAFETY: Nobody else knows the inode yet.
        unsafe {
            (*ptr.as_ptr()).i_mode |= bindings::S_IFREG as bindings::umode_t;
            (*ptr.as_ptr()).i_op = iops;
            (*ptr.as_ptr()).i_private = data.into_foreign();
        }
        Ok(inode)
    }

    /// Opens an inode for reading and writing, under a name for `/proc`.
    ///
    /// The file operations are the file's alone: the inode has none, so it cannot be opened again.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn open(
        &self,
        inode: ARef<INode>,
        name: &CStr,
        fops: &'static bindings::file_operations,
    ) -> Result<ARef<File>> {
        let flags = (bindings::O_RDWR | bindings::O_LARGEFILE) as c_int;
        // SAFETY: By the type invariants the mount is valid. The inode is referenced.
        let ptr = from_err_ptr(unsafe {
            bindings::alloc_file_pseudo(
                inode.as_ptr(),
                self.0.as_ptr(),
                name.as_char_ptr(),
                flags,
                fops,
            )
        })?;
        let ptr = NonNull::new(ptr).ok_or(ENOMEM)?;

        // The file took our reference over, which it does on success only.
        let _ = ARef::into_raw(inode);
        // SAFETY: The new file comes with a reference for us. No descriptor refers to it.
        Ok(unsafe { ARef::from_raw(ptr.cast()) })
    }
}
