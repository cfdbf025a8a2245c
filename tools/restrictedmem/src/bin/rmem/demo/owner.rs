// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The ways by which a curious owner would try to get at the memory.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, SpliceFFlags, copy_file_range, open, splice};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags};
use nix::sys::sendfile::sendfile;
use nix::sys::stat::Mode;
use nix::sys::uio::{pread, pwrite};
use nix::unistd::{pipe, read, write};

use super::sys::try_map;

/// Something that is tried on a descriptor. `Ok` if it reached contents.
type Way = fn(BorrowedFd<'_>) -> nix::Result<()>;

/// What a descriptor is asked for, in one way or several similar ones.
pub struct Attempt {
    /// What the owner does.
    pub what: &'static str,
    /// The call.
    pub how: &'static str,
    ways: &'static [Way],
    refusals: &'static [Errno],
}

/// How an attempt ended.
pub enum Outcome {
    /// Refused in every way, with this errno, as documented.
    Refused(Errno),
    /// Refused with an errno that means something else.
    Unexpected(Errno),
    /// At least one way reached contents.
    Reached,
}

/// Everything that is tried.
pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        what: "we read it",
        how: "read()",
        ways: &[|fd| some(read(fd, &mut [0; 32]))],
        refusals: &[Errno::EINVAL, Errno::EBADF],
    },
    Attempt {
        what: "we read it",
        how: "pread()",
        ways: &[|fd| some(pread(fd, &mut [0; 32], 0))],
        refusals: &[Errno::EINVAL, Errno::EBADF, Errno::ESPIPE],
    },
    Attempt {
        what: "we write to it",
        how: "write()",
        ways: &[|fd| some(write(fd, &[1; 32]))],
        refusals: &[Errno::EINVAL, Errno::EBADF],
    },
    Attempt {
        what: "we write to it",
        how: "pwrite()",
        ways: &[|fd| some(pwrite(fd, &[1; 32], 0))],
        refusals: &[Errno::EINVAL, Errno::EBADF, Errno::ESPIPE],
    },
    Attempt {
        what: "we map it",
        how: "mmap(), 4 ways",
        ways: &[
            |fd| try_map(fd, ProtFlags::PROT_READ, MapFlags::MAP_SHARED),
            |fd| {
                let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
                try_map(fd, prot, MapFlags::MAP_SHARED)
            },
            |fd| try_map(fd, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE),
            |fd| try_map(fd, ProtFlags::PROT_NONE, MapFlags::MAP_SHARED),
        ],
        refusals: &[Errno::ENODEV],
    },
    Attempt {
        what: "we open it again",
        how: "/proc/self/fd, 2 ways",
        ways: &[
            |fd| open_again(fd, OFlag::O_RDONLY),
            |fd| open_again(fd, OFlag::O_RDWR),
        ],
        refusals: &[Errno::ENXIO],
    },
    Attempt {
        what: "we copy it to a file",
        how: "sendfile()",
        ways: &[|fd| some(sendfile(memfd()?.as_fd(), fd, Some(&mut 0), 32))],
        refusals: &[Errno::EINVAL, Errno::ESPIPE],
    },
    Attempt {
        what: "we copy it to a file",
        how: "copy_file_range()",
        ways: &[|fd| {
            some(copy_file_range(
                fd,
                Some(&mut 0),
                memfd()?,
                Some(&mut 0),
                32,
            ))
        }],
        refusals: &[Errno::EXDEV, Errno::EINVAL],
    },
    Attempt {
        what: "we move it to a pipe",
        how: "splice()",
        ways: &[|fd| {
            let (_reader, writer) = pipe()?;
            some(splice(
                fd,
                Some(&mut 0),
                writer,
                None,
                32,
                SpliceFFlags::SPLICE_F_NONBLOCK,
            ))
        }],
        refusals: &[Errno::EINVAL, Errno::ESPIPE],
    },
];

impl Attempt {
    /// Tries every way on this descriptor.
    pub fn try_on(&self, fd: BorrowedFd<'_>) -> Outcome {
        let mut outcome = Outcome::Reached;
        for way in self.ways {
            match way(fd) {
                Ok(()) => return Outcome::Reached,
                Err(errno) if self.refusals.contains(&errno) => outcome = Outcome::Refused(errno),
                Err(errno) => return Outcome::Unexpected(errno),
            }
        }
        outcome
    }

    /// Whether every way works on an ordinary memfd: else it would prove nothing.
    pub fn works_on(&self, ordinary: &File) -> nix::Result<()> {
        self.ways.iter().try_for_each(|way| way(ordinary.as_fd()))
    }
}

/// An ordinary memfd with something in it, its position at the beginning.
pub fn ordinary_memfd() -> io::Result<File> {
    let file = memfd()?;
    file.write_all_at(&[1; 4096], 0)?;
    Ok(file)
}

fn memfd() -> nix::Result<File> {
    memfd_create("rmem-demo", MFdFlags::MFD_CLOEXEC).map(File::from)
}

/// `Ok` if at least one byte went through.
fn some(bytes: nix::Result<usize>) -> nix::Result<()> {
    match bytes? {
        0 => Err(Errno::ENODATA),
        _ => Ok(()),
    }
}

fn open_again(fd: BorrowedFd<'_>, flags: OFlag) -> nix::Result<()> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    open(path.as_str(), flags | OFlag::O_CLOEXEC, Mode::empty()).map(drop)
}
