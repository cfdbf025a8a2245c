// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Memory that its owner cannot touch: `memfd_restricted(2)` for Rust.
//!
//! A restricted file is memory that a program owns but cannot read, write or map. The program sets
//! its size, reserves it, punches holes in it, hands it on and closes it. What the memory holds is
//! seen only by those in the kernel who have a use for it, for instance a hypervisor that gives it
//! to a machine.
//!
//! [`RestrictedMemory`] is such a file. Everything that can be done with it is a method; what
//! cannot be done (reading it, say) has none.
//!
//! ```
//! use restrictedmem::{Builder, Error, RestrictedMemory};
//!
//! fn two_mib() -> Result<RestrictedMemory, Error> {
//!     let memory = Builder::new().len(2 << 20).create()?;
//!     memory.allocate(0..1 << 20)?; // so that running out of memory shows here
//!     Ok(memory)
//! }
//!
//! match two_mib() {
//!     Ok(memory) => assert_eq!(memory.stat()?.len, 2 << 20),
//!     Err(error) if error.is_unsupported() => println!("this kernel does not have it"),
//!     Err(error) => return Err(error),
//! }
//! # Ok::<(), Error>(())
//! ```
//!
//! # Handing it to KVM
//!
//! A machine takes the memory as `guest_memfd` of a memory region, by the descriptor that
//! [`AsFd`](std::os::fd::AsFd) or [`AsRawFd`](std::os::fd::AsRawFd) give:
//!
//! ```
//! use std::os::fd::AsRawFd;
//! # use restrictedmem::RestrictedMemory;
//! # #[derive(Default)]
//! # struct kvm_userspace_memory_region2 {
//! #     slot: u32, flags: u32, guest_phys_addr: u64, memory_size: u64, userspace_addr: u64,
//! #     guest_memfd_offset: u64, guest_memfd: u32,
//! # }
//! # const KVM_MEM_GUEST_MEMFD: u32 = 4;
//!
//! // `shared` is where the ordinary memory lies that the machine sees wherever it has not made
//! // its memory private.
//! fn region(memory: &RestrictedMemory, shared: u64) -> kvm_userspace_memory_region2 {
//!     kvm_userspace_memory_region2 {
//!         flags: KVM_MEM_GUEST_MEMFD,
//!         guest_phys_addr: 0x20_0000,
//!         memory_size: 2 << 20,
//!         userspace_addr: shared,
//!         guest_memfd: memory.as_raw_fd() as u32,
//!         guest_memfd_offset: 0,
//!         ..Default::default()
//!     }
//! }
//! ```
//!
//! The machine then holds the memory by itself: closing the descriptor takes nothing away from it.

#![deny(unsafe_code)]

mod error;
mod flags;
mod memory;
mod policy;
#[allow(unsafe_code)]
mod sys;

pub use error::{Error, Operation};
pub use flags::Flags;
pub use memory::{Builder, Present, RestrictedMemory, Stat};
pub use policy::Policy;

/// The number of `memfd_restricted(2)`, the same on every architecture of the generic table.
pub const SYSCALL_NUMBER: std::ffi::c_long = sys::NR_MEMFD_RESTRICTED;

/// What `statfs(2)` gives as the type of filesystem of every restricted file.
pub const MAGIC: u32 = 0x5253_4d4d;

/// Whether the running kernel has `memfd_restricted(2)`.
///
/// Makes no file: it asks for a flag that does not exist, which a kernel that has the call refuses
/// with `EINVAL`.
pub fn is_supported() -> bool {
    RestrictedMemory::create(Flags::from_bits_retain(1 << 31))
        .is_err_and(|error| !error.is_unsupported())
}

/// Whether the running kernel takes these flags together.
///
/// Makes a file at most for a moment. [`Flags::USERMNT`] is asked for with a mount that is none: a
/// kernel that knows the flag says `EBADF`, another one `EINVAL`.
pub fn supports(flags: Flags) -> bool {
    match RestrictedMemory::create(flags) {
        Ok(_) => true,
        Err(error) => !error.is_unsupported() && error.errno() != libc::EINVAL,
    }
}

/// The size of a page: the unit of every size and offset here.
pub fn page_size() -> u64 {
    sys::page_size()
}
