// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem load`: memory of another process gets its contents from a file.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use restrictedmem::{RestrictedMemory, page_size};

use crate::{Failure, size};

#[derive(Args)]
pub struct Options {
    /// The process that holds the restricted file.
    #[arg(long)]
    pid: u32,
    /// The number of the descriptor there.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(RawFd).range(0..))]
    fd: RawFd,
    /// Where the contents go, for instance 64K, 2M or 0x200000.
    #[arg(long, default_value = "0", value_parser = size::parse)]
    offset: u64,
    /// How much is loaded, if not all that the source has from there on.
    #[arg(long, value_parser = size::parse)]
    length: Option<u64>,
    /// Where the contents begin in the source.
    #[arg(long, value_name = "OFFSET", default_value = "0", value_parser = size::parse)]
    source_offset: u64,
    /// The file that has the contents; zeroes fill its last page.
    #[arg(value_hint = ValueHint::FilePath)]
    source: PathBuf,
}

/// Loads the contents.
pub fn run(options: &Options) -> Result<(), Failure> {
    let unreadable = |error: io::Error| {
        let source = options.source.display();
        Failure::Broken(format!("cannot read {source}: {error}"))
    };
    let source = File::open(&options.source).map_err(unreadable)?;
    let length = match options.length {
        Some(length) => length,
        None => {
            let bytes = source.metadata().map_err(unreadable)?.len();
            let rest = bytes.saturating_sub(options.source_offset);
            rest.checked_next_multiple_of(page_size())
                .ok_or_else(too_large)?
        }
    };
    let end = options.offset.checked_add(length).ok_or_else(too_large)?;

    let memory = RestrictedMemory::from_process(options.pid, options.fd)?;
    memory
        .load_file(options.offset..end, &source, options.source_offset)
        .map_err(|error| match error.done() {
            0 => error.into(),
            loaded => Failure::Broken(format!("{error}; {} were loaded", size::kib(loaded))),
        })
}

fn too_large() -> Failure {
    Failure::Broken("no file is that large".into())
}
