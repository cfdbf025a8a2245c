// SPDX-License-Identifier: GPL-2.0

//! Reserving memory ahead of its use.

use kernel::prelude::*;

use core::cmp;

use crate::{
    ffi,
    file::RestrictedFile,
    provider::Provider,
    range::Pages, //
};

/// How many pages are reserved before others get their turn at the lock of the file.
const CHUNK: usize = 1024;

impl RestrictedFile {
    /// Reserves memory: allocates it, but does not make it present.
    ///
    /// On failure, exactly what this call added is gone again. That is why tmpfs cannot do it by
    /// itself: its undo removes every folio that is not uptodate, also one that an earlier call was
    /// promised, or whose populate is running.
    pub(crate) fn reserve(&self, range: Pages) -> Result {
        if range.end > self.memory.size() {
            return Err(EINVAL);
        }

        let _turn = self.reserving.lock_interruptible()?;
        let mut added = KVVec::new();

        let result = self.reserve_each(&range, &mut added);
        // Who is killed before there was anything to do does not wait for a lock.
        if result.is_err() && !added.is_empty() {
            self.undo(&added);
        }
        result
    }

    /// Reserves page by page, and notes what was added.
    fn reserve_each(&self, range: &Pages, added: &mut KVVec<Pages>) -> Result {
        let mut index = range.start;

        while index < range.end {
            let stop = cmp::min(range.end, index.saturating_add(CHUNK));
            // Keeps punches away from what is being noted.
            let _bindings = self.bindings.read()?;

            while index < stop {
                if ffi::killed() {
                    return Err(EINTR);
                }
                index = self.reserve_one(index, added)?;
            }
        }
        Ok(())
    }

    /// Reserves the folio at a page, and returns the page after it.
    fn reserve_one(&self, index: usize, added: &mut KVVec<Pages>) -> Result<usize> {
        added.reserve(1, GFP_KERNEL)?;

        // A first touch that fails must not remove what this call has relied on.
        let _touch = self.touch_lock(index)?;
        let folio = self.memory.allocate(index)?;
        let block = folio.pages_around(index);

        if !folio.is_uptodate() && !folio.is_dirty() {
            folio.mark_dirty();
            match added.last_mut() {
                Some(last) if last.end == block.start => last.end = block.end,
                _ => added.push(block.clone(), GFP_KERNEL)?,
            }
        }
        Ok(block.end)
    }

    /// Removes what was added and has not become present since.
    fn undo(&self, added: &[Pages]) {
        // Exclusive, because what a first touch is filling right now is not uptodate either.
        let _bindings = self.bindings.write_uninterruptible();

        for range in added {
            for (block, folio) in self.memory.folios(range.clone()) {
                if !folio.is_uptodate() {
                    self.forget(block);
                }
            }
        }
    }
}
