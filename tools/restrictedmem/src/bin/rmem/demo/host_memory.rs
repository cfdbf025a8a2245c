// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Memory that this process and a machine share.

use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use kvm_bindings::kvm_userspace_memory_region2;
use kvm_ioctls::VmFd;
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::kvm::{self, MachineError};

/// Ordinary memory of this process, zeroed, that a machine may use too.
pub struct HostMemory {
    start: NonNull<u8>,
    len: usize,
}

impl HostMemory {
    /// Takes `len` bytes.
    pub fn new(len: u64) -> nix::Result<Self> {
        let size = mapping_size(len)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new mapping at an address of the kernel's choice disturbs nobody.
        let start = unsafe { mmap_anonymous(None, size, prot, MapFlags::MAP_PRIVATE)? };
        Ok(Self {
            start: start.cast(),
            len: size.get(),
        })
    }

    /// The first `len` bytes of a file, which changes along with them.
    pub fn of_file(file: BorrowedFd<'_>, len: u64) -> nix::Result<Self> {
        let size = mapping_size(len)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new mapping at an address of the kernel's choice disturbs nobody.
        let start = unsafe { mmap(None, size, prot, MapFlags::MAP_SHARED, file, 0)? };
        Ok(Self {
            start: start.cast(),
            len: size.get(),
        })
    }

    /// Where it begins in this process.
    pub fn address(&self) -> u64 {
        self.start.as_ptr().addr() as u64
    }

    /// Writes bytes at an offset.
    pub fn write(&self, offset: u64, bytes: &[u8]) {
        let offset = usize::try_from(offset).expect("an offset of this process");
        assert!(
            offset
                .checked_add(bytes.len())
                .is_some_and(|end| end <= self.len)
        );
        // SAFETY: The destination lies in our mapping, as was just checked. The machine that may
        // write there too runs on this thread only, so it does not run now.
        unsafe {
            let to = self.start.as_ptr().add(offset);
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }
}

fn mapping_size(len: u64) -> nix::Result<NonZeroUsize> {
    let size = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    NonZeroUsize::new(size).ok_or(Errno::EINVAL)
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: The mapping is ours alone and nobody has a reference into it. A machine that
        // had it as a memory slot sees it go as KVM sees every unmapping.
        let _ = unsafe { munmap(self.start.cast(), self.len) };
    }
}

/// Memory of this process for a machine.
pub fn host_memory(len: u64) -> kvm::Result<HostMemory> {
    HostMemory::new(len).map_err(|errno| MachineError::Refused {
        what: "have memory",
        errno,
    })
}

/// Gives a machine a memory slot. `userspace` is where the memory lies that the slot names in this
/// process.
pub fn set_slot(
    vm: &VmFd,
    slot: kvm_userspace_memory_region2,
    userspace: &HostMemory,
) -> Result<(), kvm_ioctls::Error> {
    let offset = slot.userspace_addr.checked_sub(userspace.address());
    let end = offset.and_then(|offset| offset.checked_add(slot.memory_size));
    assert!(end.is_some_and(|end| end <= userspace.len as u64));
    // SAFETY: The slot lies in a mapping of its own which nothing else uses, so that whatever the
    // machine writes there hits nothing of ours. See `HostMemory::write` for races.
    unsafe { vm.set_user_memory_region2(slot) }
}
