// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A search of everything that this process can see, for 32 random bytes of which only the SHA-256
//! digest is known.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// The digest of some bytes.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// Where random bytes are looked for: at multiples of this.
const STEP: usize = 8;
/// How many bytes are read at once.
const CHUNK: usize = 1 << 16;
/// How many random bytes there are.
const LEN: usize = 32;

/// What a search for the preimages of `N` digests found.
pub struct Found<const N: usize> {
    /// The addresses of each of them.
    pub addresses: [Vec<u64>; N],
    /// How many bytes were looked at.
    pub bytes: u64,
}

/// Looks into every mapping of this process.
pub fn everywhere<const N: usize>(digests: [Digest; N]) -> io::Result<Found<N>> {
    let mut search = Search::new(digests)?;
    for mapping in fs::read_to_string("/proc/self/maps")?
        .lines()
        .filter_map(range_of)
    {
        search.within(mapping);
    }
    Ok(search.found)
}

struct Search<const N: usize> {
    digests: [Digest; N],
    memory: File,
    /// Filled from `memory`, chunk by chunk.
    buffer: Vec<u8>,
    found: Found<N>,
}

impl<const N: usize> Search<N> {
    fn new(digests: [Digest; N]) -> io::Result<Self> {
        Ok(Self {
            digests,
            memory: File::open("/proc/self/mem")?,
            // A window may straddle two chunks, so a chunk ends with the start of the next one.
            buffer: vec![0; CHUNK + LEN - STEP],
            found: Found {
                addresses: [const { Vec::new() }; N],
                bytes: 0,
            },
        })
    }

    /// Looks into a range of addresses, up to where it cannot be read. Some mappings cannot be read
    /// by anyone: `[vvar]`, or those without permission.
    fn within(&mut self, range: Range<u64>) {
        for start in range.clone().step_by(CHUNK) {
            let len = self.buffer.len().min((range.end - start) as usize);
            let Ok(len) = self.memory.read_at(&mut self.buffer[..len], start) else {
                return;
            };
            self.found.bytes += len.min(CHUNK) as u64;
            self.chunk(start, len);
        }
    }

    /// Looks into the first bytes of the buffer, which were read from an address.
    fn chunk(&mut self, start: u64, len: usize) {
        let own = self.buffer.as_ptr_range();
        let own = own.start.addr() as u64..own.end.addr() as u64;
        for (index, window) in self.buffer[..len].windows(LEN).enumerate().step_by(STEP) {
            let address = start + index as u64;
            // What is in the buffer was found elsewhere.
            if !looks_random(window) || own.contains(&address) {
                continue;
            }
            let digest = digest_of(window);
            for (wanted, addresses) in self.digests.iter().zip(&mut self.found.addresses) {
                if *wanted == digest {
                    addresses.push(address);
                }
            }
        }
    }
}

/// The range of a line of `/proc/self/maps`.
fn range_of(line: &str) -> Option<Range<u64>> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
}

/// Saves most of the hashing: code and text have bytes that repeat. Of 32 random bytes, 30 differ
/// on average, and fewer than 20 do in one of 7 * 10^9 draws.
fn looks_random(window: &[u8]) -> bool {
    let mut seen = [0u64; 4];
    for byte in window {
        seen[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    seen.iter().map(|bits| bits.count_ones()).sum::<u32>() >= 20
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn finds_what_is_there_and_only_that() {
        // Longer than a chunk, with what is looked for across its end.
        let mut bytes = vec![0; CHUNK + PAGE];
        let pattern: Vec<u8> = (0..32u32).map(|i| (i * 167 + 13) as u8).collect();
        bytes[CHUNK - 8..][..LEN].copy_from_slice(&pattern);
        let start = bytes.as_ptr().addr() as u64;

        let digests = [digest_of(&pattern), digest_of(b"these bytes are nowhere")];
        let mut search = Search::new(digests).unwrap();
        search.within(start..start + bytes.len() as u64);
        assert_eq!(search.found.addresses[0], [start + CHUNK as u64 - 8]);
        assert!(search.found.addresses[1].is_empty());
        assert_eq!(search.found.bytes, bytes.len() as u64);
    }

    #[test]
    fn takes_random_bytes_for_random() {
        assert!(looks_random(&digest_of(b"anything")));
        assert!(!looks_random(&[0; 32]));
        assert!(!looks_random(b"there are not that many letters!"));
    }
}
