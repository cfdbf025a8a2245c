// SPDX-License-Identifier: GPL-2.0

//! What a consumer is told, and how the callbacks get from C to the trait.

use super::{
    binding::{
        Bound,
        Subscriber, //
    },
    memory::{
        visit_run,
        walk_result, //
    },
    Consumer,
    Run, //
};
use crate::{
    bindings,
    container_of,
    error::from_result,
    mm::folio::Folio,
    module::this_module,
    prelude::*,
    types::Opaque, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ops::{
        ControlFlow,
        Range, //
    },
    ptr::NonNull, //
};

/// The part of a binding that an operation touches.
///
/// # Invariants
///
/// `raw.binding` was made by [`Binding<T>`] and does not change for `'a`.
pub struct Span<'a, T: Consumer> {
    raw: bindings::restrictedmem_span,
    _callback: PhantomData<&'a Bound<T>>,
}

impl<'a, T: Consumer> Span<'a, T> {
    /// # Safety
    ///
    /// `raw.binding` was made by [`Binding<T>`] and is not unbound during `'a`.
    unsafe fn new(raw: bindings::restrictedmem_span) -> Self {
        // INVARIANT: Promised by the caller.
        Self {
            raw,
            _callback: PhantomData,
        }
    }

    fn bound(&self) -> &'a Bound<T> {
        // SAFETY: By the type invariants the binding was made by `Binding<T>`, so its cookie is a
        // `Bound<T>`. That is freed after unbind and only shared until then, so for `'a`.
        unsafe {
            &*bindings::restrictedmem_binding_cookie(self.raw.binding)
                .cast::<Bound<T>>()
                .cast_const()
        }
    }

    /// Returns the pages of the file that the operation touches.
    #[inline]
    pub fn range(&self) -> Range<usize> {
        self.raw.start..self.raw.end
    }

    /// Returns all pages of the file that the binding covers.
    #[inline]
    pub fn binding_range(&self) -> Range<usize> {
        self.bound().range.clone()
    }

    /// Returns the cookie of the binding.
    #[inline]
    pub fn cookie(&self) -> &'a T::Cookie {
        &self.bound().cookie
    }

    /// Visits what is present in the span.
    ///
    /// `visit` stops the walk with [`ControlFlow::Break`], which is returned then.
    ///
    /// # Errors
    ///
    /// Those of `visit`.
    pub fn for_each_present<F>(&self, mut visit: F) -> Result<ControlFlow<()>>
    where
        F: FnMut(&Run<'_>) -> Result<ControlFlow<()>>,
    {
        // SAFETY: By the type invariants the binding stays, and we are in a callback. The visitor
        // gets a pointer to its own type, and nobody else uses `visit` during the call.
        walk_result(unsafe {
            bindings::restrictedmem_walk_present(
                &self.raw,
                Some(visit_run::<F>),
                (&raw mut visit).cast(),
            )
        })
    }
}

/// An operation that takes memory away from a consumer, or asks whether it may.
///
/// # Invariants
///
/// `link` belongs to a `Subscriber<T>` and its bindings do not change for `'a`.
pub struct Invalidation<'a, T: Consumer> {
    link: NonNull<bindings::restrictedmem_link>,
    range: Range<usize>,
    _callback: PhantomData<&'a Subscriber<T>>,
}

impl<'a, T: Consumer> Invalidation<'a, T> {
    /// Returns the pages of the file that the operation is about, bound or not.
    #[inline]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Lists the parts of the consumer's bindings that the operation touches, in order. There is at
    /// least one.
    #[inline]
    pub fn spans(&self) -> Spans<'a, T> {
        // INVARIANT: Copied from `self`.
        Spans {
            link: self.link,
            rest: self.range.clone(),
            _callback: PhantomData,
        }
    }
}

/// Iterator of [`Invalidation::spans`].
///
/// # Invariants
///
/// `link` belongs to a `Subscriber<T>` and its bindings do not change for `'a`.
pub struct Spans<'a, T: Consumer> {
    link: NonNull<bindings::restrictedmem_link>,
    rest: Range<usize>,
    _callback: PhantomData<&'a Subscriber<T>>,
}

impl<'a, T: Consumer> Iterator for Spans<'a, T> {
    type Item = Span<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut raw = MaybeUninit::<bindings::restrictedmem_span>::uninit();

        // SAFETY: By the type invariants the link stays, and we are in a callback. The result is
        // written to `raw`.
        let found = unsafe {
            bindings::restrictedmem_next_span(
                self.link.as_ptr(),
                self.rest.start,
                self.rest.end,
                raw.as_mut_ptr(),
            )
        };
        if !found {
            return None;
        }

        // SAFETY: Written, as there is one.
        let raw = unsafe { raw.assume_init() };
        self.rest.start = raw.end;

        // SAFETY: By the type invariants the bindings of the link were made with a `Subscriber<T>`,
        // which only `Binding<T>` does, and stay for `'a`.
        Some(unsafe { Span::new(raw) })
    }
}

