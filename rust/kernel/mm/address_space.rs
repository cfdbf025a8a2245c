// SPDX-License-Identifier: GPL-2.0

//! The page cache of one file, and the lock that keeps its memory from going away.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h)

use crate::{
    bindings,
    error::{
        code::ENXIO,
        to_result,
        Result, //
    },
    ffi::c_int,
    mm::folio::Folio,
    page::PAGE_SHIFT,
    sync::aref::ARef,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};
use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut,
        Range, //
    },
    ptr::NonNull, //
};

/// The mapping of an inode.
///
/// Wraps the kernel's C `struct address_space`.
#[repr(transparent)]
pub struct AddressSpace(Opaque<bindings::address_space>);

// SAFETY: All methods may be called on any thread.
unsafe impl Send for AddressSpace {}
// SAFETY: All methods are safe to call concurrently.
unsafe impl Sync for AddressSpace {}

impl AddressSpace {
    /// Makes a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` points to a mapping that lives for `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::address_space) -> &'a Self {
        // SAFETY: `AddressSpace` is transparent over `struct address_space`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the raw pointer.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::address_space {
        self.0.get()
    }

    /// Declares that the memory must not be touched by the kernel: not moved, not written out, and
    /// not zeroed in part when a large folio is truncated.
    pub fn set_inaccessible(&self) {
        // SAFETY: The mapping is alive. Sets bits atomically.
        unsafe { bindings::mapping_set_inaccessible(self.as_ptr()) };
    }

    /// Adds and removes allocation flags for future folios.
    ///
    /// To be called before the file is shared: the update is not atomic.
    pub fn change_gfp_mask(&self, add: bindings::gfp_t, remove: bindings::gfp_t) {
        // SAFETY: The mapping is alive.
        unsafe {
            let mask = bindings::mapping_gfp_mask(self.as_ptr());
            bindings::mapping_set_gfp_mask(self.as_ptr(), (mask | add) & !remove);
        }
    }

    /// Looks up the folio at `index` without waiting for anything. What was swapped out is not
    /// there.
    #[inline]
    pub fn folio(&self, index: usize) -> Option<ARef<Folio>> {
        // filemap_get_folio() looks, among more, at flags that would all be zero.
        // SAFETY: The mapping is alive.
        let entry = NonNull::new(unsafe { bindings::filemap_get_entry(self.as_ptr(), index) })?;

        // SAFETY: Only looks at the pointer itself.
        if unsafe { bindings::xa_is_value(entry.as_ptr()) } {
            return None;
        }
        // SAFETY: The lookup returned a folio with a reference for us.
        Some(unsafe { ARef::from_raw(entry.cast()) })
    }

    /// Visits the folios that overlap a range of pages, in order.
    ///
    /// What is added or removed meanwhile may be seen or not.
    ///
    /// # Context
    ///
    /// May sleep when it is dropped, as dropping a folio may.
    pub fn folios(&self, range: Range<usize>) -> Folios<'_> {
        // INVARIANT: The batch is empty.
        Folios {
            mapping: self,
            range,
            batch: pin_init::zeroed(),
        }
    }

    /// Finds the first byte at or after `offset` that is data or that is a hole, before `end`.
    ///
    /// Memory that is only reserved is a hole.
    ///
    /// # Errors
    ///
    /// [`ENXIO`] when there is none, or when `offset` is negative.
    pub fn seek(&self, offset: i64, end: i64, data: bool) -> Result<i64> {
        if offset < 0 {
            return Err(ENXIO);
        }

        let whence = if data {
            bindings::SEEK_DATA
        } else {
            bindings::SEEK_HOLE
        };
        // SAFETY: The mapping is alive.
        let found = unsafe {
            bindings::mapping_seek_hole_data(self.as_ptr(), offset, end, whence as c_int)
        };

        if found < 0 {
            to_result(found as c_int)?;
        }
        Ok(found)
    }
}

/// Iterator over the folios of a mapping, with the pages of the file that each covers.
///
/// # Invariants
///
/// The entries `i..nr` of the batch are folios with a reference that is ours.
pub struct Folios<'a> {
    mapping: &'a AddressSpace,
    range: Range<usize>,
    batch: bindings::folio_batch,
}

impl Iterator for Folios<'_> {
    type Item = (Range<usize>, ARef<Folio>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.batch.i >= self.batch.nr {
            if self.range.is_empty() {
                return None;
            }
            self.batch = pin_init::zeroed();
            // INVARIANT: The lookup fills the batch with references for us, from its start.
            // SAFETY: The mapping is alive. The range is not empty, so its end is not zero.
            unsafe {
                bindings::filemap_get_folios(
                    self.mapping.as_ptr(),
                    &mut self.range.start,
                    self.range.end.wrapping_sub(1),
                    &mut self.batch,
                )
            };
            if self.batch.nr == 0 {
                self.range.start = self.range.end;
                return None;
            }
        }

        let ptr = *self.batch.folios.get(usize::from(self.batch.i))?;
        self.batch.i += 1;
        // SAFETY: By the type invariants the reference was ours, and is not any more since `i` has
        // moved on.
        let folio: ARef<Folio> = unsafe { ARef::from_raw(NonNull::new(ptr)?.cast()) };
        // SAFETY: The folio is alive.
        let start = unsafe { bindings::folio_pos(folio.as_ptr()) } as usize >> PAGE_SHIFT;
        let pages = folio.pages_around(start);

        Some((pages, folio))
    }
}

