// SPDX-License-Identifier: GPL-2.0

//! Folios of the page cache.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h)

use crate::{
    bindings,
    error::to_result,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::{
        NotThreadSafe,
        Opaque, //
    },
};
use core::{
    mem::ManuallyDrop,
    ops::Range,
    ptr::NonNull, //
};

/// A folio that belongs to a file.
///
/// Wraps the kernel's C `struct folio`. A [`Page`](crate::page::Page) owns memory that nobody else
/// knows; a folio is found in the page cache and shared, so it can only be reached by reference
/// count. A reference keeps the memory from being freed and the folio from being split. It does not
/// keep the folio in its file.
///
/// # Invariants
///
/// The reference count is not zero for as long as a reference to this type exists.
#[repr(transparent)]
pub struct Folio(Opaque<bindings::folio>);

// SAFETY: A folio may be used and its reference put on any thread.
unsafe impl Send for Folio {}
// SAFETY: All methods that take `&Folio` are safe to call concurrently.
unsafe impl Sync for Folio {}

// SAFETY: `folio_get()` and `folio_put()` maintain the reference count, and the memory is not freed
// before it reaches zero.
unsafe impl AlwaysRefCounted for Folio {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: By the type invariants the count is not zero.
        unsafe { bindings::folio_get(self.as_ptr()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: By the safety requirements the caller gives up one reference.
        unsafe { bindings::folio_put(obj.cast().as_ptr()) };
    }
}

impl Folio {
    /// Makes a reference from a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` points to a folio with a reference that lasts for `'a`.
    #[inline]
    pub unsafe fn from_raw<'a>(ptr: *mut bindings::folio) -> &'a Self {
        // SAFETY: `Folio` is transparent over `struct folio`.
        // INVARIANT: The caller promises a reference for `'a`.
        unsafe { &*ptr.cast() }
    }

    /// Returns the raw pointer.
    #[inline]
    pub fn as_ptr(&self) -> *mut bindings::folio {
        self.0.get()
    }

    /// Returns the folio that contains a page.
    ///
    /// # Safety
    ///
    /// The page has a reference that lasts for `'a`.
    pub unsafe fn containing<'a>(page: *mut bindings::page) -> &'a Self {
        // SAFETY: The reference to the page is one to its folio, which therefore stays the same.
        unsafe { Self::from_raw(bindings::page_folio(page)) }
    }

    /// Returns the size as a power of two of pages.
    #[inline]
    pub fn order(&self) -> u32 {
        // SAFETY: By the type invariants the folio is alive.
        unsafe { bindings::folio_order(self.as_ptr()) }
    }

    /// Returns the page frame number of the first page.
    #[inline]
    pub fn pfn(&self) -> usize {
        // SAFETY: By the type invariants the folio is alive.
        unsafe { bindings::folio_pfn(self.as_ptr()) }
    }

    /// Returns the NUMA node that the folio lies on.
    pub fn node(&self) -> i32 {
        // SAFETY: By the type invariants the folio is alive.
        unsafe { bindings::folio_nid(self.as_ptr()) }
    }

    /// Returns the pages of the file around `index` that the folio covers.
    ///
    /// Large folios lie in their file at a multiple of their size, so this needs no look at
    /// `folio->index`, which is stable only in the page cache.
    #[inline]
    pub fn pages_around(&self, index: usize) -> Range<usize> {
        let pages = 1usize << self.order();
        let start = index & !(pages - 1);

        start..start.wrapping_add(pages)
    }

    /// Returns the page frame number that holds page `index` of the file.
    #[inline]
    pub fn pfn_of(&self, index: usize) -> usize {
        let pages = 1usize << self.order();

        self.pfn().wrapping_add(index & (pages - 1))
    }

    /// Returns whether contents or zeroes were written to the whole folio.
    ///
    /// Orders the reads of the caller after those writes.
    #[inline]
    pub fn is_uptodate(&self) -> bool {
        // SAFETY: By the type invariants the folio is alive.
        unsafe { bindings::folio_test_uptodate(self.as_ptr()) }
    }

