// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem punch`: memory of another process is given back.

use std::os::fd::RawFd;

use clap::Args;
use restrictedmem::RestrictedMemory;

use crate::{Failure, size};

#[derive(Args)]
pub struct Options {
    /// The process that holds the file.
    #[arg(long)]
    pid: u32,
    /// The number of the descriptor there.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(RawFd).range(0..))]
    fd: RawFd,
    /// Where the hole begins, for instance 0, 64K, 2M or 0x200000.
    #[arg(long, value_parser = size::parse)]
    offset: u64,
    /// How long it is; what lies beyond the size is ignored.
    #[arg(long, value_parser = size::parse)]
    length: u64,
}

/// Punches the hole.
pub fn run(options: &Options) -> Result<(), Failure> {
    let end = options.offset.checked_add(options.length);
    let end = end.ok_or_else(|| Failure::Broken("no file is that large".into()))?;
    let memory = RestrictedMemory::from_process(options.pid, options.fd)?;
    Ok(memory.punch(options.offset..end)?)
}
