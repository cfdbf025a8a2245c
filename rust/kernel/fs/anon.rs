// SPDX-License-Identifier: GPL-2.0

//! Files that have no name and share one inode, for objects that user space has a descriptor of.
//!
//! C header: [`include/linux/anon_inodes.h`](srctree/include/linux/anon_inodes.h)

use crate::{
    bindings,
    error::{
        from_err_ptr,
        Result, //
    },
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_ulong, //
    },
    fs::{
        file::FileDescriptorReservation,
        File, //
    },
    module::this_module,
    prelude::*,
    sync::aref::ARef,
    types::ForeignOwnable, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// What stands behind a file.
#[vtable]
pub trait AnonFile: Sized + 'static {
    /// What `/proc` shows as the file, in brackets by custom.
    const NAME: &'static CStr;

    /// What the file owns. Dropped when the file is released, in a context that may sleep.
    type Ptr: ForeignOwnable + Send + Sync;

    /// Handles an ioctl, also of a 32-bit program: types must look the same to both.
    fn ioctl(
        data: <Self::Ptr as ForeignOwnable>::Borrowed<'_>,
        cmd: u32,
        arg: usize,
    ) -> Result<isize>;
}

struct VTable<T: AnonFile>(PhantomData<T>);

impl<T: AnonFile> VTable<T> {
    const FOPS: bindings::file_operations = bindings::file_operations {
        release: Some(Self::release),
        unlocked_ioctl: Some(Self::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: bindings::compat_ptr_ioctl,
        owner: this_module::<T::OwnerModule>().as_ptr(),
        ..pin_init::zeroed()
    };

    const fn fops() -> &'static bindings::file_operations {
        &Self::FOPS
    }

    /// # Safety
    ///
    /// `file` is one that [`open`] made with this `T`, and is being released.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The private data comes from `into_foreign()` in `open()`, and nobody uses the
        // file any more.
        drop(unsafe { T::Ptr::from_foreign((*file).private_data) });
        0
    }

    /// # Safety
    ///
    /// `file` is one that [`open`] made with this `T`.
    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: The private data comes from `into_foreign()` in `open()`, and the file is not
        // released before this call returns.
        let data = unsafe { T::Ptr::borrow((*file).private_data) };

        match T::ioctl(data, cmd, arg) {
            Ok(result) => result as c_long,
            Err(error) => error.to_errno() as c_long,
        }
    }
}

/// Makes a file, which is open for reading and writing and owns `data`.
///
/// # Context
///
/// May sleep.
pub fn open<T: AnonFile>(data: T::Ptr) -> Result<ARef<File>> {
    let data = data.into_foreign();

    // SAFETY: The name is nul-terminated, the operations are `'static` and expect such data.
    let file = from_err_ptr(unsafe {
        bindings::anon_inode_getfile(
            T::NAME.as_char_ptr(),
            VTable::<T>::fops(),
            data,
            bindings::O_RDWR as c_int,
        )
    });
    let file = file.and_then(|file| NonNull::new(file).ok_or(ENOMEM));
    if file.is_err() {
        // SAFETY: It comes from `into_foreign()` above, and no file took it over.
        drop(unsafe { T::Ptr::from_foreign(data) });
    }

    // SAFETY: The new file comes with a reference for us. No descriptor refers to it.
    Ok(unsafe { ARef::from_raw(file?.cast()) })
}

/// Makes a file as [`open`] does, and a descriptor of it, which is closed on exec.
///
/// # Context
///
/// May sleep.
pub fn open_fd<T: AnonFile>(data: T::Ptr) -> Result<u32> {
    // First, so that a file that has become visible cannot fail any more.
    let reservation = FileDescriptorReservation::get_unused_fd_flags(bindings::O_CLOEXEC)?;
    let file = open::<T>(data)?;
    let fd = reservation.reserved_fd();

    reservation.fd_install(file);
    Ok(fd)
}
