// SPDX-License-Identifier: GPL-2.0

//! What carries messages to the resource manager and back.

use kernel::prelude::*;

use crate::message::FRAGMENT;

/// What became of a fragment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// The queue took it, and takes another one now.
    Room,
    /// The queue took it and is full.
    Last,
    /// The queue was full and did not take it.
    Full,
}

/// Two queues of fragments, one in each direction.
///
/// The resource manager has a doorbell for each of them. Whoever hears it calls
/// [`Rpc::received`](crate::rpc::Rpc::received) when there is something to receive, and
/// [`Rpc::room`](crate::rpc::Rpc::room) when a queue that was full is not any more.
///
/// # Context
///
/// Methods are called in process context and may sleep. There is one send and one receive at a
/// time.
pub(crate) trait Transport: Send + Sync {
    /// Sends a fragment. `push` says that it is the last one of its message, so that the resource
    /// manager should look at it now.
    ///
    /// # Errors
    ///
    /// The queue did not take it and will not.
    fn send(&self, fragment: &[u8], push: bool) -> Result<Sent>;

    /// Receives a fragment, and returns its length. [`None`] if there is none.
    ///
    /// # Errors
    ///
    /// There is none, and the doorbell will be heard if that changes.
    fn receive(&self, buffer: &mut [u8; FRAGMENT]) -> Result<Option<usize>>;
}
