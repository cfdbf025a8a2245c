// SPDX-License-Identifier: GPL-2.0

//! A file of restricted memory as a program would have it, for tests.

use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::File,
    page::PAGE_SHIFT,
    prelude::*,
    sync::aref::ARef, //
};

use core::{
    ops::Range,
    ptr::NonNull, //
};

/// Converts pages to bytes.
fn bytes(pages: usize) -> Result<i64> {
    let bytes = pages.checked_mul(1 << PAGE_SHIFT).ok_or(EINVAL)?;

    Ok(bytes.try_into()?)
}

/// Makes a file of so many pages.
pub(crate) fn create(pages: usize) -> Result<ARef<File>> {
    let size = bytes(pages)?;

    // SAFETY: The name is nul-terminated, and we are in process context.
    let file = unsafe { bindings::restrictedmem_create_named(c"gunyah".as_char_ptr()) };
    let file = from_err_ptr(file)?;
    let file = NonNull::new(file).ok_or(ENOMEM)?;
    // SAFETY: The new file comes with a reference for us. No descriptor refers to it.
    let file: ARef<File> = unsafe { ARef::from_raw(file.cast()) };

    // SAFETY: The file is referenced and open for writing, and its mount maps no ids.
    to_result(unsafe {
        bindings::do_truncate(
            &raw mut bindings::nop_mnt_idmap,
            (*file.as_ptr()).__bindgen_anon_1.f_path.dentry,
            size,
            0,
            file.as_ptr(),
        )
    })?;
    Ok(file)
}

/// Punches a hole.
pub(crate) fn punch(file: &File, pages: Range<usize>) -> Result {
    let mode = bindings::FALLOC_FL_PUNCH_HOLE | bindings::FALLOC_FL_KEEP_SIZE;

    // SAFETY: The file is referenced and open for writing.
    to_result(unsafe {
        bindings::vfs_fallocate(
            file.as_ptr(),
            mode as c_int,
            bytes(pages.start)?,
            bytes(pages.len())?,
        )
    })
}
