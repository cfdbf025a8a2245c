// SPDX-License-Identifier: GPL-2.0

//! Integers as messages have them: little-endian, one after the other.

use kernel::prelude::*;

/// A message that is being written.
pub(crate) struct Writer(KVVec<u8>);

impl Writer {
    /// Begins a message.
    pub(crate) fn new() -> Self {
        Self(KVVec::new())
    }

    fn put(&mut self, bytes: &[u8]) -> Result {
        Ok(self.0.extend_from_slice(bytes, GFP_KERNEL)?)
    }

    /// Adds a byte.
    pub(crate) fn u8(&mut self, value: u8) -> Result {
        self.put(&value.to_le_bytes())
    }

    /// Adds two bytes.
    pub(crate) fn u16(&mut self, value: u16) -> Result {
        self.put(&value.to_le_bytes())
    }

    /// Adds four bytes.
    pub(crate) fn u32(&mut self, value: u32) -> Result {
        self.put(&value.to_le_bytes())
    }

    /// Adds eight bytes.
    pub(crate) fn u64(&mut self, value: u64) -> Result {
        self.put(&value.to_le_bytes())
    }

    /// Returns what was written.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What is left of a message that is being read. What is not there is [`EBADMSG`].
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(EBADMSG)?;

        self.0 = rest;
        Ok(*taken)
    }

    /// Takes a byte.
    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.take()?))
    }

    /// Takes two bytes.
    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.take()?))
    }

    /// Takes four bytes.
    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    /// Takes eight bytes.
    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    /// Takes all that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Makes sure that nothing is left.
    pub(crate) fn end(self) -> Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(EBADMSG)
        }
    }
}

#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
#[kunit_tests(gunyah_wire)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_little_endian() -> Result {
        let mut writer = Writer::new();
        writer.u8(0x01)?;
        writer.u16(0x0302)?;
        writer.u32(0x0706_0504)?;
        writer.u64(0x0f0e_0d0c_0b0a_0908)?;

        let same = writer.bytes() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        assert!(same);

        let mut reader = Reader::new(writer.bytes());
        assert_eq!(reader.u8()?, 0x01);
        assert_eq!(reader.u16()?, 0x0302);
        assert_eq!(reader.u32()?, 0x0706_0504);
        assert_eq!(reader.u64()?, 0x0f0e_0d0c_0b0a_0908);
        reader.end()
    }

    #[test]
    fn what_is_not_there_is_an_error() -> Result {
        let mut reader = Reader::new(&[1, 2, 3]);

        assert!(reader.u32() == Err(EBADMSG));
        assert_eq!(reader.u16()?, 0x0201);
        assert!(reader.u16() == Err(EBADMSG));
        assert!(reader.u64() == Err(EBADMSG));
        assert_eq!(reader.u8()?, 3);
        assert!(reader.u8() == Err(EBADMSG));
        reader.end()
    }

    #[test]
    fn what_is_left_is_an_error() {
        let refused = Reader::new(&[1]).end() == Err(EBADMSG);
        assert!(refused);
    }
}
