// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! How much memory of the kernel its objects take.

use std::time::Duration;
use std::{fs, io, thread};

use crate::Failure;

/// Bytes that the kernel's allocators of objects have, when they have let go of what is free: else
/// what is made next would seem to take nothing. It takes a while until they get hold of what was
/// freed just now.
fn in_objects() -> Result<u64, Failure> {
    let mut bytes = after_shrinking()?;
    loop {
        thread::sleep(Duration::from_millis(50));
        let now = after_shrinking()?;
        if now >= bytes {
            return Ok(now);
        }
        bytes = now;
    }
}

fn after_shrinking() -> Result<u64, Failure> {
    shrink()
        .map_err(|error| Failure::Unavailable(format!("/sys/kernel/slab/*/shrink: {error}")))?;
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib: Option<u64> = text.lines().find_map(|line| {
        let amount = line.strip_prefix("Slab:")?.trim().strip_suffix(" kB")?;
        amount.parse().ok()
    });
    let kib = kib.ok_or_else(|| Failure::Unavailable("/proc/meminfo has no Slab".into()))?;
    Ok(kib * 1024)
}

fn shrink() -> io::Result<()> {
    for cache in fs::read_dir("/sys/kernel/slab")? {
        fs::write(cache?.path().join("shrink"), "1")?;
    }
    Ok(())
}

/// What one of `count` things takes, which `make` makes.
pub fn of_one<T>(count: u64, make: impl FnOnce() -> Result<T, Failure>) -> Result<u64, Failure> {
    let before = in_objects()?;
    let things = make()?;
    let more = in_objects()?.saturating_sub(before);
    drop(things);
    Ok(more / count.max(1))
}
