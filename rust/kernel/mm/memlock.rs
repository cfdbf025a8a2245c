// SPDX-License-Identifier: GPL-2.0

//! Memory that counts as locked, without any mapping of it.
//!
//! C source: `mm/mlock.c`

use crate::{
    bindings,
    prelude::*, //
};
use core::ptr::NonNull;

/// An amount of memory that counts against the limit of locked memory of a user, until it is
/// dropped.
///
/// # Invariants
///
/// The kernel counts `bytes` for `user`, to which the count has a reference.
pub struct LockedMemory {
    bytes: usize,
    user: NonNull<bindings::ucounts>,
}

// SAFETY: What is counted may be given back on any thread.
unsafe impl Send for LockedMemory {}
// SAFETY: `&LockedMemory` allows nothing.
unsafe impl Sync for LockedMemory {}

impl LockedMemory {
    /// Counts an amount of memory against the limit of the current task, which `CAP_IPC_LOCK`
    /// exempts from it, as `SHM_LOCK` does.
    ///
    /// # Context
    ///
    /// Takes a spinlock.
    ///
    /// # Errors
    ///
    /// [`ENOMEM`] beyond the limit.
    pub fn new(bytes: usize) -> Result<Self> {
        // SAFETY: Always sound to call.
        let user = NonNull::new(unsafe { bindings::current_ucounts() }).ok_or(ENOMEM)?;

        // SAFETY: The credentials of the current task keep what they point to for now.
        if unsafe { bindings::user_shm_lock(bytes, user.as_ptr()) } == 0 {
            return Err(ENOMEM);
        }

        // INVARIANT: Counted right above, which took a reference.
        Ok(Self { bytes, user })
    }
}

impl Drop for LockedMemory {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is counted, and the reference is put here.
        unsafe { bindings::user_shm_unlock(self.bytes, self.user.as_ptr()) };
    }
}
