// SPDX-License-Identifier: GPL-2.0

//! Everything that is unsafe.

use kernel::{
    bindings,
    prelude::*,
    sync::Arc, //
};

use crate::manager::Manager;

#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
pub(crate) mod file;
#[cfg(CONFIG_GUNYAH_HVC)]
pub(crate) mod hvc;

kernel::sync::global_lock! {
    // SAFETY: Initialised by `init`, before anything is registered that leads here.
    pub(crate) unsafe(uninit) static MANAGER: Mutex<Option<Arc<Manager>>> = None;
}

/// Prepares what is static. Called once, before all else.
pub(crate) fn init() {
    // SAFETY: Called once.
    unsafe { MANAGER.init() };
}

/// Lets others have the processor who want it.
///
/// # Context
///
/// May sleep.
pub(crate) fn breathe() {
    // SAFETY: Whoever runs a virtual processor holds no lock that forbids to sleep.
    unsafe { bindings::cond_resched() };
}
