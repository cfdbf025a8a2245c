// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem probe`: what this kernel has.

use std::os::fd::AsFd;

use restrictedmem::{Builder, Flags, RestrictedMemory, SYSCALL_NUMBER};

use crate::Failure;
use crate::table::Table;

/// Says what is there. `Ok` if the system call is.
pub fn run() -> Result<(), Failure> {
    let memory = RestrictedMemory::create(Flags::empty());
    let mut table = Table::new();
    table.push([
        "memfd_restricted".into(),
        yes_or_no(
            memory.is_ok(),
            &format!("yes, system call {SYSCALL_NUMBER}"),
        ),
    ]);
    if memory.is_ok() {
        for (name, flag) in Flags::all().iter_names() {
            let known = restrictedmem::supports(flag);
            table.push([format!("RMFD_{name}"), yes_or_no(known, "yes")]);
        }
        table.push(["KVM".into(), machine()]);
    }
    print!("{table}");
    memory?;
    Ok(())
}

fn yes_or_no(answer: bool, yes: &str) -> String {
    if answer { yes } else { "no" }.to_owned()
}

/// Whether a machine takes restricted memory, found out by giving some to one.
#[cfg(target_arch = "x86_64")]
fn machine() -> String {
    use crate::demo::layout::PRIVATE_LEN;
    use crate::demo::machine::{Hypervisor, Machine};

    let try_it = || -> Result<(), Failure> {
        let memory = Builder::new().len(PRIVATE_LEN).create()?;
        Machine::new(&Hypervisor::open()?, memory.as_fd())?;
        Ok(())
    };
    answer(
        try_it(),
        "yes, as the private memory of software-protected machines",
    )
}

/// As above. Here machines have no private memory.
#[cfg(target_arch = "aarch64")]
fn machine() -> String {
    use crate::demo::linux::board::MEMORY_LEN;
    use crate::demo::linux::machine::Machine;

    let try_it = || -> Result<(), Failure> {
        let memory = Builder::new().len(MEMORY_LEN).create()?;
        Machine::new(memory.as_fd())?;
        Ok(())
    };
    answer(try_it(), "yes, as the memory of machines")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn machine() -> String {
    "not asked on this architecture".into()
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn answer(tried: Result<(), Failure>, yes: &str) -> String {
    match tried {
        Ok(()) => yes.into(),
        Err(failure) => format!("no: {failure}"),
    }
}
