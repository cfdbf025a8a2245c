// SPDX-License-Identifier: GPL-2.0

//! Calling consumers.

use kernel::{
    bindings,
    error::to_result,
    ffi::c_void,
    mm::folio::Folio,
    prelude::*,
    sync::Arc, //
};

use core::ptr::NonNull;

use crate::{
    bindings::{
        Binding,
        Link, //
    },
    range::Pages,
};

/// Returns the handle by which the C interface knows a binding.
pub(super) fn handle(binding: &Arc<Binding>) -> *mut bindings::restrictedmem_binding {
    Arc::as_ptr(binding).cast_mut().cast()
}

/// A subscriber, by the address that is its identity.
///
/// # Invariants
///
/// Valid while it has a binding: whoever calls `restrictedmem_bind()` promises to keep it until
/// `restrictedmem_unbind()` has returned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Consumer(NonNull<bindings::restrictedmem_consumer>);

// SAFETY: The contract of the C interface lets callbacks come from any thread.
unsafe impl Send for Consumer {}
// SAFETY: As above.
unsafe impl Sync for Consumer {}

impl Consumer {
    /// Begins to know a consumer.
    ///
    /// # Safety
    ///
    /// The consumer stays valid until its last binding has ended.
    pub(super) unsafe fn new(consumer: NonNull<bindings::restrictedmem_consumer>) -> Self {
        // INVARIANT: Promised by the caller.
        Self(consumer)
    }

    /// Returns the address.
    pub(super) fn as_ptr(&self) -> *mut bindings::restrictedmem_consumer {
        self.0.as_ptr()
    }

    fn ops(&self) -> &bindings::restrictedmem_ops {
        // SAFETY: By the type invariants the consumer is valid, and its operations are constant.
        unsafe { &*(*self.0.as_ptr()).ops }
    }

    /// Returns the name that the consumer gives itself.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: The operations have a name, which is nul-terminated.
        unsafe { CStr::from_char_ptr(self.ops().name) }
    }

    pub(crate) fn populate(&self, binding: &Arc<Binding>, span: &Pages, folio: &Folio) -> Result {
        let Some(populate) = self.ops().populate else {
            return Ok(());
        };
        let span = bindings::restrictedmem_span {
            binding: handle(binding),
            start: span.start,
            end: span.end,
        };

        // SAFETY: The binding lives until after the callback, and the folio is referenced.
        to_result(calling_back(|| unsafe { populate(&span, folio.as_ptr()) }))
    }

    pub(crate) fn invalidate_prepare(&self, link: &Link, range: &Pages) -> Result {
        let Some(prepare) = self.ops().invalidate_prepare else {
            return Ok(());
        };

        // SAFETY: The link is borrowed for the duration of the callback.
        to_result(calling_back(|| unsafe {
            prepare(link.as_raw(), range.start, range.end)
        }))
    }

    pub(crate) fn invalidate_abort(&self, link: &Link, range: &Pages) {
        self.tell(self.ops().invalidate_abort, link, range);
    }

    pub(crate) fn invalidate_start(&self, link: &Link, range: &Pages) {
        self.tell(self.ops().invalidate_start, link, range);
    }

    pub(crate) fn invalidate_end(&self, link: &Link, range: &Pages) {
        self.tell(self.ops().invalidate_end, link, range);
    }

    pub(crate) fn error(&self, link: &Link, range: &Pages) {
        self.tell(self.ops().error, link, range);
    }

    fn tell(
        &self,
        callback: Option<
            unsafe extern "C" fn(*mut bindings::restrictedmem_link, usize, usize), //
        >,
        link: &Link,
        range: &Pages,
    ) {
        if let Some(callback) = callback {
            // SAFETY: The link is borrowed for the duration of the callback.
            calling_back(|| unsafe { callback(link.as_raw(), range.start, range.end) });
        }
    }
}

/// Calls a consumer, and lets lockdep know.
fn calling_back<R>(callback: impl FnOnce() -> R) -> R {
    // SAFETY: We are in process context.
    unsafe { bindings::restrictedmem_callback_begin() };
    let result = callback();
    // SAFETY: Begun right above, on the same task.
    unsafe { bindings::restrictedmem_callback_end() };
    result
}

impl Link {
    /// A link is handed out for the duration of a callback, during which it does not move: the lock
    /// of the file is held.
    fn as_raw(&self) -> *mut bindings::restrictedmem_link {
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

/// What a consumer gave to recognise its binding by. Never looked at.
pub(crate) struct Cookie(pub(super) *mut c_void);

// SAFETY: Never dereferenced.
unsafe impl Send for Cookie {}
// SAFETY: As above.
unsafe impl Sync for Cookie {}

/// A reference to a module.
///
/// # Invariants
///
/// Null, for code that is built in, or a module with a reference that is ours.
pub(crate) struct ModuleRef(*mut bindings::module);

// SAFETY: A module may be put on any thread.
unsafe impl Send for ModuleRef {}
// SAFETY: Has no methods.
unsafe impl Sync for ModuleRef {}

impl ModuleRef {
    /// Takes a reference to the module that a consumer runs in.
    pub(super) fn of(consumer: &Consumer) -> Result<Self> {
        let module = consumer.ops().owner;

        // SAFETY: The module is that of the caller, who keeps it for the duration of the call.
        if unsafe { bindings::try_module_get(module) } {
            Ok(Self(module))
        } else {
            Err(ENODEV)
        }
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::module_put(self.0) };
    }
}
