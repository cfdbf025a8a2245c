// SPDX-License-Identifier: GPL-2.0

//! Messages to and from the resource manager, and the fragments that they travel in.
//!
//! A queue takes up to [`FRAGMENT`] bytes at once. Each fragment begins with a header of eight
//! bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version of the interface, 1, and length of the header in words of four bytes, 2 |
//! | 1 | bits 1:0 kind of the message, bits 7:2 number of fragments that follow the first |
//! | 2..4 | sequence number: a reply has that of its request |
//! | 4..8 | what is asked, answered or told |
//!
//! All fragments of a message have the same header but for the kind, which only the first has.

use kernel::prelude::*;

use crate::wire::Reader;

/// Bytes that a queue takes at once.
pub(crate) const FRAGMENT: usize = 240;
/// Bytes of a header.
const HEADER: usize = 8;
/// Bytes of a message in each of its fragments.
const PAYLOAD: usize = FRAGMENT - HEADER;
/// Fragments after the first. The resource manager drops a message that has more.
const MAX_MORE: usize = 62;
/// Bytes of the longest message.
pub(crate) const MAX_PAYLOAD: usize = (1 + MAX_MORE) * PAYLOAD;

/// Version 1, two words.
const VERSION: u8 = 0x21;

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Asks for something.
    Request,
    /// Answers a request.
    Reply,
    /// Tells something, unasked.
    Notification,
}

/// What all fragments of a message have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// What the message is. Fragments after the first do not say.
    pub(crate) kind: Kind,
    /// Which one of its kind.
    pub(crate) sequence: u16,
    /// What it is about.
    pub(crate) id: u32,
}

/// A fragment as a queue takes it.
pub(crate) struct Fragment {
    bytes: [u8; FRAGMENT],
    len: usize,
}

impl Fragment {
    /// Returns the bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Cuts a message into fragments.
///
/// # Errors
///
/// - [`EMSGSIZE`]: longer than [`MAX_PAYLOAD`].
pub(crate) fn fragments(
    header: Header,
    payload: &[u8],
) -> Result<impl ExactSizeIterator<Item = Fragment> + '_> {
    let more = payload.len().saturating_sub(1) / PAYLOAD;
    if more > MAX_MORE {
        return Err(EMSGSIZE);
    }

    Ok((0..more + 1).map(move |number| {
        let kind = match (number, header.kind) {
            (0, Kind::Request) => 1,
            (0, Kind::Reply) => 2,
            (0, Kind::Notification) => 3,
            _ => 0,
        };
        let [s0, s1] = header.sequence.to_le_bytes();
        let [i0, i1, i2, i3] = header.id.to_le_bytes();
        // At most 62, so it fits.
        let head = [VERSION, kind | (more as u8) << 2, s0, s1, i0, i1, i2, i3];
        let part = payload.chunks(PAYLOAD).nth(number).unwrap_or_default();

        let mut bytes = [0; FRAGMENT];
        for (to, from) in bytes.iter_mut().zip(Iterator::chain(head.iter(), part)) {
            *to = *from;
        }
        Fragment {
            bytes,
            len: HEADER + part.len(),
        }
    }))
}

/// A message that has arrived.
pub(crate) struct Message<'a> {
    /// Its header.
    pub(crate) header: Header,
    /// What follows.
    pub(crate) payload: &'a [u8],
}

/// The part of a message that is there.
struct Partial {
    header: Header,
    /// As the fragments have it.
    more: u8,
    /// Fragments that are still to come.
    missing: u8,
}

/// Puts messages together. It has room for the longest one, so that it does not have to allocate
/// when one arrives that somebody waits for.
pub(crate) struct Assembler {
    partial: Option<Partial>,
    payload: KVVec<u8>,
}

impl Assembler {
    /// Makes one that waits for the first fragment.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            partial: None,
            payload: KVVec::with_capacity(MAX_PAYLOAD, GFP_KERNEL)?,
        })
    }

    /// Adds a fragment. Returns the message if this was its last one.
    ///
    /// A first fragment of another message takes the place of what is not complete.
    ///
    /// # Errors
    ///
    /// - [`EBADMSG`]: no fragment of a message, or not of the one that is to be continued. Nothing
    ///   has changed.
    pub(crate) fn add(&mut self, fragment: &[u8]) -> Result<Option<Message<'_>>> {
        let mut reader = Reader::new(fragment);
        let version = reader.u8()?;
        let flags = reader.u8()?;
        let (sequence, id) = (reader.u16()?, reader.u32()?);
        let part = reader.rest();
        let more = flags >> 2;

        if version != VERSION || usize::from(more) > MAX_MORE || part.len() > PAYLOAD {
            return Err(EBADMSG);
        }
        let kind = match flags & 3 {
            1 => Some(Kind::Request),
            2 => Some(Kind::Reply),
            3 => Some(Kind::Notification),
            _ => None,
        };

        let partial = if let Some(kind) = kind {
            self.payload.clear();
            self.partial.insert(Partial {
                header: Header { kind, sequence, id },
                more,
                missing: more,
            })
        } else {
            let partial = self.partial.as_mut().ok_or(EBADMSG)?;
            let header = &partial.header;

            if (header.sequence, header.id, partial.more) != (sequence, id, more) {
                return Err(EBADMSG);
            }
            partial.missing = partial.missing.checked_sub(1).ok_or(EBADMSG)?;
            partial
        };
        let (header, complete) = (partial.header, partial.missing == 0);

        // There is room: the number of parts and the length of each were checked.
        self.payload.extend_from_slice(part, GFP_KERNEL)?;
        if !complete {
            return Ok(None);
        }
        self.partial = None;
        Ok(Some(Message {
            header,
            payload: &self.payload,
        }))
    }
}
