// SPDX-License-Identifier: GPL-2.0

//! The ioctls of a restricted file.

use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_long,
        c_uint,
        c_ulong, //
    },
    ioctl::{
        _IOW,
        _IOWR, //
    },
    mm::mempolicy::UserPolicy,
    page::PAGE_SHIFT,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
    uapi, //
};

use core::mem::{
    offset_of,
    size_of,
    MaybeUninit, //
};

use super::{
    source::{
        SourceFile,
        UserMemory, //
    },
    state, //
};
use crate::{
    file::RestrictedFile,
    range::{
        self,
        Pages, //
    }, //
};

/// What is copied from user space, and says itself how large it is.
///
/// # Safety
///
/// All values of all bytes are valid, and the offset is that of a `u32`.
unsafe trait Args: Sized {
    const SIZE_AT: usize;
}

/// What also says how far the kernel has come, in a `u64`.
trait Progress: Args {
    const DONE_AT: usize;
}

// SAFETY: It consists of integers.
unsafe impl Args for bindings::rmfd_load {
    const SIZE_AT: usize = offset_of!(Self, size);
}

impl Progress for bindings::rmfd_load {
    const DONE_AT: usize = offset_of!(Self, done);
}

// SAFETY: It consists of integers.
unsafe impl Args for bindings::rmfd_load_fd {
    const SIZE_AT: usize = offset_of!(Self, size);
}

impl Progress for bindings::rmfd_load_fd {
    const DONE_AT: usize = offset_of!(Self, done);
}

// SAFETY: It consists of integers.
unsafe impl Args for bindings::rmfd_collapse {
    const SIZE_AT: usize = offset_of!(Self, size);
}

impl Progress for bindings::rmfd_collapse {
    const DONE_AT: usize = offset_of!(Self, done);
}

// SAFETY: It consists of integers.
unsafe impl Args for bindings::rmfd_mbind {
    const SIZE_AT: usize = offset_of!(Self, size);
}

/// The arguments say themselves how large they are, so that they can grow. The number does, too,
/// and changes when they do, so it is compared without that.
const fn without_size(cmd: c_uint) -> c_uint {
    cmd & !(uapi::_IOC_SIZEMASK << uapi::_IOC_SIZESHIFT)
}

const LOAD: c_uint = without_size(_IOWR::<bindings::rmfd_load>(bindings::RMFD_IOC, 0x00));
const LOAD_FD: c_uint = without_size(_IOWR::<bindings::rmfd_load_fd>(bindings::RMFD_IOC, 0x01));
const MBIND: c_uint = without_size(_IOW::<bindings::rmfd_mbind>(bindings::RMFD_IOC, 0x02));
const COLLAPSE: c_uint = without_size(_IOWR::<bindings::rmfd_collapse>(bindings::RMFD_IOC, 0x03));

/// Does what an ioctl asks for.
///
/// # Safety
///
/// `file` is a restricted file, open for the duration of the call, by a task of user space.
pub(super) unsafe extern "C" fn ioctl(
    file: *mut bindings::file,
    cmd: c_uint,
    arg: c_ulong,
) -> c_long {
    from_result(|| {
        // SAFETY: Promised by the caller.
        let state = unsafe { state(bindings::file_inode(file)) };

        match without_size(cmd) {
            LOAD => with_progress(arg, |args, done| load(state, args, done))?,
            LOAD_FD => with_progress(arg, |args, done| load_fd(state, args, done))?,
            COLLAPSE => with_progress(arg, |args, done| collapse(state, args, done))?,
            MBIND => mbind(state, &read(arg)?)?,
            _ => return Err(ENOTTY),
        }
        Ok(0)
    })
}

/// Loads from memory of the caller.
fn load(state: &RestrictedFile, args: &bindings::rmfd_load, done: &mut usize) -> Result {
    let range = target(args.offset, args.len, args.flags)?;

    state.load(&range, &mut UserMemory::new(args.addr, args.len)?, done)
}

/// Loads from another file.
fn load_fd(state: &RestrictedFile, args: &bindings::rmfd_load_fd, done: &mut usize) -> Result {
    let range = target(args.offset, args.len, args.flags | args.reserved)?;
    let mut source = SourceFile::new(args.fd, args.source_offset, args.len)?;

    state.load(&range, &mut source, done)
}

/// Makes memory large again.
fn collapse(state: &RestrictedFile, args: &bindings::rmfd_collapse, done: &mut usize) -> Result {
    state.collapse(&target(args.offset, args.len, args.flags)?, done)
}

/// Sets where memory comes from.
fn mbind(state: &RestrictedFile, args: &bindings::rmfd_mbind) -> Result {
    let range = target(args.offset, args.len, args.flags | args.reserved)?;
    let policy = UserPolicy {
        mode: i32::try_from(args.mode)?,
        nodes: UserPtr::from_addr(usize::try_from(args.nodemask)?),
        max_node: usize::try_from(args.maxnode)?,
    };

    state.set_policy(range, &policy)
}

/// Checks what all of them say in the same words.
fn target(offset: u64, len: u64, flags: u32) -> Result<Pages> {
    if flags != 0 {
        return Err(EINVAL);
    }

    range::from_bytes(i64::try_from(offset)?, i64::try_from(len)?)
}

/// Reads arguments from user space, calls `f`, and tells user space how many pages `f` has counted.
fn with_progress<T: Progress>(arg: usize, f: impl FnOnce(&T, &mut usize) -> Result) -> Result {
    let args: T = read(arg)?;
    let mut done = 0;

    let result = f(&args, &mut done);
    UserSlice::new(
        UserPtr::from_addr(arg.wrapping_add(T::DONE_AT)),
        size_of::<u64>(),
    )
    .writer()
    .write(&((done as u64) << PAGE_SHIFT))?;
    result
}

/// Reads arguments that say themselves how large they are.
fn read<T: Args>(arg: usize) -> Result<T> {
    let size: u32 = UserSlice::new(
        UserPtr::from_addr(arg.wrapping_add(T::SIZE_AT)),
        size_of::<u32>(),
    )
    .reader()
    .read()?;
    let mut args = MaybeUninit::<T>::zeroed();

    // SAFETY: There is room for as many bytes as are asked for. The other address is not trusted.
    to_result(unsafe {
        bindings::restrictedmem_copy_args(
            args.as_mut_ptr().cast(),
            size_of::<T>(),
            arg as *const c_void,
            size,
        )
    })?;

    // SAFETY: Whatever its bytes are, they are valid.
    Ok(unsafe { args.assume_init() })
}
