// SPDX-License-Identifier: GPL-2.0

//! Files of tmpfs for use inside the kernel.
//!
//! C header: [`include/linux/shmem_fs.h`](srctree/include/linux/shmem_fs.h)

use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result,
        Result, //
    },
    fs::{
        inode::INode,
        File, //
    },
    mm::{
        address_space::AddressSpace,
        folio::LockedFolio,
        mempolicy::UserPolicy, //
    },
    prelude::*,
    sync::aref::ARef,
};
use core::{
    ops::Range,
    ptr::{
        self,
        NonNull, //
    },
};

mod mount;
pub use self::mount::ShmemMount;

/// A tmpfs file that user space cannot reach.
///
/// # Invariants
///
/// The file belongs to tmpfs and no descriptor refers to it.
pub struct ShmemFile(ARef<File>);

impl ShmemFile {
    /// Pages are not accounted before they are allocated.
    const FLAGS: bindings::vma_flags_t = bindings::vma_flags_t {
        __vma_flags: [1 << bindings::VMA_NORESERVE_BIT],
    };

    /// Creates an empty file on the kernel's internal mount. Its pages are not accounted before
    /// they are allocated.
    ///
    /// Security modules do not see it: whoever hands the memory out is in charge of that.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn new(name: &'static CStr) -> Result<Self> {
        // SAFETY: The name is nul-terminated and copied.
        Self::from_new(unsafe {
            bindings::shmem_kernel_file_setup(name.as_char_ptr(), 0, Self::FLAGS)
        })
    }

    /// Creates an empty file on a mount, whose limits and policies apply. See [`new()`](Self::new).
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOSPC`] and [`EDQUOT`] if the mount has no inode left; [`ENOMEM`].
    pub fn new_on(mount: &ShmemMount, name: &'static CStr) -> Result<Self> {
        // SAFETY: The mount is one of tmpfs. The name is nul-terminated and copied.
        let file = Self::from_new(unsafe {
            bindings::shmem_file_setup_with_mnt(mount.as_ptr(), name.as_char_ptr(), 0, Self::FLAGS)
        })?;

        // SAFETY: Nobody else knows the inode yet.
        unsafe { (*file.inode().as_ptr()).i_flags |= bindings::S_PRIVATE };
        Ok(file)
    }

    /// Takes what a function that sets up a file has returned.
    fn from_new(ptr: *mut bindings::file) -> Result<Self> {
        let ptr = NonNull::new(from_err_ptr(ptr)?).ok_or(ENOMEM)?;

        // SAFETY: The new file comes with a reference for us, and has no position that anybody
        // could share, for lack of a descriptor.
        // INVARIANT: Created by the caller right now.
        Ok(Self(unsafe { ARef::from_raw(ptr.cast()) }))
    }

    /// Returns the inode.
    #[inline]
    pub fn inode(&self) -> &INode {
        // SAFETY: The file is alive and keeps its inode.
        unsafe { INode::from_raw(bindings::file_inode(self.0.as_ptr())) }
    }

    /// Returns the page cache.
    #[inline]
    pub fn mapping(&self) -> &AddressSpace {
        self.inode().mapping()
    }

    /// Looks up the folio at page `index`, or allocates one.
    ///
    /// A new folio is clean and not uptodate, and its memory holds whatever it held before. The
    /// index is not checked against the size.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`], [`ENOSPC`], [`EFBIG`].
    pub fn folio_for_write(&self, index: usize) -> Result<LockedFolio> {
        let mut folio = ptr::null_mut();

        // SAFETY: By the type invariants this is an inode of tmpfs.
        to_result(unsafe {
            bindings::shmem_get_folio(
                self.inode().as_ptr(),
                index,
                0,
                &mut folio,
                bindings::sgp_type_SGP_WRITE,
            )
        })?;

        let folio = NonNull::new(folio).ok_or(ENOMEM)?;

        // SAFETY: On success the folio is locked, with a reference for us.
        Ok(unsafe { LockedFolio::from_raw(folio) })
    }

    /// Sets where the memory of a range of pages comes from. What is there already stays.
    ///
    /// # Context
    ///
    /// In process context; the policy is read from memory of the current task, whose cpuset limits
    /// it. May sleep.
    ///
    /// # Errors
    ///
    /// Those of `mbind(2)`: [`EFAULT`], [`EINVAL`], [`ENOMEM`]. [`EOPNOTSUPP`] without NUMA.
    pub fn set_policy(&self, range: Range<usize>, policy: &UserPolicy) -> Result {
        // SAFETY: By the type invariants this is an inode of tmpfs, which keeps its policies for as
        // long as it lives. The address of the nodes is not trusted.
        to_result(unsafe {
            bindings::mpol_set_shared_range(
                &raw mut (*bindings::SHMEM_I(self.inode().as_ptr())).policy,
                range.start,
                range.end,
                policy.mode,
                policy.nodes.as_const_ptr().cast(),
                policy.max_node,
            )
        })
    }

    /// Makes the block of pages from `start` on, which is as large as a folio can be, one folio.
    /// Pages that are absent, or have no contents yet, come with zeroes.
    ///
    /// Nobody else may remove pages of the file meanwhile. The memory is charged to the current
    /// task's active memory cgroup.
    ///
    /// # Context
    ///
    /// May sleep, for as long as compaction takes.
    ///
    /// # Errors
    ///
    /// [`EAGAIN`] if some of it is in use; [`ENOMEM`] if there is no free block, or if the memory
    /// cgroup is at its limit; [`EINVAL`] if there is nothing, or if the administrator denies large
    /// folios; [`EOPNOTSUPP`] if the kernel has none.
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    pub fn collapse(&self, start: usize) -> Result {
        // SAFETY: By the type invariants this is a file of tmpfs.
        match to_result(unsafe { bindings::shmem_collapse(self.0.as_ptr(), start) }) {
            Err(e) if e == EBUSY => Err(ENOMEM),
            result => result,
        }
    }

    /// See above.
    #[cfg(not(CONFIG_TRANSPARENT_HUGEPAGE))]
    pub fn collapse(&self, _start: usize) -> Result {
        Err(EOPNOTSUPP)
    }

    /// Removes a range of pages.
    ///
    /// Folios that reach beyond the range must have been split at its ends, or their memory stays
    /// in the file.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn remove(&self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }

        let start = (range.start as i64) << bindings::PAGE_SHIFT;
        let last = ((range.end as u64) << bindings::PAGE_SHIFT).wrapping_sub(1);

        // SAFETY: By the type invariants this is an inode of tmpfs.
        unsafe { bindings::shmem_truncate_range(self.inode().as_ptr(), start, last) };
    }
}
