// SPDX-License-Identifier: GPL-2.0

//! What the resource manager tells of a machine, unasked.

use crate::{
    message::{
        Kind,
        Message, //
    },
    wire::Reader,
};

/// A machine is in another state.
const VM_STATUS: u32 = 0x5610_0008;

/// Names a machine. Used again as soon as it was given back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Vmid(pub(crate) u16);

/// The state of a machine, as the resource manager counts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Status(pub(crate) u8);

impl Status {
    /// It has stopped, by itself or by force.
    pub(crate) const EXITED: Self = Self(9);
    /// Its reset is complete: it has no memory any more.
    pub(crate) const RESET: Self = Self(11);
}

/// Reads a change of state. [`None`] for any other message.
pub(crate) fn decode(message: &Message<'_>) -> Option<(Vmid, Status)> {
    if (message.header.kind, message.header.id) != (Kind::Notification, VM_STATUS) {
        return None;
    }

    let mut reader = Reader::new(message.payload);
    let vmid = reader.u16().ok()?;
    let _reserved = reader.u16().ok()?;

    Some((Vmid(vmid), Status(reader.u8().ok()?)))
}
