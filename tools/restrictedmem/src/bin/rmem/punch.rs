// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem punch`: memory of another process is given back.

use crate::Failure;
use crate::target::Target;

/// Punches the hole.
pub fn run(target: &Target) -> Result<(), Failure> {
    let (memory, range) = target.open()?;
    Ok(memory.punch(range)?)
}
