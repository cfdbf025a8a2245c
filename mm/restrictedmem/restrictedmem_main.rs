// SPDX-License-Identifier: GPL-2.0

//! Restricted memory: memory that user space owns but cannot touch.
//!
//! A restricted file is an inode of its own, without a page cache, on an internal filesystem. Its
//! memory is that of a tmpfs file that nobody outside the kernel can reach. Consumers bind ranges
//! of it and are told when memory appears and before it goes away.
//!
//! | module | what it knows |
//! |---|---|
//! | [`range`], [`sequence`] | arithmetic; nothing of memory |
//! | [`bindings`] | who holds which range; nothing of memory |
//! | [`notify`] | who is told what, in which order |
//! | [`provider`], [`tmpfs`] | where memory comes from; nothing of bindings |
//! | [`file`] | the state of one file, which joins them |
//! | [`bind`], [`get`], [`reserve`], [`load`], [`punch`], [`collapse`] | one operation each |
//! | [`registry`] | all files; finds the one whose memory failed |
//! | [`stat`], [`owner`] | what is known of a file |
//! | [`fdinfo`], [`list`] | tells it, to whoever has the file and in debugfs |
//! | [`ffi`] | all that is unsafe: the C interface, and the tables of the inode |
//!
//! # Locks
//!
//! Outermost first. No path holds the locks of two files.
//!
//! 1. The reserve mutex of the file. Outside of the next one, because a reservation lets go of that
//!    every now and then, and must not let go of its turn before it has succeeded or is undone.
//! 2. The lock of the file, which is the `invalidate_lock` of the restricted inode. Exclusive:
//!    bind, unbind, punch, collapse, quarantine, the undo of a reservation. Shared: first touch,
//!    reserve, load, memory error. The fast path of get takes no lock.
//! 3. One of the file's first-touch mutexes.
//! 4. What a callback of a consumer takes. Folio locks are not held then.
//! 5. Folio locks, and what tmpfs takes.
//!
//! What a load takes from its source, it takes before all of them: memory of the caller may be
//! behind a page fault that nobody answers, and another file behind a server that is gone.
//!
//! # Presence
//!
//! A folio of the tmpfs file is *fresh* if it is clean and not uptodate, *reserved* if it is dirty
//! and not uptodate, and *present* if it is uptodate. It becomes present once, after it was zeroed
//! or loaded and after every populate callback agreed; no other byte reaches a consumer.

// A panic is an oops of whoever called, with locks held.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod bind;
mod bindings;
mod collapse;
mod fdinfo;
mod ffi;
mod file;
mod get;
mod list;
mod load;
mod notify;
mod owner;
mod provider;
mod punch;
mod range;
mod registry;
mod reserve;
mod sequence;
mod stat;
#[cfg(CONFIG_RESTRICTEDMEM_KUNIT_TEST)]
mod tests;
mod tmpfs;

/// Prefix of what this crate prints.
const __LOG_PREFIX: &[u8] = b"restrictedmem\0";

/// What `#[vtable]` expects of a crate, for the consumers of the tests.
#[cfg(CONFIG_RESTRICTEDMEM_KUNIT_TEST)]
use ffi::LocalModule;
