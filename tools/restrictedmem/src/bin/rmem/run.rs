// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem run`: a program that inherits restricted memory.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueHint};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::stat::Mode;
use restrictedmem::{Builder, Flags, RestrictedMemory};

use crate::{Failure, size};

/// Where the program finds the number of its descriptor.
const VARIABLE: &str = "RMEM_FD";

#[derive(Args)]
pub struct Options {
    /// How much memory, for instance 4096, 64K, 2M, 1G or 0x200000; it cannot be changed later.
    #[arg(long, value_parser = size::parse)]
    size: u64,
    /// Reserve all of it now, so that it cannot be missing later.
    #[arg(long)]
    reserve: bool,
    /// Take large pages where they fit (RMFD_HUGEPAGE).
    #[arg(long)]
    hugepage: bool,
    /// Take the memory from the tmpfs that is mounted here, by its limits and policies
    /// (RMFD_USERMNT).
    #[arg(
        long,
        value_name = "FOLDER",
        value_hint = ValueHint::DirPath,
        conflicts_with = "hugepage"
    )]
    mount: Option<PathBuf>,
    /// The number that the descriptor shall have, if not the next that is free.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(RawFd).range(0..))]
    fd: Option<RawFd>,
    /// The program, and its arguments.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM",
        value_hint = ValueHint::CommandWithArguments
    )]
    command: Vec<OsString>,
}

/// Becomes the program. Returns only if that fails.
pub fn run(options: Options) -> Result<(), Failure> {
    let mut flags = Flags::CLOEXEC;
    flags.set(Flags::HUGEPAGE, options.hugepage);
    let mount = options.mount.as_deref().map(open).transpose()?;
    let mut builder = Builder::new().flags(flags).len(options.size);
    if let Some(mount) = &mount {
        builder = builder.mount(mount.as_fd());
    }
    let memory = builder.create()?;
    if options.reserve {
        memory.allocate(0..options.size)?;
    }
    let fd = bequeath(&memory, options.fd)?;

    let mut words = options.command.into_iter();
    let program = words.next().unwrap_or_default();
    let error = Command::new(&program)
        .args(words)
        .env(VARIABLE, fd.to_string())
        .exec();
    Err(Failure::Broken(format!(
        "cannot run {}: {error}",
        program.to_string_lossy()
    )))
}

/// A folder, as a place and no more.
fn open(folder: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    nix::fcntl::open(folder, flags, Mode::empty()).map_err(|errno| {
        Failure::Broken(format!(
            "cannot open {}: {}",
            folder.display(),
            errno.desc()
        ))
    })
}

/// Makes a descriptor that programs inherit, of a certain number if one is given.
fn bequeath(memory: &RestrictedMemory, number: Option<RawFd>) -> Result<RawFd, Failure> {
    let ours = memory.as_raw_fd();
    let number = number.unwrap_or(ours);
    if number == ours {
        fcntl(memory, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|errno| unfit(number, errno))?;
        return Ok(number);
    }
    // Gives the next number that is free: never one that the program has for something else.
    match fcntl(memory, FcntlArg::F_DUPFD(number)) {
        Ok(given) if given == number => Ok(number),
        Ok(_) => Err(Failure::Broken(format!("descriptor {number} is in use"))),
        Err(errno) => Err(unfit(number, errno)),
    }
}

fn unfit(number: RawFd, errno: Errno) -> Failure {
    let why = match errno {
        Errno::EINVAL => "it is beyond the limit for open files, RLIMIT_NOFILE (EINVAL)",
        other => other.desc(),
    };
    Failure::Broken(format!("cannot have descriptor {number}: {why}"))
}
