// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem demo`: machines that run from memory that its owner cannot touch.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod guest;
pub mod gunyah;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
pub mod host_memory;
#[cfg(target_arch = "x86_64")]
pub mod layout;
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

use nix::errno::Errno;
use restrictedmem::RestrictedMemory;

use self::owner::{ATTEMPTS, Outcome};
use self::report::Report;
use crate::Failure;

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
