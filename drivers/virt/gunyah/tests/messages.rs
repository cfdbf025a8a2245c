// SPDX-License-Identifier: GPL-2.0

//! Messages, cut and put together.

#[kernel::macros::kunit_tests(gunyah_messages)]
mod tests {
    use super::super::{
        fixture::ensure,
        model::fault::raw, //
    };
    use crate::message::{fragments, Assembler, Header, Kind, FRAGMENT, MAX_PAYLOAD};
    use kernel::prelude::*;

    const HEADER: Header = Header {
        kind: Kind::Request,
        sequence: 0x1234,
        id: 0x5600_0001,
    };

    /// Bytes that are not the same everywhere.
    fn pattern(len: usize) -> Result<KVVec<u8>> {
        let mut bytes = KVVec::with_capacity(len, GFP_KERNEL)?;

        for number in 0..len {
            bytes.push((number % 251) as u8, GFP_KERNEL)?;
        }
        Ok(bytes)
    }

    #[test]
    fn come_out_as_they_went_in() -> Result {
        let mut assembler = Assembler::new()?;
        let lengths = [0, 1, 231, 232, 233, 464, 465, 4096, MAX_PAYLOAD];
        let counts = [1, 1, 1, 1, 2, 2, 3, 18, 63];

        for (len, count) in lengths.into_iter().zip(counts) {
            let payload = pattern(len)?;
            let mut seen = 0;
            let mut whole = false;

            for fragment in fragments(HEADER, &payload)? {
                ensure(!whole && fragment.bytes().len() <= FRAGMENT)?;
                if let Some(message) = assembler.add(fragment.bytes())? {
                    ensure(message.header == HEADER && *message.payload == *payload)?;
                    whole = true;
                }
                seen += 1;
            }
            ensure(whole && seen == count)?;
        }
        Ok(())
    }

    #[test]
    fn look_as_the_resource_manager_wants_them() -> Result {
        let payload = pattern(233)?;
        let expected = [
            [0x21, 1 | 1 << 2, 0x34, 0x12, 1, 0, 0, 0x56],
            [0x21, 1 << 2, 0x34, 0x12, 1, 0, 0, 0x56],
        ];

        for (fragment, expected) in fragments(HEADER, &payload)?.zip(expected) {
            ensure(fragment.bytes().starts_with(&expected))?;
        }
        Ok(())
    }

    #[test]
    fn that_are_too_long_are_refused() -> Result {
        let payload = pattern(MAX_PAYLOAD + 1)?;

        ensure(fragments(HEADER, &payload).err() == Some(EMSGSIZE))
    }

    #[test]
    fn that_are_malformed_change_nothing() -> Result {
        let Header { sequence, id, .. } = HEADER;
        let payload = pattern(300)?;
        let part = payload.get(..200).ok_or(EINVAL)?;
        let long = payload.get(..233).ok_or(EINVAL)?;
        let wrong = [
            // Version, and length of the header.
            raw(0x22, 1, sequence, id, &[])?,
            raw(0x31, 1, sequence, id, &[])?,
            // Too many, and too large, fragments.
            raw(0x21, 1 | 63 << 2, sequence, id, &[])?,
            raw(0x21, 1, sequence, id, long)?,
            // Goes on with another message.
            raw(0x21, 1 << 2, sequence + 1, id, &[])?,
            raw(0x21, 1 << 2, sequence, id + 1, &[])?,
            raw(0x21, 2 << 2, sequence, id, &[])?,
        ];
        let mut assembler = Assembler::new()?;

        ensure(assembler.add(&[]).err() == Some(EBADMSG))?;
        // Nothing to go on with.
        let next = raw(0x21, 1 << 2, sequence, id, &[7])?;
        ensure(assembler.add(next.bytes()).err() == Some(EBADMSG))?;

        let first = raw(0x21, 1 | 1 << 2, sequence, id, part)?;
        ensure(assembler.add(first.bytes())?.is_none())?;
        for fragment in &wrong {
            ensure(assembler.add(fragment.bytes()).err() == Some(EBADMSG))?;
            for len in 0..8 {
                let short = fragment.bytes().get(..len).ok_or(EINVAL)?;
                ensure(assembler.add(short).err() == Some(EBADMSG))?;
            }
        }

        let message = assembler.add(next.bytes())?.ok_or(EPROTO)?;
        ensure(message.payload.len() == 201 && message.payload.starts_with(part))?;
        ensure(message.payload.last() == Some(&7))?;
        // It is over.
        ensure(assembler.add(next.bytes()).err() == Some(EBADMSG))
    }

    #[test]
    fn take_the_place_of_what_is_not_complete() -> Result {
        let Header { sequence, id, .. } = HEADER;
        let mut assembler = Assembler::new()?;
        let first = raw(0x21, 1 | 2 << 2, sequence, id, &[1; 232])?;
        let other = raw(0x21, 3, 9, 10, &[2; 4])?;
        let next = raw(0x21, 2 << 2, sequence, id, &[3])?;

        ensure(assembler.add(first.bytes())?.is_none())?;
        let message = assembler.add(other.bytes())?.ok_or(EPROTO)?;
        ensure(message.header.kind == Kind::Notification)?;
        ensure(message.payload == [2; 4])?;
        ensure(assembler.add(next.bytes()).err() == Some(EBADMSG))
    }
}
