// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem`: restricted memory from the command line.
//!
//! It exits with 0 if all went well, 1 if something did not hold or failed, 2 if it was called in a
//! way that it does not understand, and 3 if this system does not have what it takes.

#![deny(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod demo;
mod probe;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Memory that its owner cannot touch: memfd_restricted(2).
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit status: 0 all is well, 1 something failed or does not hold, \
                                 2 wrong usage, 3 not available on this system."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what this kernel has.
    Probe,
    /// Run a machine from restricted memory and try to get at what it keeps there.
    Demo,
    /// Write bytes of another process to standard output: the child of `demo` that traces it.
    #[command(hide = true)]
    Peek { pid: i32, address: u64, len: u64 },
}

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// This system does not have what it takes.
    #[error("{0}")]
    Unavailable(String),
    /// Something failed, or does not hold that should.
    #[error("{0}")]
    Broken(String),
}

impl From<restrictedmem::Error> for Failure {
    fn from(error: restrictedmem::Error) -> Self {
        if error.is_unsupported() {
            Failure::Unavailable(error.to_string())
        } else {
            Failure::Broken(error.to_string())
        }
    }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Probe => probe::run(),
        Command::Demo => run_demo(),
        Command::Peek { pid, address, len } => run_peek(pid, address, len),
    };
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("rmem: {failure}");
    ExitCode::from(match failure {
        Failure::Unavailable(_) => 3,
        Failure::Broken(_) => 1,
    })
}

#[cfg(target_arch = "x86_64")]
fn run_demo() -> Result<(), Failure> {
    demo::run()
}

#[cfg(target_arch = "x86_64")]
fn run_peek(pid: i32, address: u64, len: u64) -> Result<(), Failure> {
    Ok(demo::owner::trace(pid, address, len)?)
}

#[cfg(not(target_arch = "x86_64"))]
fn run_demo() -> Result<(), Failure> {
    Err(Failure::Unavailable(
        "the machine of the demo is an x86_64 one".into(),
    ))
}

#[cfg(not(target_arch = "x86_64"))]
fn run_peek(_pid: i32, _address: u64, _len: u64) -> Result<(), Failure> {
    run_demo()
}
