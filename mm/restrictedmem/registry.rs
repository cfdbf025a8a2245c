// SPDX-License-Identifier: GPL-2.0

//! All files, and which of them a mapping of tmpfs belongs to.
//!
//! A memory error knows the mapping of a folio and nothing else, and neither `struct address_space`
//! nor an inode of tmpfs has a pointer to spare.

use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

use crate::{
    ffi::{
        LiveFile,
        WeakFile,
        FILES, //
    },
    provider::Provider, //
};

/// Whether memory was quarantined: it has its contents until the next boot, and no file.
static QUARANTINED: Atomic<bool> = Atomic::new(false);

/// The files, by the address of their mapping of tmpfs.
pub(crate) type Files = RBTree<usize, WeakFile>;

/// Prepares the registry, whose lock is initialised.
pub(crate) fn init() {
    *FILES.lock() = Some(RBTree::new());
}

/// Adds a file, by the address of its mapping of tmpfs.
pub(crate) fn add(mapping: usize, file: WeakFile) -> Result {
    let node = RBTreeNode::new(mapping, file, GFP_KERNEL)?;

    if let Some(files) = &mut *FILES.lock() {
        files.insert(node);
    }
    Ok(())
}

/// Removes a file. Called while its inode is evicted.
pub(crate) fn remove(mapping: usize) {
    // Freed after the lock is released.
    let _node = FILES
        .lock()
        .as_mut()
        .and_then(|files| files.remove_node(&mapping));
}

/// Finds the file that a mapping belongs to, unless it is being evicted.
pub(crate) fn find(mapping: usize) -> Option<LiveFile> {
    let files = FILES.lock();
    let file = files.as_ref()?.get(&mapping)?;

    file.upgrade()
}

/// Finds the first file beyond a position, and its own.
///
/// Positions only grow, so a walk from 0 meets each file that stays once, and comes to an end
/// whatever else comes and goes. The lock is not held between two steps: what the caller does with
/// a file may take long, and dropping it may evict it.
pub(crate) fn next(mut position: usize) -> Option<(usize, LiveFile)> {
    let files = FILES.lock();

    loop {
        position = position.checked_add(1)?;
        let cursor = files.as_ref()?.cursor_lower_bound(&position)?;
        let (mapping, file) = cursor.current();

        if let Some(file) = file.upgrade() {
            return Some((*mapping, file));
        }
        position = *mapping;
    }
}

/// Notes that memory is about to leave its file for ever. Called before it does, so that it is
/// counted all the time.
pub(crate) fn note_quarantine() {
    QUARANTINED.store(true, Relaxed);
}

/// Returns whether any file has memory, or had some that is quarantined.
pub(crate) fn has_memory() -> bool {
    let mut position = 0;

    while let Some((found, file)) = next(position) {
        if file.memory.blocks() != 0 {
            return true;
        }
        position = found;
    }
    QUARANTINED.load(Relaxed)
}
