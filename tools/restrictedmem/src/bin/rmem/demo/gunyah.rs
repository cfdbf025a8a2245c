// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem demo --gunyah`: a machine of another hypervisor has the memory.

#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
mod board;
#[allow(unsafe_code)]
mod device;

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use restrictedmem::{Builder, RestrictedMemory};

use self::device::{Device, Exit, Machine};
use super::report::Report;
use super::{errno_name, try_descriptor};
use crate::Failure;
use crate::size::kib;

const LEN: u64 = 2 << 20;
const HOLE: std::ops::Range<u64> = 1 << 20..(1 << 20) + (64 << 10);

/// Runs it. `Ok` if everything holds.
pub fn run() -> Result<(), Failure> {
    let begin = Instant::now();

    println!("Memory that its owner cannot touch, and a machine of Gunyah that has it.");
    let device = Device::open()?;
    if !is_real() {
        println!("There is no Gunyah below this kernel: what it has is a model.");
    }
    println!();
    let memory = Builder::new().len(LEN).create()?;
    load(&memory)?;
    let mut report = Report::new();
    let went = scenes(&mut report, &device, &memory);
    report.finish(went, begin.elapsed())
}

/// Whether there is a hypervisor. The driver of the device tree's node is only there if there is.
fn is_real() -> bool {
    Path::new("/sys/bus/platform/drivers/gunyah").exists()
}

/// Puts into the memory what the machine is made of.
#[cfg(target_arch = "aarch64")]
fn load(memory: &RestrictedMemory) -> Result<(), Failure> {
    let mut image = board::program().to_vec();
    let tree = board::device_tree(LEN)
        .map_err(|error| Failure::Broken(format!("the device tree: {error}")))?;

    image.resize(device::DEVICE_TREE_OFFSET as usize, 0);
    image.extend(tree);
    image.resize(image.len().next_multiple_of(4096), 0);
    Ok(memory.load(0, &image)?)
}

/// The model asks for neither.
#[cfg(not(target_arch = "aarch64"))]
fn load(_memory: &RestrictedMemory) -> Result<(), Failure> {
    Ok(())
}

fn scenes(report: &mut Report, device: &Device, memory: &RestrictedMemory) -> Result<(), Failure> {
    let machine = device.machine()?;
    lend(report, &machine, memory)?;
    report.scene("The machine has the memory now. We hold the descriptor and try to get at it.");
    try_descriptor(report, memory)?;
    share(report, device, memory)?;
    start(report, &machine)?;
    give_back(report, machine, memory)
}

/// Before the machine is configured the memory can be taken back.
fn lend(report: &mut Report, machine: &Machine, memory: &RestrictedMemory) -> Result<(), Failure> {
    report.scene(&format!(
        "We give {} of it to a machine, which has not begun yet, and take a part back.",
        kib(LEN)
    ));
    machine.set_memory(memory.as_fd(), LEN)?;
    let lent = memory.stat()?.allocated;
    report.row(
        "a machine gets it",
        "GH_VM_SET_MEMORY",
        kib(lent),
        lent == LEN,
    );

    memory.punch(HOLE)?;
    let less = lent.saturating_sub(memory.stat()?.allocated);
    report.row(
        "we give memory back",
        "fallocate(), a hole",
        format!("{} less in use", kib(less)),
        less == HOLE.end - HOLE.start,
    );

    machine.configure()?;
    let all = memory.stat()?.allocated;
    report.row(
        "the hole is filled",
        "GH_VM_CONFIGURE",
        kib(all),
        all == LEN,
    );
    let late = memory.punch(HOLE).map_err(|error| error.errno());
    report.row(
        "we give memory back",
        "fallocate(), a hole",
        errno_name(late),
        late == Err(Errno::EBUSY as i32),
    );
    Ok(())
}

fn share(report: &mut Report, device: &Device, memory: &RestrictedMemory) -> Result<(), Failure> {
    report.scene("A second machine asks for the memory.");
    let second = device.machine()?;
    let early = second
        .set_memory(memory.as_fd(), LEN)
        .map_err(|errno| errno as i32);
    report.row(
        "two machines want it",
        "GH_VM_SET_MEMORY",
        errno_name(early),
        early == Err(Errno::EBUSY as i32),
    );
    Ok(())
}

/// What our program does, and that of the driver's model.
fn start(report: &mut Report, machine: &Machine) -> Result<(), Failure> {
    report.scene("The machine starts. Its program asks us for a number, and says the next one.");
    let processor = machine.processor()?;
    machine.start()?;

    let first = processor.run(0)?;
    let asks = matches!(first, Exit::Reads { len: 4, .. });
    report.row("it asks us", "GH_VCPU_RUN", format!("{first:?}"), asks);
    let second = processor.run(41)?;
    let answers = matches!(second, Exit::Writes { value: 42, .. });
    report.row("we say 41", "GH_VCPU_RUN", format!("{second:?}"), answers);
    Ok(())
}

fn give_back(
    report: &mut Report,
    machine: Machine,
    memory: &RestrictedMemory,
) -> Result<(), Failure> {
    report.scene("The machine is gone. Its memory is in the file, and we can give it back.");
    drop(machine);
    memory.punch(0..LEN)?;
    let left = memory.stat()?.allocated;
    report.row(
        "we give all of it back",
        "fallocate(), a hole",
        format!("{} in use", kib(left)),
        left == 0,
    );
    Ok(())
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Failure::Broken(format!("a machine of Gunyah: {errno}"))
    }
}
