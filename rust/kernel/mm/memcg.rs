// SPDX-License-Identifier: GPL-2.0

//! Memory control groups.
//!
//! C header: [`include/linux/memcontrol.h`](srctree/include/linux/memcontrol.h)

use crate::{
    bindings,
    types::NotThreadSafe, //
};
use core::{
    marker::PhantomData,
    ptr, //
};

/// A reference to a memory control group.
///
/// # Invariants
///
/// Owns a reference, or the pointer is null: memory control groups may be configured out or
/// disabled.
pub struct MemCgroup(*mut bindings::mem_cgroup);

// SAFETY: A reference may be put on any thread.
unsafe impl Send for MemCgroup {}
// SAFETY: `&MemCgroup` allows nothing but charging to it, which any thread may do.
unsafe impl Sync for MemCgroup {}

impl MemCgroup {
    /// Returns the group of the current task.
    pub fn of_current() -> Self {
        // SAFETY: A null pointer asks for the group of the current task, which is looked up with a
        // reference.
        Self(unsafe { bindings::get_mem_cgroup_from_mm(ptr::null_mut()) })
    }

    /// Charges what the current task allocates on behalf of nobody in particular to this group,
    /// until the guard is dropped.
    #[must_use = "charging ends when the guard is dropped"]
    pub fn charge(&self) -> ChargeGuard<'_> {
        // INVARIANT: The value replaced here is restored exactly once.
        ChargeGuard {
            // SAFETY: By the type invariants and the guard's lifetime the group outlives its use.
            old: unsafe { bindings::set_active_memcg(self.0) },
            _group: PhantomData,
            _not_send: NotThreadSafe,
        }
    }
}

impl Drop for MemCgroup {
    fn drop(&mut self) {
        // SAFETY: By the type invariants we own the reference. Null is allowed.
        unsafe { bindings::mem_cgroup_put(self.0) };
    }
}

/// While it lives, the current task charges to a [`MemCgroup`].
///
/// # Invariants
///
/// `old` is what the current task charged to before.
pub struct ChargeGuard<'a> {
    old: *mut bindings::mem_cgroup,
    _group: PhantomData<&'a MemCgroup>,
    _not_send: NotThreadSafe,
}

impl Drop for ChargeGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants this is what was there before, on the same task because
        // the guard is not `Send`.
        unsafe { bindings::set_active_memcg(self.old) };
    }
}