/// The callbacks of a [`Consumer`] as C calls them.
///
/// They only make shared references, to a [`Subscriber`] or a [`Bound`], because several of them
/// run at once.
pub(super) struct Table<T: Consumer>(PhantomData<T>);

impl<T: Consumer> Table<T> {
    const OPS: bindings::restrictedmem_ops = bindings::restrictedmem_ops {
        owner: this_module::<T::OwnerModule>().as_ptr(),
        name: crate::str::as_char_ptr_in_const_context(T::NAME),
        populate: if T::HAS_POPULATE {
            Some(Self::populate)
        } else {
            None
        },
        invalidate_prepare: if T::HAS_INVALIDATE_PREPARE {
            Some(Self::invalidate_prepare)
        } else {
            None
        },
        invalidate_abort: if T::HAS_INVALIDATE_ABORT {
            Some(Self::invalidate_abort)
        } else {
            None
        },
        invalidate_start: Some(Self::invalidate_start),
        invalidate_end: Some(Self::invalidate_end),
        error: if T::HAS_ERROR {
            Some(Self::error)
        } else {
            None
        },
    };

    pub(super) const fn get() -> &'static bindings::restrictedmem_ops {
        &Self::OPS
    }

    /// Calls `f` with the consumer that a link belongs to.
    ///
    /// # Safety
    ///
    /// `link` belongs to a consumer with this table, and its bindings do not change, for the
    /// duration of the call.
    unsafe fn with<R>(
        link: *mut bindings::restrictedmem_link,
        start: usize,
        end: usize,
        f: impl FnOnce(&T, &Invalidation<'_, T>) -> R,
    ) -> R {
        // SAFETY: The caller promises a link.
        let raw = unsafe { bindings::restrictedmem_link_consumer(link) };
        // SAFETY: The table is this one, so the consumer is embedded in a `Subscriber<T>`. A link
        // has a binding, and a binding keeps its subscriber until it is unbound, which waits for
        // the callback.
        let subscriber = unsafe { &*container_of!(Opaque::cast_from(raw), Subscriber<T>, raw) };

        f(
            &subscriber.data,
            // INVARIANT: The link belongs to `subscriber`, and its bindings do not change before
            // the callback returns. `f` takes the object for any lifetime, so it cannot keep it.
            &Invalidation {
                // SAFETY: The link exists, so it is not null.
                link: unsafe { NonNull::new_unchecked(link) },
                range: start..end,
                _callback: PhantomData,
            },
        )
    }

    /// # Safety
    ///
    /// For the duration of the call:
    ///
    /// - `span` points to a span whose binding was made with this table and is not unbound,
    /// - `folio` points to a folio with a reference.
    unsafe extern "C" fn populate(
        span: *const bindings::restrictedmem_span,
        folio: *mut bindings::folio,
    ) -> c_int {
        // SAFETY: The caller promises a span. Only `Binding<T>` binds consumers with this table,
        // and its unbind waits for the callback.
        let span = unsafe { Span::<T>::new(span.read()) };
        // SAFETY: The caller promises a reference.
        let folio = unsafe { Folio::from_raw(folio) };

        from_result(|| {
            span.bound().subscriber.data.populate(&span, folio)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `link` belongs to a consumer with this table, and its bindings do not change, for the
    /// duration of the call.
    unsafe extern "C" fn invalidate_prepare(
        link: *mut bindings::restrictedmem_link,
        start: usize,
        end: usize,
    ) -> c_int {
        // SAFETY: Promised by the caller.
        let result = unsafe { Self::with(link, start, end, T::invalidate_prepare) };

        from_result(|| result.map(|()| 0))
    }

    /// # Safety
    ///
    /// `link` belongs to a consumer with this table, and its bindings do not change, for the
    /// duration of the call.
    unsafe extern "C" fn invalidate_abort(
        link: *mut bindings::restrictedmem_link,
        start: usize,
        end: usize,
    ) {
        // SAFETY: Promised by the caller.
        unsafe { Self::with(link, start, end, T::invalidate_abort) }
    }

    /// # Safety
    ///
    /// `link` belongs to a consumer with this table, and its bindings do not change, for the
    /// duration of the call.
    unsafe extern "C" fn invalidate_start(
        link: *mut bindings::restrictedmem_link,
        start: usize,
        end: usize,
    ) {
        // SAFETY: Promised by the caller.
        unsafe { Self::with(link, start, end, T::invalidate_start) }
    }

    /// # Safety
    ///
    /// `link` belongs to a consumer with this table, and its bindings do not change, for the
    /// duration of the call.
    unsafe extern "C" fn invalidate_end(
        link: *mut bindings::restrictedmem_link,
        start: usize,
        end: usize,
    ) {
        // SAFETY: Promised by the caller.
        unsafe { Self::with(link, start, end, T::invalidate_end) }
    }

    /// # Safety
    ///
    /// `link` belongs to a consumer with this table, and its bindings do not change, for the
    /// duration of the call.
    unsafe extern "C" fn error(link: *mut bindings::restrictedmem_link, start: usize, end: usize) {
        // SAFETY: Promised by the caller.
        unsafe { Self::with(link, start, end, T::error) }
    }
}
