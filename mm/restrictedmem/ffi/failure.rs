// SPDX-License-Identifier: GPL-2.0

//! Memory errors.

use kernel::{
    bindings,
    fs::inode::INode,
    mm::folio::Folio,
    prelude::*,
    sync::{
        aref::ARef,
        global_lock, //
    },
    workqueue, //
};

use super::state;
use crate::registry::{
    self,
    Files, //
};

global_lock! {
    // SAFETY: Initialised by `restrictedmem_init()`, before the first file is made.
    pub(crate) unsafe(uninit) static FILES: SpinLock<Option<Files>> = None;
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
    let Some(inode) = found else {
        return;
    };
    let report = move || report_error(&inode, index);
    if workqueue::system_unbound()
        .try_spawn(GFP_KERNEL, report)
        .is_err()
    {
        pr_err!("no memory to tell consumers of a memory error at page {index}\n");
    }
}

fn report_error(inode: &INode, index: usize) {
    // SAFETY: The registry lists our inodes only.
    unsafe { state(inode.as_ptr()) }.report_error(index);
}
