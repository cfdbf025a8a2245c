// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A search of everything that this process can see, for 32 random bytes of which only the SHA-256
//! digest is known.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use super::{Digest, digest_of};

/// Where random bytes are looked for: at multiples of this.
const STEP: usize = 8;
/// How many bytes are read at once.
const CHUNK: usize = 1 << 16;
/// How many random bytes there are.
const LEN: usize = 32;

/// What a search found.
pub struct Found {
    /// The addresses of each of the digests that were looked for.
    pub addresses: Vec<Vec<u64>>,
    /// How many bytes were looked at.
    pub bytes: u64,
}

/// Looks for the preimages of some digests, in every mapping of this process.
pub fn search(digests: &[Digest]) -> io::Result<Found> {
    let mut found = Found {
        addresses: vec![Vec::new(); digests.len()],
        bytes: 0,
    };
    let memory = File::open("/proc/self/mem")?;
    // A window may straddle two chunks, so that a chunk ends with the start of the next one.
    let mut buffer = vec![0u8; CHUNK + LEN - STEP];
    let own = buffer.as_ptr_range();
    let own = own.start.addr() as u64..own.end.addr() as u64;

    for mapping in fs::read_to_string("/proc/self/maps")?
        .lines()
        .filter_map(range_of)
    {
        for start in mapping.clone().step_by(CHUNK) {
            let len = buffer.len().min((mapping.end - start) as usize);
            // Some mappings cannot be read by anyone: [vvar], or those without permission.
            let Ok(len) = memory.read_at(&mut buffer[..len], start) else {
                break;
            };
            found.bytes += len.min(CHUNK) as u64;
            for (index, window) in buffer[..len].windows(LEN).enumerate().step_by(STEP) {
                let address = start + index as u64;
                if !looks_random(window) || own.contains(&address) {
                    continue;
                }
                let digest = digest_of(window);
                for (wanted, addresses) in digests.iter().zip(&mut found.addresses) {
                    if *wanted == digest {
                        addresses.push(address);
                    }
                }
            }
        }
    }
    Ok(found)
}

/// The range of a line of `/proc/self/maps`.
fn range_of(line: &str) -> Option<std::ops::Range<u64>> {
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

    #[test]
    fn finds_what_is_there_and_only_that() {
        let bytes: Vec<u8> = (0..64u32).map(|i| (i * 167 + 13) as u8).collect();
        let absent = digest_of(b"these bytes are nowhere in memory");
        let found = search(&[digest_of(&bytes[8..40]), absent]).unwrap();
        assert!(found.addresses[0].contains(&(bytes[8..].as_ptr().addr() as u64)));
        assert!(found.addresses[1].is_empty());
    }

    #[test]
    fn takes_random_bytes_for_random() {
        assert!(looks_random(&digest_of(b"anything")));
        assert!(!looks_random(&[0; 32]));
        assert!(!looks_random(b"there are not that many letters!"));
    }
}
