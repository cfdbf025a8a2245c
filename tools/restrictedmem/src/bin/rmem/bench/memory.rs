// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The kinds of memory that are compared.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use kvm_ioctls::VmFd;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::libc::off_t;
use nix::sys::memfd::{MFdFlags, memfd_create};
use restrictedmem::{Flags, RestrictedMemory};

use super::sys;
use crate::Failure;
use crate::demo::host_memory::HostMemory;

/// A kind of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Restricted,
    /// The same in pages of 2 MiB.
    RestrictedLarge,
    GuestMemfd,
    /// tmpfs
    Memfd,
    MemfdSecret,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [
        Kind::Restricted,
        Kind::RestrictedLarge,
        Kind::GuestMemfd,
        Kind::Memfd,
        Kind::MemfdSecret,
    ];

    /// Those that can be reserved and punched, and that a machine takes.
    pub const WITH_RANGES: [Kind; 4] = [
        Kind::Restricted,
        Kind::RestrictedLarge,
        Kind::GuestMemfd,
        Kind::Memfd,
    ];

    /// Those that can be filled before anybody uses them.
    pub const LOADABLE: [Kind; 3] = [Kind::Restricted, Kind::RestrictedLarge, Kind::Memfd];

    /// The name in samples and tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Restricted => "restricted",
            Kind::RestrictedLarge => "restricted-large",
            Kind::GuestMemfd => "guest_memfd",
            Kind::Memfd => "memfd",
            Kind::MemfdSecret => "memfd_secret",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Result<Self, Failure> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| Failure::Broken(format!("there is no memory {name}")))
    }

    /// Makes a file. A `guest_memfd` has its size from the start and belongs to a machine; the
    /// others are without a size.
    pub fn create(self, vm: Option<&VmFd>, len: u64) -> Result<OwnedFd, Failure> {
        Ok(match self {
            Kind::Restricted => RestrictedMemory::create(Flags::CLOEXEC)?.into(),
            Kind::RestrictedLarge => {
                RestrictedMemory::create(Flags::CLOEXEC | Flags::HUGEPAGE)?.into()
            }
            Kind::GuestMemfd => match vm {
                Some(vm) => sys::guest_memfd(vm, len)?,
                None => return Err(Failure::Broken("a guest_memfd needs a machine".into())),
            },
            Kind::Memfd => {
                memfd_create("rmem-bench", MFdFlags::MFD_CLOEXEC).map_err(io::Error::from)?
            }
            Kind::MemfdSecret => sys::memfd_secret()?,
        })
    }

    /// Makes a file of that size.
    pub fn with_len(self, vm: Option<&VmFd>, len: u64) -> Result<File, Failure> {
        let file = File::from(self.create(vm, len)?);
        if self != Kind::GuestMemfd {
            file.set_len(len)?;
        }
        Ok(file)
    }
}

/// Allocates memory for a range.
pub fn reserve(file: impl AsFd, start: u64, len: u64) -> io::Result<()> {
    fall(file, FallocateFlags::empty(), start, len)
}

/// Gives the memory of a range back.
pub fn punch(file: impl AsFd, start: u64, len: u64) -> io::Result<()> {
    fall(file, FallocateFlags::FALLOC_FL_PUNCH_HOLE, start, len)
}

/// Fills all of a file, and hands it back.
pub fn load(kind: Kind, file: File, image: &[u8]) -> Result<File, Failure> {
    if kind == Kind::Memfd {
        HostMemory::of_file(file.as_fd(), image.len() as u64)
            .map_err(io::Error::from)?
            .write(0, image);
        return Ok(file);
    }
    let memory = RestrictedMemory::from(OwnedFd::from(file));
    memory.load(0, image)?;
    Ok(File::from(OwnedFd::from(memory)))
}

fn fall(file: impl AsFd, mode: FallocateFlags, start: u64, len: u64) -> io::Result<()> {
    let number = |bytes| off_t::try_from(bytes).map_err(io::Error::other);
    let mode = mode | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    Ok(fallocate(file, mode, number(start)?, number(len)?)?)
}