    /// Returns whether the folio is dirty.
    #[inline]
    pub fn is_dirty(&self) -> bool {
        // SAFETY: By the type invariants the folio is alive.
        unsafe { bindings::folio_test_dirty(self.as_ptr()) }
    }

    /// Returns whether any page of the folio has an uncorrectable memory error.
    #[inline]
    pub fn has_poison(&self) -> bool {
        // SAFETY: By the type invariants the folio is alive.
        unsafe { bindings::folio_contain_hwpoisoned_page(self.as_ptr()) }
    }

    /// Returns whether page `index` of the file has an uncorrectable memory error.
    #[inline]
    pub fn is_poisoned(&self, index: usize) -> bool {
        // SAFETY: By the type invariants the folio is alive, and `page()` lies in it.
        unsafe { bindings::is_page_hwpoison(self.page(index)) }
    }

    /// Returns the `struct page` that holds page `index` of the file.
    #[inline]
    pub fn page(&self, index: usize) -> *mut bindings::page {
        // SAFETY: By the type invariants the folio is alive. The index is reduced to the folio.
        unsafe { bindings::folio_file_page(self.as_ptr(), index) }
    }

    /// Returns where in the folio `len` bytes at `offset` of page `index` of the file begin.
    fn bytes_at(&self, index: usize, offset: usize, len: usize) -> Result<usize> {
        if offset >= PAGE_SIZE || len > PAGE_SIZE - offset {
            return Err(EINVAL);
        }
        if self.is_poisoned(index) {
            return Err(EHWPOISON);
        }

        Ok(((index - self.pages_around(index).start) << PAGE_SHIFT) + offset)
    }

    /// Copies bytes out of page `index` of the file, from `offset` in the page on.
    ///
    /// Like memory of user space, the folio may be written to at the same time, by devices for
    /// instance. Which of the bytes are old and which are new is not specified then.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] for bytes outside the page, [`EHWPOISON`] if it has a memory error.
    pub fn read_bytes(&self, index: usize, offset: usize, dst: &mut [u8]) -> Result {
        let from = self.bytes_at(index, offset, dst.len())?;

        // SAFETY: By the type invariants the folio is alive, and the bytes lie in it. `dst` is ours
        // and as long. The copy is made by C's `memcpy()`, which makes no assumption on what the
        // source holds, and all byte values are valid.
        unsafe {
            bindings::memcpy_from_folio(dst.as_mut_ptr().cast(), self.as_ptr(), from, dst.len())
        };

        Ok(())
    }

    /// Copies bytes into page `index` of the file, from `offset` in the page on.
    ///
    /// The same holds for concurrent use as for [`read_bytes`](Self::read_bytes).
    ///
    /// # Errors
    ///
    /// As [`read_bytes`](Self::read_bytes).
    pub fn write_bytes(&self, index: usize, offset: usize, src: &[u8]) -> Result {
        let to = self.bytes_at(index, offset, src.len())?;

        // SAFETY: By the type invariants the folio is alive, and the bytes lie in it. `src` is as
        // long. No Rust reference into the memory of a folio ever exists.
        unsafe { bindings::memcpy_to_folio(self.as_ptr(), to, src.as_ptr().cast(), src.len()) };

        Ok(())
    }
}

impl ARef<Folio> {
    /// Waits for the folio lock.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn lock(self) -> LockedFolio {
        // SAFETY: By the type invariants of `Folio` it is alive.
        unsafe { bindings::folio_lock(self.as_ptr()) };

        // INVARIANT: Locked right above.
        LockedFolio {
            folio: ManuallyDrop::new(self),
            _not_send: NotThreadSafe,
        }
    }
}

/// A reference to a folio whose lock the current task holds.
///
/// # Invariants
///
/// The folio is locked and the lock belongs to this object. The reference is not put before the
/// lock is released.
#[must_use = "the folio is unlocked and its reference put when this is unused"]
pub struct LockedFolio {
    folio: ManuallyDrop<ARef<Folio>>,
    _not_send: NotThreadSafe,
}

