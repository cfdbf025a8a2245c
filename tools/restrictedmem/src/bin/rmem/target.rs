// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A range of memory of another process, for the commands that work on one.

use std::ops::Range;
use std::os::fd::RawFd;

use clap::Args;
use restrictedmem::RestrictedMemory;

use crate::{Failure, size};

#[derive(Args)]
pub struct Target {
    /// The process that holds the file.
    #[arg(long)]
    pid: u32,
    /// The number of the descriptor there.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(RawFd).range(0..))]
    fd: RawFd,
    /// Where the range begins, for instance 0, 64K, 2M or 0x200000.
    #[arg(long, value_parser = size::parse)]
    offset: u64,
    /// How long it is.
    #[arg(long, value_parser = size::parse)]
    length: u64,
}

impl Target {
    /// The memory, by a descriptor of our own, and the range.
    pub fn open(&self) -> Result<(RestrictedMemory, Range<u64>), Failure> {
        let end = self.offset.checked_add(self.length);
        let end = end.ok_or_else(|| Failure::Broken("no file is that large".into()))?;
        let memory = RestrictedMemory::from_process(self.pid, self.fd)?;
        Ok((memory, self.offset..end))
    }
}
