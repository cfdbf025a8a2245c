// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem probe`: what this kernel has.

use restrictedmem::{Error, Flags, RestrictedMemory, SYSCALL_NUMBER};

use crate::Failure;
use crate::table::Table;

/// Says what is there. `Ok` if the system call is.
pub fn run() -> Result<(), Failure> {
    let memory = RestrictedMemory::create(Flags::empty());
    let mut table = Table::new(["memfd_restricted", "", ""]);
    let mut row = |what: &str, result: String| {
        table.push([String::new(), what.to_owned(), result]);
    };
    row("system call", called(&memory));
    if memory.is_ok() {
        for (name, flag) in Flags::all().iter_names() {
            row(
                &format!("flag {name}"),
                called(&RestrictedMemory::create(flag)),
            );
        }
        row("KVM", machine());
    }
    print!("{table}");
    memory?;
    Ok(())
}

fn called(result: &Result<RestrictedMemory, Error>) -> String {
    match result {
        Ok(_) => format!("yes, number {SYSCALL_NUMBER}"),
        Err(error) => format!("no: {error}"),
    }
}

/// Whether a machine takes restricted memory, found out by giving some to one.
#[cfg(target_arch = "x86_64")]
fn machine() -> String {
    use std::os::fd::AsFd;

    use crate::demo::layout::PRIVATE_LEN;
    use crate::demo::machine::{Hypervisor, Machine};

    let try_it = || -> Result<(), Failure> {
        let memory = restrictedmem::Builder::new().len(PRIVATE_LEN).create()?;
        Machine::new(&Hypervisor::open()?, memory.as_fd())?;
        Ok(())
    };
    match try_it() {
        Ok(()) => "yes, as the private memory of software-protected machines".into(),
        Err(failure) => format!("no: {failure}"),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn machine() -> String {
    "not asked on this architecture".into()
}