impl Drop for Folios<'_> {
    fn drop(&mut self) {
        self.range.start = self.range.end;
        while self.batch.i < self.batch.nr {
            drop(self.next());
        }
    }
}

/// Data protected by the `invalidate_lock` of a mapping.
///
/// What may go away while the lock is not held is described by data that only this lock protects.
/// Waits are interruptible unless the name says otherwise.
///
/// # Invariants
///
/// `mapping` points to a mapping that outlives this object, and no other object of this type
/// exists for it.
pub struct InvalidateLocked<T> {
    mapping: NonNull<bindings::address_space>,
    data: UnsafeCell<T>,
}

// SAFETY: Ownership of the data may move to another thread if the data may.
unsafe impl<T: Send> Send for InvalidateLocked<T> {}
// SAFETY: The lock hands out `&T` to several threads at once, or `&mut T` to one.
unsafe impl<T: Send + Sync> Sync for InvalidateLocked<T> {}

impl<T> InvalidateLocked<T> {
    /// Puts data under the lock of `mapping`.
    ///
    /// # Safety
    ///
    /// `mapping` points to an initialised mapping that outlives the object, and there is no second
    /// object for it.
    pub unsafe fn new(mapping: NonNull<bindings::address_space>, data: T) -> Self {
        // INVARIANT: Promised by the caller.
        Self {
            mapping,
            data: UnsafeCell::new(data),
        }
    }

    fn lock(&self) -> *mut bindings::rw_semaphore {
        // SAFETY: By the type invariants the mapping is alive.
        unsafe { &raw mut (*self.mapping.as_ptr()).invalidate_lock }
    }

    /// Takes the lock shared.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EINTR`](crate::error::code::EINTR) when a signal comes first.
    pub fn read(&self) -> Result<SharedGuard<'_, T>> {
        // SAFETY: The lock is initialised with its mapping.
        to_result(unsafe { bindings::down_read_interruptible(self.lock()) })?;

        // INVARIANT: Taken right above.
        Ok(SharedGuard {
            lock: self,
            _not_send: NotThreadSafe,
        })
    }

    /// Takes the lock shared, unless that would mean to wait.
    pub fn try_read(&self) -> Option<SharedGuard<'_, T>> {
        // SAFETY: The lock is initialised with its mapping.
        let taken = unsafe { bindings::down_read_trylock(self.lock()) } != 0;

        // INVARIANT: Taken right above.
        taken.then(|| SharedGuard {
            lock: self,
            _not_send: NotThreadSafe,
        })
    }

    /// Takes the lock shared, whatever signals come.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn read_uninterruptible(&self) -> SharedGuard<'_, T> {
        // SAFETY: The lock is initialised with its mapping.
        unsafe { bindings::down_read(self.lock()) };

        // INVARIANT: Taken right above.
        SharedGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }

    /// Takes the lock exclusive.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EINTR`](crate::error::code::EINTR) when a signal comes first.
    pub fn write(&self) -> Result<ExclusiveGuard<'_, T>> {
        // SAFETY: The lock is initialised with its mapping.
        to_result(unsafe { bindings::down_write_interruptible(self.lock()) })?;

        // INVARIANT: Taken right above.
        Ok(ExclusiveGuard {
            lock: self,
            _not_send: NotThreadSafe,
        })
    }

    /// Takes the lock exclusive, whatever signals come.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn write_uninterruptible(&self) -> ExclusiveGuard<'_, T> {
        // SAFETY: The lock is initialised with its mapping.
        unsafe { bindings::down_write(self.lock()) };

        // INVARIANT: Taken right above.
        ExclusiveGuard {
            lock: self,
            _not_send: NotThreadSafe,
        }
    }
}

/// The lock of an [`InvalidateLocked`], held shared.
///
/// # Invariants
///
/// The current task holds the lock shared.
#[must_use = "the lock is released when the guard is unused"]
pub struct SharedGuard<'a, T> {
    lock: &'a InvalidateLocked<T>,
    _not_send: NotThreadSafe,
}

impl<T> Deref for SharedGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariants nobody holds the lock exclusive.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> Drop for SharedGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants we hold the lock shared.
        unsafe { bindings::up_read(self.lock.lock()) };
    }
}

/// The lock of an [`InvalidateLocked`], held exclusive.
///
/// # Invariants
///
/// The current task holds the lock exclusive.
#[must_use = "the lock is released when the guard is unused"]
pub struct ExclusiveGuard<'a, T> {
    lock: &'a InvalidateLocked<T>,
    _not_send: NotThreadSafe,
}

impl<T> Deref for ExclusiveGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariants nobody else holds the lock.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for ExclusiveGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariants nobody else holds the lock.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for ExclusiveGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants we hold the lock exclusive.
        unsafe { bindings::up_write(self.lock.lock()) };
    }
}
