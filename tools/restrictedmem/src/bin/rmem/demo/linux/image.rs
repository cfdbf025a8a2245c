// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Where a kernel, its initramfs and its device tree go in the memory of the machine.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use restrictedmem::{RestrictedMemory, page_size};

use super::board::{MEMORY, MEMORY_LEN, device_tree};
use crate::Failure;
use crate::size::kib;

/// A kernel begins at a multiple of this. The others do too, so that it is what a device tree must
/// not cross.
const BLOCK: u64 = 2 << 20;

/// What the header of an arm64 `Image` says of it, as in the kernel's
/// `Documentation/arch/arm64/booting.rst`.
struct Header {
    /// Where it wants to be, counted from a multiple of [`BLOCK`].
    text_offset: u64,
    /// How much memory it takes, which is more than the file has.
    image_size: u64,
}

impl Header {
    const LEN: usize = 64;
    const MAGIC: [u8; 4] = *b"ARM\x64";

    fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let word = |at| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        bytes[56..].starts_with(&Self::MAGIC).then_some(())?;
        Some(Self {
            text_offset: word(8)?,
            image_size: word(16)?,
        })
    }
}

/// A machine's memory with everything in it that it starts with.
pub struct Loaded {
    /// The address of the first instruction.
    pub entry: u64,
    /// The address of the device tree.
    pub device_tree: u64,
    /// How many bytes were loaded, in whole pages.
    pub bytes: u64,
}

/// A file that is to be loaded.
struct Source {
    file: File,
    len: u64,
}

impl Source {
    fn open(path: &Path) -> Result<Self, Failure> {
        let open = || -> io::Result<Self> {
            let file = File::open(path)?;
            let len = file.metadata()?.len();
            Ok(Self { file, len })
        };
        open().map_err(|error| Failure::Broken(format!("cannot read {}: {error}", path.display())))
    }
}

/// Loads all of it.
pub fn load(memory: &RestrictedMemory, kernel: &Path, initramfs: &Path) -> Result<Loaded, Failure> {
    let image = Source::open(kernel)?;
    let mut bytes = [0; Header::LEN];
    let header = image.file.read_exact_at(&mut bytes, 0).ok();
    let header = header
        .and_then(|()| Header::parse(&bytes))
        .ok_or_else(|| Failure::Broken(format!("{} is no arm64 kernel image", kernel.display())))?;
    let initramfs = Source::open(initramfs)?;

    let mut loader = Loader { memory, bytes: 0 };
    let at = header.text_offset;
    loader.file(at, &image)?;
    let at = next_block(at, image.len.max(header.image_size))?;
    loader.file(at, &initramfs)?;
    let range = MEMORY + at..MEMORY + at + initramfs.len;
    let at = next_block(at, initramfs.len)?;
    let tree = device_tree(range)
        .map_err(|error| Failure::Broken(format!("a device tree cannot be made: {error}")))?;
    loader.contents(at, tree)?;
    Ok(Loaded {
        entry: MEMORY + header.text_offset,
        device_tree: MEMORY + at,
        bytes: loader.bytes,
    })
}

/// The first block after something of a certain length.
fn next_block(at: u64, len: u64) -> Result<u64, Failure> {
    at.checked_add(len)
        .and_then(|end| end.checked_next_multiple_of(BLOCK))
        .ok_or_else(too_large)
}

struct Loader<'a> {
    memory: &'a RestrictedMemory,
    bytes: u64,
}

impl Loader<'_> {
    fn file(&mut self, at: u64, source: &Source) -> Result<(), Failure> {
        let range = self.room(at, source.len)?;
        Ok(self.memory.load_file(range, &source.file, 0)?)
    }

    fn contents(&mut self, at: u64, mut contents: Vec<u8>) -> Result<(), Failure> {
        let range = self.room(at, contents.len() as u64)?;
        let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        contents.resize(len, 0);
        Ok(self.memory.load(range.start, &contents)?)
    }

    /// The pages for something of a certain length.
    fn room(&mut self, at: u64, len: u64) -> Result<Range<u64>, Failure> {
        let end = at
            .checked_add(len)
            .and_then(|end| end.checked_next_multiple_of(page_size()))
            .filter(|end| *end <= MEMORY_LEN)
            .ok_or_else(too_large)?;
        self.bytes += end - at;
        Ok(at..end)
    }
}

fn too_large() -> Failure {
    Failure::Broken(format!(
        "kernel and initramfs are too large for a machine of {}",
        kib(MEMORY_LEN)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_an_image_by_its_header() {
        let mut bytes = [0; Header::LEN];
        bytes[8..16].copy_from_slice(&0x8_0000_u64.to_le_bytes());
        bytes[16..24].copy_from_slice(&0x90_0000_u64.to_le_bytes());
        assert!(Header::parse(&bytes).is_none());
        bytes[56..60].copy_from_slice(b"ARMd");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(
            (header.text_offset, header.image_size),
            (0x8_0000, 0x90_0000)
        );
    }

    #[test]
    fn nothing_is_beyond_all_blocks() {
        assert_eq!(next_block(0, 1).unwrap(), BLOCK);
        assert_eq!(next_block(BLOCK, BLOCK).unwrap(), 2 * BLOCK);
        assert!(next_block(u64::MAX, 1).is_err());
        assert!(next_block(BLOCK, u64::MAX - BLOCK).is_err());
    }
}