impl LockedFolio {
    /// Takes over a lock and a reference.
    ///
    /// # Safety
    ///
    /// The caller owns the lock of the folio and one reference, and gives up both.
    pub unsafe fn from_raw(ptr: NonNull<bindings::folio>) -> Self {
        // INVARIANT: The caller gives the lock away.
        Self {
            // SAFETY: The caller gives a reference away.
            folio: ManuallyDrop::new(unsafe { ARef::from_raw(ptr.cast()) }),
            _not_send: NotThreadSafe,
        }
    }

    /// Returns the mapping that the folio belongs to, if any. It cannot change while the folio is
    /// locked.
    pub fn mapping(&self) -> Option<NonNull<bindings::address_space>> {
        // SAFETY: By the type invariants the folio is alive and locked.
        NonNull::new(unsafe { bindings::folio_mapping(self.as_ptr()) })
    }

    /// Returns which page of the file a page of the folio is.
    ///
    /// # Safety
    ///
    /// The page lies in the folio.
    pub unsafe fn index_of(&self, page: *const bindings::page) -> usize {
        // SAFETY: By the type invariants the folio is locked, and the caller promises the rest.
        unsafe { bindings::page_pgoff(self.as_ptr(), page) }
    }

    /// Releases the lock and keeps the reference.
    pub fn unlock(self) -> ARef<Folio> {
        let mut this = ManuallyDrop::new(self);

        // SAFETY: By the type invariants the lock is ours, and since `this` is not dropped it is
        // released exactly once.
        unsafe { bindings::folio_unlock(this.folio.as_ptr()) };
        // SAFETY: `this` is neither used nor dropped from here on.
        unsafe { ManuallyDrop::take(&mut this.folio) }
    }

    /// Marks the folio dirty, so that the memory manager never takes it for one that can be made
    /// anew from somewhere else.
    pub fn mark_dirty(&self) {
        // SAFETY: By the type invariants the folio is alive and locked.
        unsafe { bindings::folio_mark_dirty(self.as_ptr()) };
    }

    /// Declares that every page was written, and orders those writes before the declaration.
    pub fn mark_uptodate(&self) {
        // SAFETY: By the type invariants the folio is alive and locked.
        unsafe { bindings::folio_mark_uptodate(self.as_ptr()) };
    }

    /// Writes zeroes to pages of the file, which lie in the folio, but not to those that have an
    /// uncorrectable memory error, where a write could raise a machine check.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn zero(&self, pages: Range<usize>) {
        for index in pages {
            if !self.is_poisoned(index) {
                // SAFETY: The page lies in the folio, which is alive by the type invariants.
                unsafe { bindings::clear_highpage(self.page(index)) };
            }
            // SAFETY: The caller is in process context and may sleep.
            unsafe { bindings::cond_resched() };
        }
    }

    /// Splits the folio so that one of the resulting folios begins at page `index` of the file.
    ///
    /// The remainders stay as large as they can be. Nothing happens when the folio begins there
    /// already. The lock and the reference stay with the part that begins where the folio began.
    ///
    /// # Context
    ///
    /// May sleep.
    ///
    /// # Errors
    ///
    /// [`EAGAIN`] when somebody else holds a reference, [`ENOMEM`].
    pub fn split_at(&self, index: usize) -> Result {
        let order = index.trailing_zeros();
        let Some(largest) = self.order().checked_sub(1) else {
            return Ok(());
        };
        if self.pages_around(index).start == index {
            return Ok(());
        }

        // SAFETY: By the type invariants the folio is locked and referenced, and the page lies in
        // it. The new order is smaller than the present one.
        to_result(unsafe {
            bindings::folio_split(
                self.as_ptr(),
                core::cmp::min(order, largest),
                self.page(index),
                core::ptr::null_mut(),
            )
        })
    }
}

impl core::ops::Deref for LockedFolio {
    type Target = Folio;

    #[inline]
    fn deref(&self) -> &Folio {
        &self.folio
    }
}

impl Drop for LockedFolio {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the lock is ours.
        unsafe { bindings::folio_unlock(self.folio.as_ptr()) };
        // SAFETY: Not used again, and after the lock was released.
        unsafe { ManuallyDrop::drop(&mut self.folio) };
    }
}
