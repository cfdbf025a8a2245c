// SPDX-License-Identifier: GPL-2.0

//! Ways to misbehave.

use kernel::prelude::*;

use crate::{
    error::Code,
    message::Header,
    wire::Writer, //
};

use super::{
    Answer,
    Firmware, //
};

/// What an answer looks like that is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Garble {
    /// No code.
    Empty,
    /// A code of three bytes.
    NoCode,
    /// The last byte is missing.
    Short,
    /// Four bytes too many.
    Long,
    /// Another version of the interface.
    Version,
    /// The sequence number of another request.
    Sequence,
    /// The answer to something else.
    Id,
    /// A request.
    Kind,
    /// A fragment is missing.
    Fragment,
    /// More fragments than there can be.
    Fragments,
    /// Half a header.
    Header,
}

impl Garble {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Empty,
        Self::NoCode,
        Self::Short,
        Self::Long,
        Self::Version,
        Self::Sequence,
        Self::Id,
        Self::Kind,
        Self::Fragment,
        Self::Fragments,
        Self::Header,
    ];

    /// Whether nothing arrives that could be an answer.
    pub(super) fn is_silence(self) -> bool {
        !matches!(self, Self::Empty | Self::NoCode | Self::Short | Self::Long)
    }
}

/// What is done with a request instead of serving it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It is refused with this code.
    Refuse(u32),
    /// It is served, and the answer garbled. If that looks like silence the connection is closed.
    Garble(Garble),
    /// It is not served, and the connection is closed.
    Drop,
    /// It is served but not answered, and the connection is closed.
    Forget,
    /// It is neither served nor answered before a test says so.
    Late,
}

/// Something to do wrong.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// What is asked for.
    pub(crate) id: u32,
    /// Whether it is done once or always from then on.
    pub(crate) always: bool,
    /// What is done.
    pub(crate) fault: Fault,
}

impl Firmware {
    /// Plans to do something wrong the next time.
    pub(crate) fn plan(&mut self, id: u32, fault: Fault) -> Result {
        let plan = Plan {
            id,
            always: false,
            fault,
        };

        Ok(self.plans.push(plan, GFP_KERNEL)?)
    }

    /// Returns what to do wrong now.
    pub(super) fn fault(&mut self, id: u32) -> Option<Fault> {
        let at = self.plans.iter().position(|plan| plan.id == id)?;
        let Plan { always, fault, .. } = *self.plans.get(at)?;

        if !always {
            let _ = self.plans.remove(at);
        }
        Some(fault)
    }
}

/// Writes the fragment of an answer as it should not be.
pub(super) fn garbled(request: Header, answer: &Answer, garble: Garble) -> Result<KVec<u8>> {
    let mut payload = KVec::new();
    match answer {
        Answer::Done(result) => {
            payload.extend_from_slice(&Code::OK.0.to_le_bytes(), GFP_KERNEL)?;
            payload.extend_from_slice(result.bytes(), GFP_KERNEL)?;
        }
        Answer::Refuse(code) => payload.extend_from_slice(&code.0.to_le_bytes(), GFP_KERNEL)?,
        Answer::Nothing => {}
    }

    let Header {
        mut sequence,
        mut id,
        ..
    } = request;
    let (mut version, mut flags) = (0x21, 2);
    match garble {
        Garble::Empty => payload.clear(),
        Garble::NoCode => payload.truncate(3),
        Garble::Short => payload.truncate(payload.len().saturating_sub(1)),
        Garble::Long => payload.extend_from_slice(&[0; 4], GFP_KERNEL)?,
        Garble::Version => version = 0x22,
        Garble::Sequence => sequence = sequence.wrapping_add(1),
        Garble::Id => id = id.wrapping_add(1),
        Garble::Kind => flags = 1,
        Garble::Fragment => flags |= 1 << 2,
        Garble::Fragments => flags |= 63 << 2,
        Garble::Header => {}
    }

    let bytes = raw(version, flags, sequence, id, &payload)?;
    let len = if garble == Garble::Header {
        4
    } else {
        usize::MAX
    };
    let mut fragment = KVec::new();
    for byte in bytes.bytes().iter().take(len) {
        fragment.push(*byte, GFP_KERNEL)?;
    }
    Ok(fragment)
}

/// Writes a fragment by hand.
pub(crate) fn raw(version: u8, flags: u8, sequence: u16, id: u32, part: &[u8]) -> Result<Writer> {
    let mut writer = Writer::new();

    writer.u8(version)?;
    writer.u8(flags)?;
    writer.u16(sequence)?;
    writer.u32(id)?;
    for byte in part {
        writer.u8(*byte)?;
    }
    Ok(writer)
}
