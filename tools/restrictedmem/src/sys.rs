// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The bare calls. The only `unsafe` of the library, all of it calls that take plain numbers or
//! the address of a local variable.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use libc::{c_int, c_long, c_uint, off_t};

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

pub(crate) fn memfd_restricted(flags: u32, mount_fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: The call takes two integers and no addresses.
    let fd = unsafe { libc::syscall(NR_MEMFD_RESTRICTED, flags as c_uint, mount_fd) };
    let fd = RawFd::try_from(fd).map_err(|_| libc::EOVERFLOW)?;
    check(fd)?;
    // SAFETY: The kernel has just made this descriptor for us, nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
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

pub(crate) fn page_size() -> u64 {
    // SAFETY: The call takes one integer.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}
