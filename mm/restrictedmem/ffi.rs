// SPDX-License-Identifier: GPL-2.0

//! Everything that is unsafe: where the core meets C.
//!
//! C headers: [`include/linux/restrictedmem.h`](srctree/include/linux/restrictedmem.h),
//! `mm/restrictedmem/internal.h`

use kernel::{
    bindings,
    fs::{
        inode::{
            INode,
            WeakINode, //
        },
        File, //
    },
    mm::folio::Folio,
    prelude::*,
    sync::aref::ARef,
    types::ForeignOwnable, //
};

use core::{
    ops::Deref,
    ptr::NonNull, //
};

use crate::file::RestrictedFile;

mod consumer;
mod exports;
mod failure;
mod inode;
mod ioctl;
mod source;
pub(crate) mod trace;

pub(crate) use consumer::{
    Consumer,
    Cookie,
    ModuleRef, //
};
pub(crate) use failure::FILES;
#[cfg(CONFIG_RESTRICTEDMEM_KUNIT_TEST)]
pub(crate) use inode::create;

/// No folio is larger than two to this power of pages.
pub(crate) const MAX_ORDER: u32 = bindings::RESTRICTEDMEM_MAX_ORDER;

/// A reference to an open restricted file.
///
/// # Invariants
///
/// The file has our operations, so its inode owns a [`RestrictedFile`].
pub(crate) struct FileRef(ARef<File>);

impl FileRef {
    /// Takes a reference, if the file is a restricted one.
    pub(crate) fn new(file: &File) -> Result<Self> {
        // SAFETY: The file is referenced.
        if !unsafe { inode::file_is_restrictedmem(file.as_ptr()) } {
            return Err(EINVAL);
        }

        // INVARIANT: Checked above.
        Ok(Self(file.into()))
    }
}

impl Deref for FileRef {
    type Target = RestrictedFile;

    #[inline]
    fn deref(&self) -> &RestrictedFile {
        // SAFETY: By the type invariants, and the inode lives as long as the file.
        unsafe { state(bindings::file_inode(self.0.as_ptr())) }
    }
}

/// A restricted file that is listed, which does not keep it alive.
///
/// # Invariants
///
/// The inode is one of ours.
pub(crate) struct WeakFile(WeakINode);

impl WeakFile {
    /// Remembers an inode.
    ///
    /// # Safety
    ///
    /// The inode is one of ours, or is about to be. The object is dropped before the memory of the
    /// inode is freed, at the latest while the inode is being evicted.
    unsafe fn new(inode: NonNull<bindings::inode>) -> Self {
        // INVARIANT: Promised by the caller.
        // SAFETY: As above.
        Self(unsafe { WeakINode::new(inode) })
    }

    /// Takes a reference, unless the inode is on its way out.
    pub(crate) fn upgrade(&self) -> Option<LiveFile> {
        // INVARIANT: It is the same inode.
        self.0.upgrade().map(LiveFile)
    }
}

/// A reference to a restricted file that nobody needs to have open.
///
/// # Invariants
///
/// The inode is one of ours.
pub(crate) struct LiveFile(ARef<INode>);

impl Deref for LiveFile {
    type Target = RestrictedFile;

    fn deref(&self) -> &RestrictedFile {
        // SAFETY: By the type invariants, and the reference keeps the inode.
        unsafe { state(self.0.as_ptr()) }
    }
}

/// Returns the state of an inode.
///
/// # Safety
///
/// The inode is one of ours and lives for `'a`.
#[inline]
unsafe fn state<'a>(inode: *mut bindings::inode) -> &'a RestrictedFile {
    // SAFETY: `i_private` of our inodes owns their state from before they are known to anybody
    // until they are evicted.
    unsafe { Pin::<KBox<RestrictedFile>>::borrow((*inode).i_private) }.get_ref()
}

/// Returns whether the current task is about to die.
pub(crate) fn killed() -> bool {
    // SAFETY: Always sound to call.
    unsafe { bindings::restrictedmem_killed() }
}

/// Returns whether restricted memory counts as locked memory.
pub(crate) fn counts_as_locked() -> bool {
    // SAFETY: Always sound to call.
    unsafe { bindings::restrictedmem_memlock() }
}

/// Lets somebody else run if it is their turn.
pub(crate) fn cond_resched() {
    // SAFETY: We are in process context and may sleep.
    unsafe { bindings::cond_resched() };
}

/// The name of a task, nul-terminated.
pub(crate) type Comm = [u8; bindings::TASK_COMM_LEN as usize];

/// Returns the name of the current task.
pub(crate) fn current_comm() -> Comm {
    let mut comm = [0; bindings::TASK_COMM_LEN as usize];

    // SAFETY: There is room for a name.
    unsafe { bindings::restrictedmem_comm(comm.as_mut_ptr()) };
    comm
}

/// Takes a folio, which has left its file, out of everybody's sight.
pub(crate) fn isolate(folio: &Folio) {
    // SAFETY: The folio is referenced.
    unsafe { bindings::restrictedmem_isolate(folio.as_ptr()) };
}

/// Finishes the last puts of files that a kernel thread left for later.
#[cfg(CONFIG_RESTRICTEDMEM_KUNIT_TEST)]
pub(crate) fn flush_files() {
    // SAFETY: We are in process context, and hold no lock that a release could take.
    unsafe { bindings::flush_delayed_fput() };
}

/// What `#[vtable]` expects of a crate, for the consumers of the tests.
#[cfg(CONFIG_RESTRICTEDMEM_KUNIT_TEST)]
pub(crate) struct LocalModule;

#[cfg(CONFIG_RESTRICTEDMEM_KUNIT_TEST)]
impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"restrictedmem";
    const THIS_MODULE: ThisModule = {
        // SAFETY: A null module is what code that is built in has.
        unsafe { ThisModule::from_ptr(core::ptr::null_mut()) }
    };
}
