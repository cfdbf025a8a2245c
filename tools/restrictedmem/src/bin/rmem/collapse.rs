// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem collapse`: memory of another process becomes large again.

use crate::target::Target;
use crate::{Failure, size};

/// Collapses the range.
pub fn run(target: &Target) -> Result<(), Failure> {
    let (memory, range) = target.open()?;
    memory.collapse(range).map_err(|error| match error.done() {
        0 => error.into(),
        large => Failure::Broken(format!("{error}; {} are in large pages", size::kib(large))),
    })
}
