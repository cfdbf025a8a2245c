// SPDX-License-Identifier: GPL-2.0

//! Who subscribes, and to what.

use super::{
    callback::Table,
    memory::{
        visit_run,
        walk_result, //
    },
    Consumer,
    Page,
    Run, //
};
use crate::{
    alloc::Flags,
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::LocalFile,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};
use core::{
    mem::MaybeUninit,
    ops::{
        ControlFlow,
        Deref,
        Range, //
    },
    ptr::NonNull, //
};

/// How a binding shares its range with other consumers.
///
/// Bindings of one consumer never overlap each other, whatever their mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// No other consumer may overlap it.
    Exclusive,
    /// Other consumers may overlap it if they are shared too.
    Shared,
}

impl Mode {
    fn as_raw(self) -> bindings::restrictedmem_mode {
        match self {
            Mode::Exclusive => bindings::restrictedmem_mode_RESTRICTEDMEM_EXCLUSIVE,
            Mode::Shared => bindings::restrictedmem_mode_RESTRICTEDMEM_SHARED,
        }
    }
}

/// A consumer that can hold bindings.
///
/// Its address is the identity of the consumer: two bindings that overlap belong to one consumer if
/// they were made with the same `Subscriber`.
///
/// # Invariants
///
/// `raw` is initialised, with a table of [`Table<T>`], and never changes.
#[pin_data]
pub struct Subscriber<T: Consumer> {
    pub(super) raw: Opaque<bindings::restrictedmem_consumer>,
    #[pin]
    pub(super) data: T,
}

// SAFETY: By the type invariants `raw` never changes, and `T` may be sent.
unsafe impl<T: Consumer> Send for Subscriber<T> {}
// SAFETY: By the type invariants `raw` never changes, and `T` may be shared.
unsafe impl<T: Consumer> Sync for Subscriber<T> {}

impl<T: Consumer> Subscriber<T> {
    /// Makes a consumer of `data`.
    pub fn new(data: impl PinInit<T, Error>, flags: Flags) -> Result<Arc<Self>> {
        // INVARIANT: Initialised here, and no method changes it.
        Arc::pin_init(
            try_pin_init!(Self {
                raw: Opaque::new(bindings::restrictedmem_consumer {
                    ops: Table::<T>::get(),
                }),
                data <- data,
            }),
            flags,
        )
    }
}

impl<T: Consumer> Deref for Subscriber<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.data
    }
}

/// What a binding owns on the Rust side. Its address is the cookie of the C interface.
pub(super) struct Bound<T: Consumer> {
    pub(super) subscriber: Arc<Subscriber<T>>,
    pub(super) range: Range<usize>,
    pub(super) cookie: T::Cookie,
}

/// A range of a file that a consumer holds.
///
/// Ends when it is dropped: after that no callback for it runs and none will. The memory stays in
/// the file and keeps its contents.
///
/// # Context
///
/// Dropping may sleep, for as long as another consumer's callback. Not from a callback of the file.
///
/// # Invariants
///
/// - `raw` was returned by `restrictedmem_bind()` and `restrictedmem_unbind()` has not been called.
/// - `bound` comes from a [`KBox`] and is the cookie of `raw`. It belongs to this object, and is
///   only ever used by shared reference until `raw` is gone.
pub struct Binding<T: Consumer> {
    raw: NonNull<bindings::restrictedmem_binding>,
    bound: NonNull<Bound<T>>,
}

// SAFETY: `restrictedmem_unbind()` may run on any task, and so may the destructors of the
// subscriber, whose `T` is `Send` and `Sync`, and of the cookie, which is `Send`.
unsafe impl<T: Consumer> Send for Binding<T> {}
// SAFETY: The functions behind the methods may be called concurrently, and what they hand out, `T`
// and its cookie, is `Sync`.
unsafe impl<T: Consumer> Sync for Binding<T> {}

