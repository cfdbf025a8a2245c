// SPDX-License-Identifier: GPL-2.0

//! Where initial contents come from: memory of the caller, or another file.

use kernel::{
    bindings,
    error::to_result,
    fs::LocalFile,
    mm::folio::Folio,
    page::{
        PAGE_MASK,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::aref::ARef, //
};

use core::cmp;

use crate::load::{
    Source,
    BATCH, //
};

/// Memory of the caller.
///
/// # Invariants
///
/// The first `pinned` entries of `pages` are pinned, and hold the memory from `addr` on, which
/// begins in the first of them.
pub(super) struct UserMemory {
    addr: usize,
    pages: KVVec<*mut bindings::page>,
    pinned: usize,
    /// What was fetched last, in whole pages of the target.
    fetched: usize,
}

impl UserMemory {
    /// Prepares to take `len` bytes, all of which are below the end of the address space.
    pub(super) fn new(addr: u64, len: u64) -> Result<Self> {
        let addr = usize::try_from(addr).map_err(|_| EFAULT)?;
        let pages = cmp::min(len as usize >> PAGE_SHIFT, BATCH);

        addr.checked_add(len as usize)
            .and_then(|end| end.checked_add(PAGE_SIZE))
            .ok_or(EFAULT)?;
        // INVARIANT: Nothing is pinned.
        Ok(Self {
            addr,
            // One more, for memory that begins inside a page.
            pages: KVVec::from_elem(core::ptr::null_mut(), pages + 1, GFP_KERNEL_ACCOUNT)?,
            pinned: 0,
            fetched: 0,
        })
    }

    /// Where in its first page the memory begins.
    fn offset(&self) -> usize {
        self.addr & !PAGE_MASK
    }

    /// How many whole pages of the target the pinned pages fill.
    fn whole_pages(&self) -> usize {
        self.pinned.saturating_sub(usize::from(self.offset() != 0))
    }

    /// Pins some more of the first `wanted` pages.
    fn pin(&mut self, wanted: usize) -> Result {
        let addr = (self.addr & PAGE_MASK) + (self.pinned << PAGE_SHIFT);
        let slots = self.pages.get_mut(self.pinned..wanted).ok_or(EINVAL)?;

        // SAFETY: `slots` has room for as many pages as are asked for.
        let pinned =
            unsafe { bindings::restrictedmem_pin(addr, slots.len() as c_int, slots.as_mut_ptr()) };

        to_result(pinned)?;
        // INVARIANT: So many more entries were filled with pinned pages.
        self.pinned += pinned as usize;
        Ok(())
    }

    fn unpin(&mut self) {
        // SAFETY: By the type invariants these are pinned, and we forget them below.
        unsafe { bindings::unpin_user_pages(self.pages.as_mut_ptr(), self.pinned) };
        self.pinned = 0;
    }
}

impl Source for UserMemory {
    fn fetch(&mut self, pages: usize) -> Result<usize> {
        let wanted = pages + usize::from(self.offset() != 0);

        self.unpin();
        // INVARIANT: Nothing is pinned. This does not wrap: `new` saw the end of all of it.
        self.addr += self.fetched << PAGE_SHIFT;
        self.fetched = 0;

        while self.pinned < wanted {
            match self.pin(wanted) {
                Err(e) if self.whole_pages() == 0 => return Err(e),
                Err(_) => break,
                Ok(()) => (),
            }
        }

        self.fetched = self.whole_pages();
        Ok(self.fetched)
    }

    fn copy(&self, nth: usize, folio: &Folio, index: usize) -> Result {
        let needed = 1 + usize::from(self.offset() != 0);
        let from = self.pages.get(nth..self.pinned).ok_or(EINVAL)?;

        if from.len() < needed {
            return Err(EINVAL);
        }
        if folio.is_poisoned(index) {
            return Err(EHWPOISON);
        }

        // SAFETY: The target lies in the folio, which is alive. By the type invariants `from` are
        // pinned pages, and they are as many as a page from there on needs.
        unsafe {
            bindings::restrictedmem_copy_pinned(
                folio.page(index),
                from.as_ptr().cast_mut(),
                self.offset(),
            )
        };
        Ok(())
    }
}

impl Drop for UserMemory {
    fn drop(&mut self) {
        self.unpin();
    }
}

/// Another file, which is read into memory of the kernel first.
pub(super) struct SourceFile {
    file: ARef<LocalFile>,
    offset: i64,
    buffer: KVVec<u8>,
    fetched: usize,
}

impl SourceFile {
    /// Prepares to read `len` bytes from `offset` on.
    ///
    /// [`EBADF`], [`EISDIR`] and [`ESPIPE`] as `pread(2)`; [`EINVAL`] for a restricted file, whose
    /// contents nobody reads, and for an offset or an end that no file has.
    pub(super) fn new(fd: i32, offset: u64, len: u64) -> Result<Self> {
        let file = LocalFile::fget(fd as u32)?;
        let offset = i64::try_from(offset).map_err(|_| EINVAL)?;
        let pages = cmp::min(len as usize >> PAGE_SHIFT, BATCH);

        // SAFETY: The file is open.
        to_result(unsafe { bindings::restrictedmem_check_source(file.as_ptr()) })?;
        i64::try_from(len)
            .ok()
            .and_then(|len| offset.checked_add(len))
            .ok_or(EINVAL)?;

        Ok(Self {
            file,
            offset,
            buffer: KVVec::from_elem(0, pages << PAGE_SHIFT, GFP_KERNEL_ACCOUNT)?,
            fetched: 0,
        })
    }

    /// Reads some bytes from a place, counted in what is fetched now, to the same place of the
    /// buffer. Returns how many; 0 at the end of the file.
    fn read(&mut self, from: usize, to: usize) -> Result<usize> {
        let mut offset = self.offset + from as i64;
        let buffer = self.buffer.get_mut(from..to).ok_or(EINVAL)?;

        // SAFETY: The file is open, and was checked to be one that can be read at an offset. The
        // buffer is ours.
        let read = unsafe {
            bindings::kernel_read(
                self.file.as_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &mut offset,
            )
        };

        match usize::try_from(read) {
            Ok(read) => Ok(read),
            Err(_) => Err(without_restart(Error::from_errno(read as c_int))),
        }
    }
}

/// An interrupted read may ask for its system call to be made again, which is not ours.
fn without_restart(error: Error) -> Error {
    let restarts = [
        ERESTARTSYS,
        ERESTARTNOINTR,
        ERESTARTNOHAND,
        ERESTART_RESTARTBLOCK,
    ];

    if restarts.contains(&error) {
        EINTR
    } else {
        error
    }
}

impl Source for SourceFile {
    fn fetch(&mut self, pages: usize) -> Result<usize> {
        let wanted = pages << PAGE_SHIFT;
        let mut have = 0;

        // This does not wrap: `new` saw the end of all of it.
        self.offset += (self.fetched << PAGE_SHIFT) as i64;
        self.fetched = 0;

        while have < wanted {
            match self.read(have, wanted) {
                Ok(0) if have == 0 => return Err(ENODATA),
                // The rest of the last page is zeroes, as where a file is mapped.
                Ok(0) => {
                    let end = have.next_multiple_of(PAGE_SIZE);

                    self.buffer.get_mut(have..end).ok_or(EINVAL)?.fill(0);
                    have = end;
                    break;
                }
                Ok(read) => have += read,
                Err(e) if have < PAGE_SIZE => return Err(e),
                Err(_) => break,
            }
        }

        self.fetched = have >> PAGE_SHIFT;
        Ok(self.fetched)
    }

    fn copy(&self, nth: usize, folio: &Folio, index: usize) -> Result {
        let from = nth << PAGE_SHIFT;

        let page = self.buffer.get(from..from + PAGE_SIZE).ok_or(EINVAL)?;
        folio.write_bytes(index, 0, page)
    }
}
