// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the benchmark needs of the system that has no safe interface.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use kvm_bindings::kvm_create_guest_memfd;
use kvm_ioctls::VmFd;
use nix::errno::Errno;
use nix::libc;

use crate::demo::kvm::{MachineError, refused};

/// What a machine that has no private memory wants, see `KVM_CREATE_GUEST_MEMFD`: the owner could
/// map it (1), and it belongs to the machine nevertheless (2).
const FLAGS: u64 = if cfg!(target_arch = "aarch64") { 3 } else { 0 };

/// A `guest_memfd` of that size for a machine.
pub fn guest_memfd(vm: &VmFd, size: u64) -> Result<OwnedFd, MachineError> {
    let arguments = kvm_create_guest_memfd {
        size,
        flags: FLAGS,
        ..Default::default()
    };
    let fd = vm
        .create_guest_memfd(arguments)
        .map_err(refused("make a guest_memfd"))?;
    // SAFETY: The kernel has just made this descriptor for us, nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A file of memory that is in no page table but those of who maps it.
pub fn memfd_secret() -> io::Result<OwnedFd> {
    // SAFETY: The call takes an integer and no addresses.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let fd = RawFd::try_from(Errno::result(fd)?).map_err(io::Error::other)?;
    // SAFETY: The kernel has just made this descriptor for us, nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
