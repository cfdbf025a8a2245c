// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A machine that touches the memory that is measured.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use kvm_bindings::{KVM_MEM_GUEST_MEMFD, kvm_userspace_memory_region2};
use kvm_ioctls::{VcpuExit, VcpuFd, VmFd};
use nix::errno::Errno;

use super::memory::Kind;
use super::processor::{self, Hypervisor};
use super::{MIB, PAGE};
use crate::Failure;
use crate::demo::host_memory::{HostMemory, host_memory, set_slot};
use crate::demo::kvm::{MachineError, refused};
#[cfg(target_arch = "x86_64")]
use crate::demo::machine::make_private;

/// Where the measured memory is in the machine, of which there is 1 GiB at most.
pub const MEMORY: u64 = 1 << 30;
/// How many MiB a machine has at most.
pub const MOST_MIB: u64 = 1024;

/// What the processor starts with, in the first 64 KiB of the machine.
const OURS_LEN: u64 = 0x1_0000;

/// Size and alignment of a large page.
const LARGE: u64 = 2 * MIB;

/// A machine with one processor and a file of memory.
pub struct Machine {
    vcpu: VcpuFd,
    vm: VmFd,
    file: File,
    kind: Kind,
    len: u64,
    /// The memory as its owner sees it; of private memory, nothing.
    view: HostMemory,
    /// How many memory slots the file is in.
    slots: u64,
    ours: HostMemory,
}

impl Machine {
    /// Makes a machine and memory for it. They do not know each other yet.
    pub fn new(hypervisor: &Hypervisor, kind: Kind, len: u64) -> Result<Self, Failure> {
        let vm = hypervisor.machine()?;
        let file = kind.with_len(Some(&vm), len)?;
        let view = match kind {
            Kind::Memfd => HostMemory::of_file(file.as_fd(), len).map_err(std::io::Error::from)?,
            _ => {
                #[cfg(target_arch = "x86_64")]
                make_private(&vm, MEMORY, len)?;
                // More, to begin at a multiple of a large page.
                host_memory(len + LARGE)?
            }
        };
        let ours = host_memory(OURS_LEN)?;
        let slot = kvm_userspace_memory_region2 {
            memory_size: OURS_LEN,
            userspace_addr: ours.address(),
            ..Default::default()
        };
        set_slot(&vm, slot, &ours).map_err(refused("take shared memory"))?;
        processor::fill(&ours);
        Ok(Self {
            vcpu: hypervisor.processor(&vm)?,
            vm,
            file,
            kind,
            len,
            view,
            slots: 0,
            ours,
        })
    }

    /// The file of memory.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the machine its memory, in so many slots.
    pub fn plug(&mut self, slots: u64) -> Result<(), Failure> {
        self.slots = slots;
        (0..slots).try_for_each(|slot| self.set_slot(slot, true))
    }

    /// Takes its memory away, which stays in the file.
    pub fn unplug(&mut self) -> Result<(), Failure> {
        (0..self.slots).try_for_each(|slot| self.set_slot(slot, false))
    }

    fn set_slot(&self, number: u64, is_there: bool) -> Result<(), Failure> {
        let pages = self.len / PAGE;
        let start = pages * number / self.slots * PAGE;
        let end = pages * (number + 1) / self.slots * PAGE;
        let mut slot = kvm_userspace_memory_region2 {
            slot: u32::try_from(number + 1).unwrap_or(u32::MAX),
            guest_phys_addr: MEMORY + start,
            memory_size: if is_there { end - start } else { 0 },
            userspace_addr: self.view.address() + start,
            ..Default::default()
        };
        if self.kind != Kind::Memfd {
            slot.flags = KVM_MEM_GUEST_MEMFD;
            slot.userspace_addr = self.view.address().next_multiple_of(LARGE) + start;
            slot.guest_memfd = self.file.as_raw_fd() as u32;
            slot.guest_memfd_offset = start;
        }
        Ok(set_slot(&self.vm, slot, &self.view).map_err(refused("take this file as memory"))?)
    }

    /// Has it write to every page of its memory.
    pub fn touch(&mut self) -> Result<Duration, Failure> {
        processor::start(&self.vcpu, MEMORY, self.len / PAGE)?;
        let start = Instant::now();
        self.run()?;
        let took = start.elapsed();

        let reached = processor::reached(&self.vcpu)?;
        if reached != MEMORY + self.len {
            let sentence = format!("it stopped at {reached:#x}");
            return Err(MachineError::Astray(sentence).into());
        }
        Ok(took)
    }

    /// Lets it run until it says that it is done.
    fn run(&mut self) -> Result<(), MachineError> {
        loop {
            match self.vcpu.run() {
                Ok(exit) if processor::is_done(&exit) => return Ok(()),
                Ok(VcpuExit::Intr) => {}
                Ok(exit) => return Err(MachineError::Astray(format!("it left with {exit:?}"))),
                Err(error) => match Errno::from_raw(error.errno()) {
                    Errno::EINTR | Errno::EAGAIN => {}
                    _ => return Err(refused("run the machine")(error)),
                },
            }
        }
    }

    /// A number that KVM counts of this machine.
    pub fn counter(&self, name: &str) -> Result<u64, Failure> {
        let folder = format!("{}-{}", std::process::id(), self.vm.as_raw_fd());
        let path = format!("/sys/kernel/debug/kvm/{folder}/{name}");
        let unavailable = |error| Failure::Unavailable(format!("{path}: {error}"));
        let text = fs::read_to_string(&path).map_err(|error| unavailable(error.to_string()))?;
        text.trim()
            .parse()
            .map_err(|_| unavailable("no number".into()))
    }

    /// The end of the machine and of its memory, and how long it takes.
    pub fn end(self) -> Duration {
        let Self {
            vcpu,
            vm,
            file,
            view,
            ours,
            ..
        } = self;
        let start = Instant::now();
        drop((vcpu, vm, file, view, ours));
        start.elapsed()
    }
}
