// SPDX-License-Identifier: GPL-2.0

//! What a consumer gets: pages, and runs of them.

use crate::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    mm::folio::Folio,
    prelude::*,
    sync::aref::ARef, //
};
use core::{
    ops::{
        ControlFlow,
        Range, //
    },
    ptr::NonNull, //
};

/// The memory at one page of a file, see [`Binding::get`].
///
/// Owns a reference to the folio. It keeps the memory from being freed, not in its file.
pub struct Page {
    folio: ARef<Folio>,
    pfn: usize,
    order: u32,
}

impl Page {
    /// # Safety
    ///
    /// `page` was filled by `restrictedmem_get()` and its reference is given away.
    pub(super) unsafe fn from_raw(page: bindings::restrictedmem_page) -> Self {
        Self {
            // SAFETY: The folio is not null, and its reference is ours.
            folio: unsafe { ARef::from_raw(NonNull::new_unchecked(page.folio).cast()) },
            pfn: page.pfn,
            order: page.order,
        }
    }

    /// Returns the folio that contains the page.
    #[inline]
    pub fn folio(&self) -> &ARef<Folio> {
        &self.folio
    }

    /// Keeps the reference to the folio and nothing else.
    #[inline]
    pub fn into_folio(self) -> ARef<Folio> {
        self.folio
    }

    /// Returns the page frame number.
    #[inline]
    pub fn pfn(&self) -> usize {
        self.pfn
    }

    /// Returns the order of the largest naturally aligned block of pages of the file, around the
    /// page, that lies inside the folio, the binding and the file.
    ///
    /// This is a snapshot: a folio may be split at any time, with contents and frames unchanged.
    #[inline]
    pub fn order(&self) -> u32 {
        self.order
    }
}

/// A physically contiguous run of present memory within one folio.
///
/// The folio is referenced during the visit; a visitor that keeps it makes an [`ARef`] of it.
pub struct Run<'a> {
    /// Pages of the file.
    pub range: Range<usize>,
    /// The folio that contains all of them.
    pub folio: &'a Folio,
    /// Page frame number of the first.
    pub pfn: usize,
}

/// Calls a visitor from C: 0 goes on, 1 stops, a negative errno is an error.
///
/// # Safety
///
/// `arg` points to an `F` that nobody else uses during the call, and `folio` to a folio that is
/// referenced during the call.
pub(super) unsafe extern "C" fn visit_run<F>(
    arg: *mut c_void,
    start: usize,
    end: usize,
    folio: *mut bindings::folio,
    pfn: usize,
) -> c_int
where
    F: FnMut(&Run<'_>) -> Result<ControlFlow<()>>,
{
    // SAFETY: Promised by the caller.
    let visit = unsafe { &mut *arg.cast::<F>() };
    let run = Run {
        range: start..end,
        // SAFETY: Promised by the caller. `Run` cannot leave the closure, which takes it for any
        // lifetime.
        folio: unsafe { Folio::from_raw(folio) },
        pfn,
    };

    from_result(|| {
        Ok(match visit(&run)? {
            ControlFlow::Continue(()) => 0,
            ControlFlow::Break(()) => 1,
        })
    })
}

/// The result of a walk with [`visit_run`].
pub(super) fn walk_result(ret: c_int) -> Result<ControlFlow<()>> {
    to_result(ret)?;

    Ok(match ret {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    })
}
