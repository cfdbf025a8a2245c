// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem`: restricted memory from the command line.
//!
//! It exits with 0 if all went well, 1 if something did not hold or failed, 2 if it was called in a
//! way that it does not understand, and 3 if this system does not have what it takes.

#![deny(unsafe_code)]

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod bench;
mod collapse;
mod demo;
mod generate;
mod load;
mod probe;
mod punch;
mod run;
mod size;
mod stat;
mod table;
mod target;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

/// Memory that its owner cannot touch: memfd_restricted(2).
#[derive(Parser)]
#[command(
    name = "rmem",
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
    /// Make restricted memory and run a program that inherits its descriptor.
    ///
    /// The environment variable RMEM_FD tells the program the number of the descriptor. The exit
    /// status is that of the program.
    Run(run::Options),
    /// Load a file into a restricted file that another process holds.
    ///
    /// Whole pages, into memory that nobody uses yet. The right to trace the process is needed, as
    /// for ptrace(2).
    Load(load::Options),
    /// Give back memory of a restricted file that another process holds.
    ///
    /// Whoever uses the memory is asked first, and finds zeroes there afterwards. The right to
    /// trace the process is needed, as for ptrace(2).
    ///
    /// What lies beyond the size is ignored.
    Punch(target::Target),
    /// Make memory of a restricted file large again that another process holds.
    ///
    /// Each large page's worth of memory in the range, of which something is present, becomes one
    /// large page. Whoever uses the memory is asked first. The right to trace the process is
    /// needed, as for ptrace(2).
    Collapse(target::Target),
    /// Show how much memory restricted files have, and who holds them.
    ///
    /// Shows what the kernel tells in /proc; what an older kernel does not tell is left out. A file
    /// that no process has a descriptor of, as it is when only a machine still uses the memory, is
    /// not seen.
    Stat(stat::Options),
    /// Run a machine from restricted memory and try to get at what it keeps there.
    Demo(demo::Options),
    /// Measure restricted memory beside guest_memfd and memfds.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    Bench(bench::Options),
    /// Write bytes of another process to standard output: the child of `demo` that traces it.
    #[command(hide = true)]
    Peek { pid: i32, address: u64, len: u64 },
    /// Print what makes a shell complete the arguments of this command.
    #[command(hide = true)]
    Completions { shell: Shell },
    /// Write the manual pages of this command into a folder.
    #[command(hide = true)]
    Man { folder: PathBuf },
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

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Broken(error.to_string())
    }
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Probe => probe::run(),
        Command::Run(options) => run::run(options),
        Command::Load(options) => load::run(&options),
        Command::Punch(target) => punch::run(&target),
        Command::Collapse(target) => collapse::run(&target),
        Command::Stat(options) => stat::run(&options),
        Command::Demo(options) => demo::run(&options),
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        Command::Bench(options) => bench::run(&options),
        Command::Peek { pid, address, len } => run_peek(pid, address, len),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { folder } => generate::man(&folder),
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
fn run_peek(pid: i32, address: u64, len: u64) -> Result<(), Failure> {
    Ok(demo::peek::trace(pid, address, len)?)
}

#[cfg(not(target_arch = "x86_64"))]
fn run_peek(_pid: i32, _address: u64, _len: u64) -> Result<(), Failure> {
    Err(demo::not_here("x86_64"))
}
