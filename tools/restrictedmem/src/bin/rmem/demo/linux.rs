// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem demo --linux`: all the memory of a Linux machine is in a restricted file.

pub mod board;
mod console;
mod image;
#[allow(unsafe_code)]
pub mod machine;

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use restrictedmem::{Builder, Flags, RestrictedMemory};

use self::board::MEMORY_LEN;
use self::machine::Machine;
use super::report::Report;
use super::{errno_name, lose_patience_after, try_descriptor};
use crate::Failure;
use crate::size::kib;
use crate::stat::fdinfo::{self, Info};

/// How long all of it may take before something hangs.
const PATIENCE: Duration = Duration::from_secs(240);
/// A large page, and its order if base pages have 4 KiB.
const LARGE: u64 = 2 << 20;
const LARGE_ORDER: u32 = 9;

/// Runs it with this kernel and this initramfs. `Ok` if everything holds.
pub fn run(kernel: &Path, initramfs: &Path) -> Result<(), Failure> {
    let begin = Instant::now();
    lose_patience_after(PATIENCE);

    println!("Memory that its owner cannot touch, and a Linux that has no other.\n");
    let memory = Builder::new()
        .flags(Flags::HUGEPAGE)
        .len(MEMORY_LEN)
        .create()?;
    let mut report = Report::new();
    let went = scenes(&mut report, memory, kernel, initramfs);
    report.finish(went, begin.elapsed())
}

fn scenes(
    report: &mut Report,
    memory: RestrictedMemory,
    kernel: &Path,
    initramfs: &Path,
) -> Result<(), Failure> {
    let mut machine = start(report, &memory, kernel, initramfs)?;
    if !machine.run_until(|console| console.kib_of("MemTotal").is_some())? {
        let sentence = "the machine switched itself off without a word of its memory";
        return Err(Failure::Broken(sentence.into()));
    }
    try_it(report, &memory, &machine)?;
    switch_off(report, &mut machine)?;
    count(report, &memory, &machine)?;
    close(report, memory, machine)
}

/// The memory gets what a machine starts with, and a machine gets the memory.
fn start(
    report: &mut Report,
    memory: &RestrictedMemory,
    kernel: &Path,
    initramfs: &Path,
) -> Result<Machine, Failure> {
    report.scene(&format!(
        "We make {} of it. A kernel and an initramfs are loaded, not through memory of\n\
         ours, and a device tree.",
        kib(MEMORY_LEN)
    ));
    let loaded = image::load(memory, kernel, initramfs)?;
    let present = amount(&info_of(memory)?, "present")?;
    report.row(
        "we load a kernel",
        "RMFD_LOAD_FD",
        format!("{}, {} in use", kib(loaded.bytes), kib(present)),
        loaded.bytes > 0 && present >= loaded.bytes,
    );

    report.scene("A KVM machine gets it, has no other memory, and starts. Its console:");
    let machine = Machine::new(memory.as_fd())?;
    machine.start_at(loaded.entry, loaded.device_tree)?;
    Ok(machine)
}

fn try_it(
    report: &mut Report,
    memory: &RestrictedMemory,
    machine: &Machine,
) -> Result<(), Failure> {
    let total = machine.console.kib_of("MemTotal").unwrap_or(0);
    report.row(
        "a Linux runs in it",
        "its /proc/meminfo",
        format!("{} of {}", kib(total << 10), kib(MEMORY_LEN)),
        (MEMORY_LEN / 2..MEMORY_LEN).contains(&(total << 10)),
    );
    report.scene("We let it stand still. We hold the descriptor and try to get at the memory.");
    try_descriptor(report, memory)?;
    let late = memory.load(0, &[1; 4096]).map_err(|error| error.errno());
    report.row(
        "we load something else",
        "RMFD_LOAD",
        errno_name(late),
        late == Err(Errno::EBUSY as i32),
    );
    Ok(())
}

fn switch_off(report: &mut Report, machine: &mut Machine) -> Result<(), Failure> {
    report.scene("It goes on, until it switches itself off.");
    let is_on = machine.run_until(|_| false)?;
    let result = if is_on { "it is on" } else { "it is off" };
    report.row("it switches itself off", "PSCI", result, !is_on);
    Ok(())
}

fn count(report: &mut Report, memory: &RestrictedMemory, machine: &Machine) -> Result<(), Failure> {
    report.scene("We may know how much memory it took, and in which pages.");
    let info = info_of(memory)?;
    let present = amount(&info, "present")?;
    report.row(
        "we ask for its size",
        "fdinfo",
        format!("{}, {} in use", kib(MEMORY_LEN), kib(present)),
        amount(&info, "size")? == MEMORY_LEN && present > 0 && present <= MEMORY_LEN,
    );
    let large = info.present_by_order.get(&LARGE_ORDER).unwrap_or(&0) / LARGE;
    report.row(
        "it is in large pages",
        "fdinfo",
        format!("{large} of 2 MiB"),
        large > 0,
    );
    match machine.large_mappings() {
        Ok(mapped) => report.row(
            "KVM maps them so",
            "stage 2",
            format!("{mapped} blocks of 2 MiB"),
            mapped > 0,
        ),
        Err(error) => report.say(&format!("How KVM maps them is not told here: {error}")),
    }
    Ok(())
}

/// The last scene: nobody has the memory any more.
fn close(report: &mut Report, memory: RestrictedMemory, machine: Machine) -> Result<(), Failure> {
    report.scene("We close the machine, which leaves the memory in the file, and the file.");
    let before = amount(&info_of(&memory)?, "present")?;
    drop(machine);
    let after = amount(&info_of(&memory)?, "present")?;
    report.row(
        "the machine is closed",
        "fdinfo",
        format!("{} in use", kib(after)),
        after == before,
    );
    let with_it = shared_memory_of_the_system()?;
    drop(memory);
    let less = with_it.saturating_sub(shared_memory_of_the_system()?);
    report.row(
        "the file is closed",
        "/proc/meminfo",
        format!("{} less in use", kib(less)),
        // Some other program may have taken a little meanwhile.
        less > after / 2,
    );
    Ok(())
}

/// What the kernel tells of the file.
fn info_of(memory: &RestrictedMemory) -> Result<Info, Failure> {
    let path = format!("/proc/self/fdinfo/{}", memory.as_raw_fd());
    Ok(fdinfo::parse(&fs::read_to_string(path)?))
}

fn amount(info: &Info, name: &str) -> Result<u64, Failure> {
    let amount = info.amounts.get(name).copied();
    amount.ok_or_else(|| Failure::Broken(format!("the kernel does not tell of \"{name}\"")))
}

/// The bytes of all files in memory, of which restricted memory is a part.
fn shared_memory_of_the_system() -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib = text.lines().find_map(|line| number(line, "Shmem"));
    kib.map(|kib| kib << 10)
        .ok_or_else(|| Failure::Broken("/proc/meminfo does not tell of Shmem".into()))
}

/// The number in a line such as `MemTotal:  102400 kB`, if it is about this key.
fn number(line: &str, key: &str) -> Option<u64> {
    let value = line.strip_prefix(key)?.strip_prefix(':')?;
    let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    (kib <= u64::MAX >> 10).then_some(kib)
}
