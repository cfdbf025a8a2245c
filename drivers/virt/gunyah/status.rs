// SPDX-License-Identifier: GPL-2.0

//! What the resource manager tells of a machine, unasked.

use kernel::prelude::*;

use crate::{
    message::{
        Kind,
        Message, //
    },
    wire::Reader,
};

/// A machine is over.
const VM_EXITED: u32 = 0x5610_0001;
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

/// How a machine came to its end, as the resource manager counts the ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ending(pub(crate) u16);

/// What is told of a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// It is in another state.
    Status(Status),
    /// It is over.
    Over(Ending),
}

/// Reads what is told, and of which machine. [`None`] for any other message.
pub(crate) fn decode(message: &Message<'_>) -> Option<(Vmid, Told)> {
    match (message.header.kind, message.header.id) {
        (Kind::Notification, id @ (VM_STATUS | VM_EXITED)) => read(id, message.payload).ok(),
        _ => None,
    }
}

fn read(id: u32, payload: &[u8]) -> Result<(Vmid, Told)> {
    let mut reader = Reader::new(payload);
    let vmid = Vmid(reader.u16()?);

    // What follows is for people.
    if id == VM_EXITED {
        return Ok((vmid, Told::Over(Ending(reader.u16()?))));
    }
    let _reserved = reader.u16()?;
    Ok((vmid, Told::Status(Status(reader.u8()?))))
}
