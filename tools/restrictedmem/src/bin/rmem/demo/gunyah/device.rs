// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! /dev/gunyah, its machines and their processors. See include/uapi/linux/gunyah.h.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use crate::Failure;

/// Where a machine sees its memory.
pub const BASE: u64 = 0x8000_0000;
/// Room for a device tree.
const DEVICE_TREE: u64 = 64 << 10;
/// Where it is in the memory. The program is before it.
pub const DEVICE_TREE_OFFSET: u64 = 4096;

#[repr(C)]
pub struct Memory {
    guest_phys_addr: u64,
    offset: u64,
    size: u64,
    fd: i32,
    flags: u32,
}

#[repr(C)]
pub struct Config {
    image_addr: u64,
    image_size: u64,
    dtb_addr: u64,
    dtb_size: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
pub struct Run {
    exit_reason: u32,
    immediate_exit: u8,
    mmio_is_write: u8,
    mmio_len: u8,
    reserved: u8,
    mmio_addr: u64,
    mmio_data: u64,
    status: u32,
    reserved2: u32,
}

const EXIT_MMIO: u32 = 1;
const EXIT_STATUS: u32 = 2;

nix::ioctl_write_int_bad!(create_vm, nix::request_code_none!(b'G', 0x40));
nix::ioctl_write_ptr!(vm_set_memory, b'G', 0x41, Memory);
nix::ioctl_write_ptr!(vm_configure, b'G', 0x42, Config);
nix::ioctl_write_int_bad!(vm_start, nix::request_code_none!(b'G', 0x43));
nix::ioctl_write_int_bad!(vm_create_vcpu, nix::request_code_none!(b'G', 0x44));
nix::ioctl_readwrite!(vcpu_run, b'G', 0x45, Run);

/// The device.
pub struct Device(File);

impl Device {
    pub fn open() -> Result<Self, Failure> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/gunyah");

        file.map(Self).map_err(|error| {
            Failure::Unavailable(format!(
                "no machine of Gunyah can be made here: /dev/gunyah: {error}"
            ))
        })
    }

    /// Makes a machine.
    pub fn machine(&self) -> nix::Result<Machine> {
        // SAFETY: The call takes an integer and returns a descriptor.
        let fd = unsafe { create_vm(self.0.as_raw_fd(), 0)? };
        // SAFETY: Nobody else has the new descriptor.
        Ok(Machine(unsafe { OwnedFd::from_raw_fd(fd) }))
    }
}

/// A machine.
pub struct Machine(OwnedFd);

impl Machine {
    /// Gives it the first `size` bytes of a file.
    pub fn set_memory(&self, file: BorrowedFd<'_>, size: u64) -> nix::Result<()> {
        let memory = Memory {
            guest_phys_addr: BASE,
            offset: 0,
            size,
            fd: file.as_raw_fd(),
            flags: 0,
        };
        // SAFETY: The structure is that of the call, which only reads it.
        unsafe { vm_set_memory(self.0.as_raw_fd(), &memory) }.map(drop)
    }

    /// Says where its program is, and its device tree.
    pub fn configure(&self) -> nix::Result<()> {
        let config = Config {
            image_addr: BASE,
            image_size: DEVICE_TREE_OFFSET,
            dtb_addr: BASE + DEVICE_TREE_OFFSET,
            dtb_size: DEVICE_TREE,
            flags: 0,
        };
        // SAFETY: The structure is that of the call, which only reads it.
        unsafe { vm_configure(self.0.as_raw_fd(), &config) }.map(drop)
    }

    pub fn start(&self) -> nix::Result<()> {
        // SAFETY: The call takes an integer.
        unsafe { vm_start(self.0.as_raw_fd(), 0) }.map(drop)
    }

    /// Makes its first processor.
    pub fn processor(&self) -> nix::Result<Processor> {
        // SAFETY: The call takes an integer and returns a descriptor.
        let fd = unsafe { vm_create_vcpu(self.0.as_raw_fd(), 0)? };
        // SAFETY: Nobody else has the new descriptor.
        Ok(Processor(unsafe { OwnedFd::from_raw_fd(fd) }))
    }
}

/// A processor.
pub struct Processor(OwnedFd);

/// Why it does not run any more.
#[derive(PartialEq, Eq, Debug)]
pub enum Exit {
    Reads { address: u64, len: u8 },
    Writes { address: u64, value: u64 },
    Over,
    Stuck,
}

impl Processor {
    /// Lets it run, and gives it what it reads if it does.
    pub fn run(&self, value: u64) -> nix::Result<Exit> {
        let mut run = Run {
            mmio_data: value,
            ..Run::default()
        };
        // SAFETY: The structure is that of the call, and ours alone.
        match unsafe { vcpu_run(self.0.as_raw_fd(), &mut run) } {
            Err(Errno::EINTR) => return self.run(value),
            result => result?,
        };
        Ok(match (run.exit_reason, run.mmio_is_write) {
            (EXIT_MMIO, 0) => Exit::Reads {
                address: run.mmio_addr,
                len: run.mmio_len,
            },
            (EXIT_MMIO, _) => Exit::Writes {
                address: run.mmio_addr,
                value: run.mmio_data,
            },
            (EXIT_STATUS, _) => Exit::Over,
            _ => Exit::Stuck,
        })
    }
}
