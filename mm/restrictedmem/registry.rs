// SPDX-License-Identifier: GPL-2.0

//! Finds the file that a mapping of tmpfs belongs to.
//!
//! A memory error knows the mapping of a folio and nothing else, and neither `struct address_space`
//! nor an inode of tmpfs has a pointer to spare.

use kernel::{
    fs::inode::{
        INode,
        WeakINode, //
    },
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::aref::ARef, //
};

use crate::ffi::FILES;

/// The files, by the address of their mapping of tmpfs.
pub(crate) type Files = RBTree<usize, WeakINode>;

/// Prepares the registry, whose lock is initialised.
pub(crate) fn init() {
    *FILES.lock() = Some(RBTree::new());
}

/// Adds a file, by the address of its mapping of tmpfs.
pub(crate) fn add(mapping: usize, inode: WeakINode) -> Result {
    let node = RBTreeNode::new(mapping, inode, GFP_KERNEL)?;

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

/// Finds the inode that a mapping belongs to, unless it is being evicted.
pub(crate) fn find(mapping: usize) -> Option<ARef<INode>> {
    let files = FILES.lock();
    let inode = files.as_ref()?.get(&mapping)?;

    inode.upgrade()
}
