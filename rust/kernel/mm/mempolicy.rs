// SPDX-License-Identifier: GPL-2.0

//! NUMA memory policies.
//!
//! C header: [`include/linux/mempolicy.h`](srctree/include/linux/mempolicy.h)

use crate::uaccess::UserPtr;

/// A policy as user space describes it to `mbind(2)`.
pub struct UserPolicy {
    /// The mode, and its flags.
    pub mode: i32,
    /// A bitmap of nodes in memory of the current task.
    pub nodes: UserPtr,
    /// How many bits the bitmap has, counted as `mbind(2)` does.
    pub max_node: usize,
}
