// SPDX-License-Identifier: GPL-2.0

//! The interface of include/uapi/linux/gunyah.h in Rust.
//!
//! A type whose size differs from the one in C gives its ioctl another number, so no call with it
//! arrives.

use kernel::{
    ioctl::{
        _IO,
        _IOW,
        _IOWR, //
    },
    prelude::*, //
};

const TYPE: u32 = b'G' as u32;

pub(crate) const CREATE_VM: u32 = _IO(TYPE, 0x40);
pub(crate) const VM_SET_MEMORY: u32 = _IOW::<Memory>(TYPE, 0x41);
pub(crate) const VM_CONFIGURE: u32 = _IOW::<Config>(TYPE, 0x42);
pub(crate) const VM_START: u32 = _IO(TYPE, 0x43);
pub(crate) const VM_CREATE_VCPU: u32 = _IO(TYPE, 0x44);
pub(crate) const VCPU_RUN: u32 = _IOWR::<Run>(TYPE, 0x45);
pub(crate) const VM_STOP: u32 = _IO(TYPE, 0x46);
pub(crate) const VM_RESET: u32 = _IO(TYPE, 0x47);

pub(crate) const EXIT_MMIO: u32 = 1;
pub(crate) const EXIT_STATUS: u32 = 2;
pub(crate) const EXIT_FAULT: u32 = 3;

/// `struct gh_vm_memory`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Memory {
    pub(crate) guest_phys_addr: u64,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) fd: i32,
    pub(crate) flags: u32,
}

/// `struct gh_vm_config`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Config {
    pub(crate) image_addr: u64,
    pub(crate) image_size: u64,
    pub(crate) dtb_addr: u64,
    pub(crate) dtb_size: u64,
    pub(crate) flags: u64,
}

/// `struct gh_vcpu_run`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Run {
    pub(crate) exit_reason: u32,
    pub(crate) immediate_exit: u8,
    pub(crate) mmio_is_write: u8,
    pub(crate) mmio_len: u8,
    pub(crate) reserved: u8,
    pub(crate) mmio_addr: u64,
    pub(crate) mmio_data: u64,
    pub(crate) status: u32,
    pub(crate) reserved2: u32,
}
