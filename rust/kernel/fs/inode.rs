// SPDX-License-Identifier: GPL-2.0

//! Inodes.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use crate::{
    bindings,
    mm::address_space::AddressSpace,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque,
};
use core::ptr::NonNull;

/// Wraps the kernel's C `struct inode`.
///
/// Dropping the last `ARef<INode>` may evict the inode, so it may sleep.
///
/// # Invariants
///
/// The reference count is not zero for as long as a reference to this type exists.
#[repr(transparent)]
pub struct INode(Opaque<bindings::inode>);

// SAFETY: An inode may be used and its reference put on any thread that may sleep.
unsafe impl Send for INode {}
// SAFETY: All methods that take `&INode` are safe to call concurrently.
unsafe impl Sync for INode {}

// SAFETY: `ihold()` and `iput()` maintain the reference count, and the inode is not freed before it
// reaches zero.
unsafe impl AlwaysRefCounted for INode {
    fn inc_ref(&self) {
        // SAFETY: By the type invariants the count is not zero.
        unsafe { bindings::ihold(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: By the safety requirements the caller gives up one reference.
        unsafe { bindings::iput(obj.cast().as_ptr()) };
    }
}

impl INode {
    /// Makes a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` points to an inode with a reference that lasts for `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::inode) -> &'a Self {
        // SAFETY: `INode` is transparent over `struct inode`.
        // INVARIANT: The caller promises a reference for `'a`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the raw pointer.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::inode {
        self.0.get()
    }

    /// Returns the size in bytes.
    #[inline]
    pub fn size(&self) -> i64 {
        // SAFETY: By the type invariants the inode is alive.
        unsafe { bindings::i_size_read(self.as_ptr()) }
    }

    /// Returns the memory or disk space that the inode occupies, in units of 512 bytes.
    pub fn blocks(&self) -> u64 {
        // SAFETY: By the type invariants the inode is alive. A torn or old value is as good as one
        // read a moment earlier, and 64-bit reads are not torn.
        unsafe { (&raw const (*self.as_ptr()).i_blocks).read_volatile() }
    }

    /// Returns the mapping.
    #[inline]
    pub fn mapping(&self) -> &AddressSpace {
        // SAFETY: By the type invariants the inode is alive, and so is its mapping.
        unsafe { AddressSpace::from_raw((*self.as_ptr()).i_mapping) }
    }

    /// Takes the inode lock, sets the size, and releases the lock.
    ///
    /// Knows nothing of memory beyond a smaller size.
    ///
    /// # Context
    ///
    /// May sleep. The inode lock must not be held.
    pub fn set_size(&self, size: i64) {
        // SAFETY: By the type invariants the inode is alive.
        unsafe {
            bindings::inode_lock(self.as_ptr());
            bindings::i_size_write(self.as_ptr(), size);
            bindings::inode_unlock(self.as_ptr());
        }
    }
}

/// An address of an inode, without a reference.
///
/// For tables that must not keep alive what they list.
///
/// # Invariants
///
/// The memory of the inode is not freed while this exists, though the inode may be on its way out.
pub struct WeakINode(NonNull<bindings::inode>);

// SAFETY: `upgrade()` may be called on any thread.
unsafe impl Send for WeakINode {}
// SAFETY: As above, and on several threads at once.
unsafe impl Sync for WeakINode {}

impl WeakINode {
    /// Remembers an inode.
    ///
    /// # Safety
    ///
    /// The object is dropped before the memory of the inode is freed, at the latest while the inode
    /// is being evicted.
    pub unsafe fn new(inode: NonNull<bindings::inode>) -> Self {
        // INVARIANT: Promised by the caller.
        Self(inode)
    }

    /// Takes a reference, unless the inode is on its way out.
    pub fn upgrade(&self) -> Option<ARef<INode>> {
        // SAFETY: By the type invariants the memory is there; `igrab()` looks at the state of the
        // inode under its lock.
        let ptr = unsafe { bindings::igrab(self.0.as_ptr()) };

        // SAFETY: `igrab()` took a reference for us.
        NonNull::new(ptr).map(|ptr| unsafe { ARef::from_raw(ptr.cast()) })
    }
}
