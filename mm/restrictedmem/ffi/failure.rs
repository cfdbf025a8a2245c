// SPDX-License-Identifier: GPL-2.0

//! Memory errors.

use kernel::{
    bindings,
    mm::folio::Folio,
    prelude::*,
    sync::{
        aref::ARef,
        global_lock, //
    },
    workqueue, //
};

use crate::{
    provider::Provider,
    registry::{
        self,
        Files, //
    },
};

global_lock! {
    // SAFETY: Initialised by `restrictedmem_init()`, before the first file is made.
    pub(crate) unsafe(uninit) static FILES: SpinLock<Option<Files>> = None;
}

/// Waits until the kernel has dealt with a page of which it has told us: consumers look at their
/// memory when they are told, and the reference that this takes would make it give up.
fn wait_for_handler() {
    // SAFETY: We are in process context, not in the handler, and hold no lock.
    #[cfg(CONFIG_MEMORY_FAILURE)]
    unsafe {
        bindings::memory_failure_wait();
    }
}

/// Tells consumers of a memory error, later.
///
/// # Safety
///
/// See `include/linux/restrictedmem.h`.
#[export]
pub(crate) unsafe extern "C" fn restrictedmem_memory_failure(page: *mut bindings::page) {
    // SAFETY: The caller has a reference to the page.
    let folio: ARef<Folio> = unsafe { Folio::containing(page) }.into();
    let folio = folio.lock();
    let found = folio
        .mapping()
        .and_then(|mapping| registry::find(mapping.as_ptr() as usize));
    // SAFETY: The page lies in the folio.
    let index = unsafe { folio.index_of(page) };

    drop(folio);
    let Some(file) = found else {
        return;
    };
    file.memory.memory_failed();
    let report = move || {
        wait_for_handler();
        file.report_error(index, |memory| {
            memory
                .lookup(index)
                .is_some_and(|folio| folio.is_poisoned(index))
        });
    };
    if workqueue::system_unbound()
        .try_spawn(GFP_KERNEL, report)
        .is_err()
    {
        pr_err!("no memory to tell consumers of a memory error at page {index}\n");
    }
}
