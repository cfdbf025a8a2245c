// SPDX-License-Identifier: GPL-2.0

//! Machines of the Gunyah hypervisor, with restricted memory.
//!
//! The hypervisor itself does little. Machines are made, given memory and taken apart by its
//! *resource manager*, which runs in a machine of its own and is asked by messages.
//!
//! | module | what it knows |
//! |---|---|
//! | [`wire`], [`message`] | how messages look |
//! | [`transport`] | what carries them; nothing of what they say |
//! | [`error`], [`rpc`] | requests and answers, and what is told unasked |
//! | [`call`], [`image`], [`status`] | what can be asked for and is told |
//! | [`runs`], [`limits`], [`parcel`] | memory that is lent; nothing of files |
//! | [`memory`] | lends the memory of a file: the consumer |
//! | [`life`] | what may be asked for when |
//! | [`manager`], [`machine`] | who holds all of it |
//! | [`ffi`] | all that is unsafe |
//!
//! There is no transport to a real hypervisor yet, nor anything for user space: what uses the
//! machines are the tests, against a model of the resource manager.
//!
//! # Locks
//!
//! Outermost first.
//!
//! 1. That of a [`machine`], held throughout each of its operations.
//! 2. Those of its restricted file.
//! 3. That of its [`memory`], which callbacks of the file take.
//! 4. Those of [`rpc`], the budget of [`limits`].
//!
//! Who hears the doorbell takes only those of [`rpc`], so whoever holds another one can wait for an
//! answer.

mod call;
mod error;
mod ffi;
mod image;
mod life;
mod limits;
mod machine;
mod manager;
mod memory;
mod message;
mod parcel;
mod rpc;
mod runs;
mod status;
#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
mod tests;
mod transport;
mod wire;

/// Prefix of what this crate prints.
const __LOG_PREFIX: &[u8] = b"gunyah\0";

/// What `#[vtable]` expects of a crate.
use ffi::LocalModule;
