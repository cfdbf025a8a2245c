// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem demo`: machines that run from memory that its owner cannot touch.

#[cfg(target_arch = "aarch64")]
pub mod arm64;
#[cfg(target_arch = "aarch64")]
mod device_tree;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod guest;
pub mod gunyah;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(unsafe_code)]
pub mod host_memory;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub mod kvm;
#[cfg(target_arch = "x86_64")]
pub mod layout;
#[cfg(target_arch = "aarch64")]
pub mod linux;
#[cfg(target_arch = "x86_64")]
pub mod machine;
mod owner;
#[cfg(target_arch = "x86_64")]
pub mod peek;
mod report;
#[cfg(target_arch = "x86_64")]
mod search;
#[cfg(target_arch = "x86_64")]
pub mod secret;
#[allow(unsafe_code)]
mod sys;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::ValueHint;
use nix::errno::Errno;
use restrictedmem::RestrictedMemory;

use self::owner::{ATTEMPTS, Outcome};
use self::report::Report;
use crate::Failure;

#[derive(clap::Args)]
pub struct Options {
    /// Make a machine of the Gunyah hypervisor instead, or of the kernel's model of it.
    #[arg(long, conflicts_with = "linux")]
    gunyah: bool,
    /// Run this Linux instead, an arm64 kernel image, in a machine all of whose memory is
    /// restricted. It has to print its /proc/meminfo and to switch itself off.
    #[arg(long, value_name = "IMAGE", value_hint = ValueHint::FilePath, requires = "initramfs")]
    linux: Option<PathBuf>,
    /// The initramfs of that Linux, with an /init.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "linux")]
    initramfs: Option<PathBuf>,
}

/// Runs one of them.
pub fn run(options: &Options) -> Result<(), Failure> {
    if let (Some(kernel), Some(initramfs)) = (&options.linux, &options.initramfs) {
        run_linux(kernel, initramfs)
    } else if options.gunyah {
        gunyah::run()
    } else {
        run_secret()
    }
}

#[cfg(target_arch = "x86_64")]
fn run_secret() -> Result<(), Failure> {
    secret::run()
}

#[cfg(not(target_arch = "x86_64"))]
fn run_secret() -> Result<(), Failure> {
    Err(not_here("x86_64"))
}

#[cfg(target_arch = "aarch64")]
fn run_linux(kernel: &Path, initramfs: &Path) -> Result<(), Failure> {
    linux::run(kernel, initramfs)
}

#[cfg(not(target_arch = "aarch64"))]
fn run_linux(_kernel: &Path, _initramfs: &Path) -> Result<(), Failure> {
    Err(not_here("arm64"))
}

/// What there is to say where a machine would have another processor than this computer.
pub fn not_here(architecture: &str) -> Failure {
    Failure::Unavailable(format!(
        "the machine of this demo has a processor of {architecture}, which this computer has not"
    ))
}

/// Ends this process if it takes so long that something hangs.
fn lose_patience_after(patience: Duration) {
    thread::spawn(move || {
        thread::sleep(patience);
        let seconds = patience.as_secs();
        eprintln!("rmem demo: nothing for {seconds} s, something hangs");
        std::process::exit(1);
    });
}

/// What can be tried with the descriptor.
fn try_descriptor(report: &mut Report, memory: &RestrictedMemory) -> Result<(), Failure> {
    for attempt in ATTEMPTS {
        let ordinary = owner::ordinary_memfd()?;
        if let Err(errno) = attempt.works_on(&ordinary) {
            let result = format!("proves nothing: {errno:?} on a memfd");
            report.row(attempt.what, attempt.how, result, false);
            continue;
        }
        let (result, holds) = match attempt.try_on(memory.as_fd()) {
            Outcome::Refused(errno) => (format!("{errno:?}, refused"), true),
            Outcome::Unexpected(errno) => (format!("{errno:?}, not as documented"), false),
            Outcome::Reached => ("reached the contents".into(), false),
        };
        report.row(attempt.what, attempt.how, result, holds);
    }
    Ok(())
}

/// What a call that should fail gave.
fn errno_name(result: Result<(), i32>) -> String {
    match result {
        Ok(()) => "it was done".into(),
        Err(errno) => format!("{:?}, refused", Errno::from_raw(errno)),
    }
}