impl<T: Consumer> Binding<T> {
    /// Binds `range`, in pages, of `file`.
    ///
    /// Memory that is present already is not announced; [`get_range`](Self::get_range) finds it.
    /// Callbacks may start before this returns. On an error `cookie` is dropped and nothing has
    /// changed.
    ///
    /// # Context
    ///
    /// May sleep. Not from a callback of the file.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: not a file of memfd_restricted(2), or `range` is empty or outside of it.
    /// - [`EEXIST`]: `range` overlaps a binding of the same consumer.
    /// - [`EBUSY`]: `range` overlaps a binding of another one.
    /// - [`EAGAIN`]: a large folio crosses an edge and a reference keeps it from being split.
    /// - [`ENOMEM`], [`ENODEV`], [`EINTR`].
    pub fn new(
        file: &LocalFile,
        subscriber: Arc<Subscriber<T>>,
        range: Range<usize>,
        mode: Mode,
        cookie: T::Cookie,
    ) -> Result<Self> {
        Self::bind(file, subscriber, range, mode.as_raw(), cookie)
    }

    /// As [`new`](Self::new), and whoever has the file may load contents into the range.
    ///
    /// What becomes present that way is announced as ever. What is present already changes under
    /// the consumer, a page at a time, and nobody tells it.
    ///
    /// # Context
    ///
    /// May sleep. Not from a callback of the file.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn new_loadable(
        file: &LocalFile,
        subscriber: Arc<Subscriber<T>>,
        range: Range<usize>,
        mode: Mode,
        cookie: T::Cookie,
    ) -> Result<Self> {
        let loadable = bindings::restrictedmem_mode_RESTRICTEDMEM_LOADABLE;

        Self::bind(file, subscriber, range, mode.as_raw() | loadable, cookie)
    }

    fn bind(
        file: &LocalFile,
        subscriber: Arc<Subscriber<T>>,
        range: Range<usize>,
        mode: bindings::restrictedmem_mode,
        cookie: T::Cookie,
    ) -> Result<Self> {
        let bound = KBox::new(
            Bound {
                subscriber,
                range,
                cookie,
            },
            GFP_KERNEL,
        )?;
        let consumer = bound.subscriber.raw.get();
        let Range { start, end } = bound.range;
        let bound = KBox::into_raw(bound);

        // SAFETY:
        // - The file is referenced by `file`. The binding only works with its inode, so the rules
        //   for its position do not matter, and `&LocalFile` is enough.
        // - The consumer and its table live until unbind: `bound` owns a reference, and is freed
        //   after unbind or, if the binding is leaked, never. The same goes for the cookie.
        // - The callbacks stay in memory because the binding pins the module of the table.
        let raw = from_err_ptr(unsafe {
            bindings::restrictedmem_bind(file.as_ptr(), consumer, start, end, mode, bound.cast())
        })
        .and_then(|raw| NonNull::new(raw).ok_or(ENOMEM));

        match raw {
            // INVARIANT: `raw` is a new binding, whose cookie is `bound`, which came from a `KBox`.
            Ok(raw) => Ok(Self {
                raw,
                // SAFETY: `KBox::into_raw()` does not return null.
                bound: unsafe { NonNull::new_unchecked(bound) },
            }),
            Err(err) => {
                // SAFETY: It came from `KBox::into_raw()` above. Nothing was bound, so no callback
                // runs that could use it.
                drop(unsafe { KBox::from_raw(bound) });
                Err(err)
            }
        }
    }

    fn bound(&self) -> &Bound<T> {
        // SAFETY: By the type invariants it is valid for as long as `self`, and only shared.
        unsafe { self.bound.as_ref() }
    }

    /// Returns the pages of the file that are bound.
    #[inline]
    pub fn range(&self) -> Range<usize> {
        self.bound().range.clone()
    }

    /// Returns the cookie.
    #[inline]
    pub fn cookie(&self) -> &T::Cookie {
        &self.bound().cookie
    }

    /// Returns the consumer.
    #[inline]
    pub fn subscriber(&self) -> &Arc<Subscriber<T>> {
        &self.bound().subscriber
    }

    /// Returns the memory at page `index` of the file.
    ///
    /// Allocates and zeroes it if it is not present. A consumer that maps what it gets:
    ///
    /// 1. samples [`read_begin`](Self::read_begin),
    /// 2. gets the page,
    /// 3. takes the lock that its [`Consumer::invalidate_start`] takes too,
    /// 4. asks [`read_retry`](Self::read_retry), and if it says no, maps the page.
    ///
    /// # Context
    ///
    /// May sleep. Not from a callback of the file.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: outside the binding.
    /// - [`EHWPOISON`]: memory error at this page.
    /// - [`ENOMEM`], [`ENOSPC`], [`EDQUOT`], [`EINTR`], or what a [`Consumer::populate`] returned.
    pub fn get(&self, index: usize) -> Result<Page> {
        let mut page = MaybeUninit::<bindings::restrictedmem_page>::uninit();

        // SAFETY: By the type invariants the binding is alive, and stays so because `self` is
        // borrowed. The result is written to `page`.
        to_result(unsafe {
            bindings::restrictedmem_get(self.raw.as_ptr(), index, page.as_mut_ptr())
        })?;
        // SAFETY: Written, as the call succeeded.
        let page = unsafe { page.assume_init() };

        // SAFETY: On success the folio comes with a reference for us.
        Ok(unsafe { Page::from_raw(page) })
    }

    /// Visits the memory of `range`, allocating what is not present, one [`Run`] after the other.
    ///
    /// `visit` is called in order and without locks. It stops the walk with
    /// [`ControlFlow::Break`], which is returned then. What was visited before an error stays
    /// present.
    ///
    /// # Context
    ///
    /// May sleep. Not from a callback of the file.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get) and of `visit`.
    pub fn get_range<F>(&self, range: Range<usize>, mut visit: F) -> Result<ControlFlow<()>>
    where
        F: FnMut(&Run<'_>) -> Result<ControlFlow<()>>,
    {
        // SAFETY: By the type invariants the binding is alive, and stays so because `self` is
        // borrowed. The visitor gets a pointer to its own type, and nobody else uses `visit`
        // during the call.
        walk_result(unsafe {
            bindings::restrictedmem_get_range(
                self.raw.as_ptr(),
                range.start,
                range.end,
                Some(visit_run::<F>),
                (&raw mut visit).cast(),
            )
        })
    }

    /// Samples the sequence of the binding, see [`get`](Self::get). Does not sleep.
    #[inline]
    pub fn read_begin(&self) -> u64 {
        // SAFETY: By the type invariants the binding is alive.
        unsafe { bindings::restrictedmem_read_begin(self.raw.as_ptr()) }
    }

    /// Returns whether an invalidation began since `sequence` was sampled, or is in progress, so
    /// that the result of a [`get`](Self::get) in between must not be used. Does not sleep.
    #[inline]
    pub fn read_retry(&self, sequence: u64) -> bool {
        // SAFETY: By the type invariants the binding is alive.
        unsafe { bindings::restrictedmem_read_retry(self.raw.as_ptr(), sequence) }
    }

    /// Gives up memory in `range` that the consumer cannot get back from its device.
    ///
    /// For teardown, when refusing in [`Consumer::invalidate_prepare`] is no longer possible. Every
    /// folio that is present in the range leaves the file for ever. It is never zeroed and never
    /// freed, whatever happens to references that the consumer holds. Other consumers of the range
    /// see an invalidation, this one does not.
    ///
    /// Returns the number of pages.
    ///
    /// # Context
    ///
    /// May sleep. Not from a callback of the file.
    pub fn quarantine(&self, range: Range<usize>) -> usize {
        // SAFETY: By the type invariants the binding is alive, and stays so because `self` is
        // borrowed.
        unsafe { bindings::restrictedmem_quarantine(self.raw.as_ptr(), range.start, range.end) }
    }
}

impl<T: Consumer> Drop for Binding<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the binding is alive and ours. `&mut self` says that no
        // get of it is running. Our own module is kept by whoever runs this code.
        unsafe { bindings::restrictedmem_unbind(self.raw.as_ptr()) };

        // SAFETY: By the type invariants it came from a `KBox` and is ours. Callbacks borrowed it
        // through the cookie, but none runs any more and none will.
        drop(unsafe { KBox::from_raw(self.bound.as_ptr()) });
    }
}
