// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The bare calls. The only `unsafe` of the library, all of it calls that take plain numbers or
//! the address of something that is borrowed meanwhile.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{Ioctl, c_int, c_long, c_uint, off_t, pid_t};

/// A value that no later kernel header of `libc` gives yet.
pub(crate) const NR_MEMFD_RESTRICTED: c_long = 473;

/// What `mount_fd` is when nobody asks for a mount of the caller's.
pub(crate) const NO_MOUNT: RawFd = -1;

/// The errno as a number, taken right after a call that failed.
type Result<T> = std::result::Result<T, i32>;

fn last_errno() -> i32 {
    io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

fn check(result: c_int) -> Result<()> {
    if result < 0 {
        Err(last_errno())
    } else {
        Ok(())
    }
}

/// A number of bytes as the kernel takes it; what does not fit is as invalid as a negative one.
fn offset(value: u64) -> Result<off_t> {
    off_t::try_from(value).map_err(|_| libc::EINVAL)
}

/// Takes ownership of a descriptor.
///
/// # Safety
///
/// `fd` is what a system call that makes a descriptor has just returned.
unsafe fn made(fd: c_long) -> Result<OwnedFd> {
    let fd = RawFd::try_from(fd).map_err(|_| libc::EOVERFLOW)?;
    check(fd)?;
    // SAFETY: The kernel has made this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn memfd_restricted(flags: u32, mount_fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: The call takes two integers and no addresses, and makes a descriptor.
    unsafe {
        made(libc::syscall(
            NR_MEMFD_RESTRICTED,
            flags as c_uint,
            mount_fd,
        ))
    }
}

/// A copy of a descriptor of another process, to be closed on exec.
pub(crate) fn take(pid: pid_t, fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: The call takes two integers and no addresses, and makes a descriptor.
    let process = unsafe { made(libc::syscall(libc::SYS_pidfd_open, pid, 0))? };
    // SAFETY: As above, three integers; the first is of a descriptor that is open meanwhile.
    unsafe {
        made(libc::syscall(
            libc::SYS_pidfd_getfd,
            process.as_raw_fd(),
            fd,
            0,
        ))
    }
}

/// The type of filesystem that a file is on.
pub(crate) fn magic(fd: BorrowedFd<'_>) -> Result<u32> {
    let mut stat = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: The kernel writes one `statfs` to the address of a local variable of that type.
    check(unsafe { libc::fstatfs(fd.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: `fstatfs` succeeded, so it has filled the variable.
    Ok(unsafe { stat.assume_init() }.f_type as u32)
}

pub(crate) fn set_len(fd: BorrowedFd<'_>, len: u64) -> Result<()> {
    let len = offset(len)?;
    // SAFETY: Integers only, and the descriptor is open for as long as it is borrowed.
    check(unsafe { libc::ftruncate(fd.as_raw_fd(), len) })
}

pub(crate) fn fallocate(fd: BorrowedFd<'_>, mode: c_int, start: u64, len: u64) -> Result<()> {
    let (start, len) = (offset(start)?, offset(len)?);
    // SAFETY: Integers only, and the descriptor is open for as long as it is borrowed.
    check(unsafe { libc::fallocate(fd.as_raw_fd(), mode, start, len) })
}

pub(crate) fn seek(fd: BorrowedFd<'_>, from: u64, whence: c_int) -> Result<u64> {
    let from = offset(from)?;
    // SAFETY: Integers only, and the descriptor is open for as long as it is borrowed.
    let at = unsafe { libc::lseek(fd.as_raw_fd(), from, whence) };
    u64::try_from(at).map_err(|_| last_errno())
}

pub(crate) fn stat(fd: BorrowedFd<'_>) -> Result<libc::stat> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: The kernel writes one `stat` to the address of a local variable of that type.
    check(unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: `fstat` succeeded, so it has filled the variable.
    Ok(unsafe { stat.assume_init() })
}

/// `struct rmfd_load`.
#[repr(C)]
struct Load {
    offset: u64,
    len: u64,
    addr: u64,
    done: u64,
    flags: u32,
    size: u32,
}

/// `struct rmfd_load_fd`.
#[repr(C)]
struct LoadFd {
    offset: u64,
    len: u64,
    source_offset: u64,
    done: u64,
    fd: c_int,
    flags: u32,
    size: u32,
    reserved: u32,
}

/// `struct rmfd_mbind`.
#[repr(C)]
struct Mbind {
    offset: u64,
    len: u64,
    nodemask: u64,
    maxnode: u64,
    mode: u32,
    flags: u32,
    size: u32,
    reserved: u32,
}

/// `struct rmfd_collapse`.
#[repr(C)]
struct Collapse {
    offset: u64,
    len: u64,
    done: u64,
    flags: u32,
    size: u32,
}

const RMFD_IOC: u32 = 0xbb;
const RMFD_LOAD: Ioctl = libc::_IOWR::<Load>(RMFD_IOC, 0);
const RMFD_LOAD_FD: Ioctl = libc::_IOWR::<LoadFd>(RMFD_IOC, 1);
const RMFD_MBIND: Ioctl = libc::_IOW::<Mbind>(RMFD_IOC, 2);
const RMFD_COLLAPSE: Ioctl = libc::_IOWR::<Collapse>(RMFD_IOC, 3);

/// An errno, and how many bytes were loaded, or made large, before.
type PartResult = std::result::Result<(), (i32, u64)>;

pub(crate) fn load(fd: BorrowedFd<'_>, offset: u64, contents: &[u8]) -> PartResult {
    let mut args = Load {
        offset,
        len: contents.len() as u64,
        addr: contents.as_ptr() as u64,
        done: 0,
        flags: 0,
        size: size_of::<Load>() as u32,
    };
    // SAFETY: The kernel reads and writes a local variable of the size that is in it, and reads the
    // slice that is borrowed. The descriptor is open for as long as it is borrowed.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), RMFD_LOAD, &raw mut args) })
        .map_err(|errno| (errno, args.done))
}

pub(crate) fn load_fd(
    fd: BorrowedFd<'_>,
    offset: u64,
    len: u64,
    source: BorrowedFd<'_>,
    source_offset: u64,
) -> PartResult {
    let mut args = LoadFd {
        offset,
        len,
        source_offset,
        done: 0,
        fd: source.as_raw_fd(),
        flags: 0,
        size: size_of::<LoadFd>() as u32,
        reserved: 0,
    };
    // SAFETY: The kernel reads and writes a local variable of the size that is in it. The
    // descriptors are open for as long as they are borrowed.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), RMFD_LOAD_FD, &raw mut args) })
        .map_err(|errno| (errno, args.done))
}

pub(crate) fn mbind(
    fd: BorrowedFd<'_>,
    offset: u64,
    len: u64,
    mode: u32,
    nodes: &[u64],
) -> Result<()> {
    let args = Mbind {
        offset,
        len,
        nodemask: nodes.as_ptr() as u64,
        // The kernel counts one bit more than there are, as for mbind(2).
        maxnode: 64 * nodes.len() as u64 + 1,
        mode,
        flags: 0,
        size: size_of::<Mbind>() as u32,
        reserved: 0,
    };
    // SAFETY: The kernel reads a local variable of the size that is in it, and the slice that is
    // borrowed. The descriptor is open for as long as it is borrowed.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), RMFD_MBIND, &raw const args) })
}

pub(crate) fn collapse(fd: BorrowedFd<'_>, offset: u64, len: u64) -> PartResult {
    let mut args = Collapse {
        offset,
        len,
        done: 0,
        flags: 0,
        size: size_of::<Collapse>() as u32,
    };
    // SAFETY: The kernel reads and writes a local variable of the size that is in it. The
    // descriptor is open for as long as it is borrowed.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), RMFD_COLLAPSE, &raw mut args) })
        .map_err(|errno| (errno, args.done))
}

pub(crate) fn page_size() -> u64 {
    // SAFETY: The call takes one integer.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}
