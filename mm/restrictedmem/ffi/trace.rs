// SPDX-License-Identifier: GPL-2.0

//! Tracepoints. One that is off costs a branch that is not taken.
//!
//! C header:
//! [`include/trace/events/restrictedmem.h`](srctree/include/trace/events/restrictedmem.h)

use kernel::{
    ffi::{
        c_char,
        c_int, //
    },
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
    tracepoint::declare_trace, //
};

use crate::{
    bindings::{
        Binding,
        Bindings,
        Mode, //
    },
    range::Pages,
};

declare_trace! {
    /// # Safety
    ///
    /// Always safe to call.
    unsafe fn restrictedmem_create(ino: u64);

    /// # Safety
    ///
    /// `consumer` is nul-terminated.
    unsafe fn restrictedmem_bind(
        ino: u64,
        start: usize,
        end: usize,
        exclusive: bool,
        consumer: *const c_char,
        ret: c_int
    );

    /// # Safety
    ///
    /// `consumer` is nul-terminated.
    unsafe fn restrictedmem_unbind(
        ino: u64,
        start: usize,
        end: usize,
        consumer: *const c_char
    );

    /// # Safety
    ///
    /// Always safe to call.
    unsafe fn restrictedmem_populate(ino: u64, start: usize, end: usize, ret: c_int);

    /// # Safety
    ///
    /// Always safe to call.
    unsafe fn restrictedmem_load(ino: u64, start: usize, end: usize, ret: c_int);

    /// # Safety
    ///
    /// Always safe to call.
    unsafe fn restrictedmem_invalidate(
        ino: u64,
        start: usize,
        end: usize,
        consumers: usize,
        bindings: usize,
        duration: u64,
        ret: c_int
    );

    /// # Safety
    ///
    /// Always safe to call.
    unsafe fn restrictedmem_error(ino: u64, index: usize);

    /// # Safety
    ///
    /// `consumer` is nul-terminated.
    unsafe fn restrictedmem_quarantine(
        ino: u64,
        start: usize,
        end: usize,
        consumer: *const c_char,
        pages: usize
    );
}

fn errno(result: Result) -> c_int {
    result.map_or_else(|e| e.to_errno(), |()| 0)
}

/// A file was made.
pub(crate) fn create(number: u64) {
    // SAFETY: Always safe to call.
    unsafe { restrictedmem_create(number) };
}

/// A consumer subscribed, or was turned down.
pub(crate) fn bind(binding: &Binding, result: Result) {
    // SAFETY: The name comes from a `CStr`.
    unsafe {
        restrictedmem_bind(
            binding.file.number,
            binding.range.start,
            binding.range.end,
            binding.mode == Mode::Exclusive,
            binding.consumer.name().as_char_ptr(),
            errno(result),
        )
    };
}

/// A subscription ended.
pub(crate) fn unbind(binding: &Binding) {
    // SAFETY: The name comes from a `CStr`.
    unsafe {
        restrictedmem_unbind(
            binding.file.number,
            binding.range.start,
            binding.range.end,
            binding.consumer.name().as_char_ptr(),
        )
    };
}

/// A folio became present, or a consumer did not want it.
pub(crate) fn populate(number: u64, block: &Pages, result: Result) {
    // SAFETY: Always safe to call.
    unsafe { restrictedmem_populate(number, block.start, block.end, errno(result)) };
}

/// Contents were loaded, of `range`.
pub(crate) fn load(number: u64, range: &Pages, result: Result) {
    // SAFETY: Always safe to call.
    unsafe { restrictedmem_load(number, range.start, range.end, errno(result)) };
}

/// An invalidation begins. Returns when, if somebody wants to know how long it takes.
#[inline]
pub(crate) fn invalidate_begin() -> Option<Instant<Monotonic>> {
    #[cfg(CONFIG_TRACEPOINTS)]
    {
        // SAFETY: The key is that of a tracepoint.
        let enabled = unsafe {
            kernel::jump_label::static_branch_unlikely!(
                kernel::bindings::__tracepoint_restrictedmem_invalidate,
                kernel::bindings::tracepoint,
                key
            )
        };

        enabled.then(Instant::now)
    }

    #[cfg(not(CONFIG_TRACEPOINTS))]
    None
}

/// It is over. The lock of the file is still held.
#[inline]
pub(crate) fn invalidate_end(
    began: Option<Instant<Monotonic>>,
    number: u64,
    range: &Pages,
    bindings: &Bindings,
    result: Result,
) {
    let Some(began) = began else {
        return;
    };
    let duration = began.elapsed().as_nanos();
    let consumers = bindings
        .links()
        .iter()
        .filter(|link| link.next_span(range.clone()).is_some());

    // SAFETY: Always safe to call.
    unsafe {
        restrictedmem_invalidate(
            number,
            range.start,
            range.end,
            consumers.count(),
            bindings.overlaps(range).count(),
            duration as u64,
            errno(result),
        )
    };
}

/// Consumers were told of a memory error.
pub(crate) fn error(number: u64, index: usize) {
    // SAFETY: Always safe to call.
    unsafe { restrictedmem_error(number, index) };
}

/// The owner of a binding gave memory up.
pub(crate) fn quarantine(owner: &Binding, range: &Pages, pages: usize) {
    // SAFETY: The name comes from a `CStr`.
    unsafe {
        restrictedmem_quarantine(
            owner.file.number,
            range.start,
            range.end,
            owner.consumer.name().as_char_ptr(),
            pages,
        )
    };
}
