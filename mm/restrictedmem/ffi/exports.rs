// SPDX-License-Identifier: GPL-2.0

//! What consumers call.
//!
//! The functions are documented in
//! [`include/linux/restrictedmem.h`](srctree/include/linux/restrictedmem.h), with what their
//! callers promise.

#![expect(clippy::missing_safety_doc, reason = "it is in the header")]

use kernel::{
    bindings,
    error::from_result,
    ffi::{
        c_int,
        c_void, //
    },
    fs::File,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};

use core::ptr::NonNull;

use super::{
    consumer::handle,
    Consumer,
    Cookie,
    FileRef,
    ModuleRef, //
};
use crate::{
    bind,
    bindings::{
        Binding,
        Link,
        Mode, //
    },
    provider::Provider,
    range,
    sequence::{
        Sample,
        Sequence, //
    },
};

/// Lets lockdep complain if a callback is what brought us here.
fn not_from_a_callback() {
    // SAFETY: We are in process context and may sleep.
    unsafe { bindings::restrictedmem_callback_forbidden() };
}

/// Returns the binding that a handle stands for.
///
/// # Safety
///
/// The handle comes from `restrictedmem_bind()` and is not given to `restrictedmem_unbind()` during
/// `'a`.
#[inline]
unsafe fn binding<'a>(handle: *const bindings::restrictedmem_binding) -> &'a Binding {
    // SAFETY: Promised by the caller: the reference that `restrictedmem_bind()` gave out lasts.
    unsafe { &*handle.cast::<Binding>() }
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_bind(
    file: *mut bindings::file,
    consumer: *mut bindings::restrictedmem_consumer,
    start: usize,
    end: usize,
    mode: bindings::restrictedmem_mode,
    cookie: *mut c_void,
) -> *mut bindings::restrictedmem_binding {
    not_from_a_callback();

    let bind = || {
        // SAFETY: The caller keeps the consumer until it has unbound.
        let consumer = unsafe { Consumer::new(NonNull::new(consumer).ok_or(EINVAL)?) };
        let loadable = mode & bindings::restrictedmem_mode_RESTRICTEDMEM_LOADABLE;
        let mode = match mode & !loadable {
            bindings::restrictedmem_mode_RESTRICTEDMEM_EXCLUSIVE => Mode::Exclusive,
            bindings::restrictedmem_mode_RESTRICTEDMEM_SHARED => Mode::Shared,
            _ => return Err(EINVAL),
        };

        bind::bind(Binding {
            range: start..end,
            mode,
            loadable: loadable != 0,
            consumer,
            cookie: Cookie(cookie),
            sequence: Sequence::new(),
            // SAFETY: The caller has a reference to the file. Nobody uses the position of a
            // restricted file.
            file: FileRef::new(unsafe { File::from_raw_file(file) })?,
            _module: ModuleRef::of(&consumer)?,
        })
    };

    match bind() {
        Ok(binding) => Arc::into_raw(binding).cast_mut().cast(),
        Err(e) => e.to_ptr(),
    }
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_unbind(handle: *mut bindings::restrictedmem_binding) {
    not_from_a_callback();

    // SAFETY: The handle is a reference that `restrictedmem_bind()` gave out and that the caller
    // gives back.
    bind::unbind(unsafe { Arc::from_raw(handle.cast::<Binding>()) });
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_get(
    handle: *mut bindings::restrictedmem_binding,
    index: usize,
    page: *mut bindings::restrictedmem_page,
) -> c_int {
    not_from_a_callback();

    from_result(|| {
        // SAFETY: The caller does not unbind meanwhile.
        let binding = unsafe { binding(handle) };
        let got = binding.file.get(binding, index)?;

        // SAFETY: The caller owns the result.
        unsafe {
            page.write(bindings::restrictedmem_page {
                pfn: got.pfn,
                order: got.order,
                folio: ARef::into_raw(got.folio).as_ptr().cast(),
            });
        }
        Ok(0)
    })
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_get_range(
    handle: *mut bindings::restrictedmem_binding,
    start: usize,
    end: usize,
    visit: bindings::restrictedmem_visit_t,
    arg: *mut c_void,
) -> c_int {
    not_from_a_callback();

    // SAFETY: The caller does not unbind meanwhile.
    let binding = unsafe { binding(handle) };
    let Some(visit) = visit else {
        return EINVAL.to_errno();
    };
    let mut answer = 0;
    let result = binding.file.get_range(binding, start..end, |run, page| {
        // SAFETY: The folio is referenced during the visit.
        answer = unsafe { visit(arg, run.start, run.end, page.folio.as_ptr(), page.pfn) };
        answer == 0
    });

    result.map_or_else(|e| e.to_errno(), |()| answer)
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_read_begin(
    handle: *const bindings::restrictedmem_binding,
) -> u64 {
    // SAFETY: The caller does not unbind meanwhile.
    unsafe { binding(handle) }.sequence.sample().to_raw()
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_read_retry(
    handle: *const bindings::restrictedmem_binding,
    seq: u64,
) -> bool {
    // SAFETY: The caller does not unbind meanwhile.
    unsafe { binding(handle) }
        .sequence
        .changed_since(Sample::from_raw(seq))
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_quarantine(
    handle: *mut bindings::restrictedmem_binding,
    start: usize,
    end: usize,
) -> usize {
    not_from_a_callback();

    // SAFETY: The caller does not unbind meanwhile.
    let binding = unsafe { binding(handle) };
    binding.file.quarantine(binding, &(start..end))
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_binding_cookie(
    handle: *const bindings::restrictedmem_binding,
) -> *mut c_void {
    // SAFETY: The caller does not unbind meanwhile.
    unsafe { binding(handle) }.cookie.0
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_link_consumer(
    link: *const bindings::restrictedmem_link,
) -> *mut bindings::restrictedmem_consumer {
    // SAFETY: The caller is in a callback, for the duration of which the link is borrowed.
    unsafe { &*link.cast::<Link>() }.consumer.as_ptr()
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_next_span(
    link: *const bindings::restrictedmem_link,
    start: usize,
    end: usize,
    span: *mut bindings::restrictedmem_span,
) -> bool {
    // SAFETY: The caller is in a callback, for the duration of which the link is borrowed and the
    // lock of the file is held.
    let link = unsafe { &*link.cast::<Link>() };
    let Some((binding, found)) = link.next_span(start..end) else {
        return false;
    };

    // SAFETY: The caller owns the result.
    unsafe {
        span.write(bindings::restrictedmem_span {
            binding: handle(binding),
            start: found.start,
            end: found.end,
        });
    }
    true
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_walk_present(
    span: *const bindings::restrictedmem_span,
    visit: bindings::restrictedmem_visit_t,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: The caller is in a callback, during which no binding goes away.
    let (binding, span) = unsafe { (binding((*span).binding), (*span).start..(*span).end) };
    let Some(visit) = visit else {
        return EINVAL.to_errno();
    };

    for (block, folio) in binding.file.memory.folios(span.clone()) {
        if !folio.is_uptodate() {
            continue;
        }
        let run = range::intersection(&block, &span);
        let pfn = folio.pfn_of(run.start);
        // SAFETY: The folio is referenced during the visit.
        let answer = unsafe { visit(arg, run.start, run.end, folio.as_ptr(), pfn) };

        if answer != 0 {
            return answer;
        }
    }
    0
}
