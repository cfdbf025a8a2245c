// SPDX-License-Identifier: GPL-2.0

//! Memory from a tmpfs file.

use kernel::{
    bindings,
    mm::{
        folio::{
            Folio,
            LockedFolio, //
        },
        memcg::MemCgroup,
        shmem::ShmemFile, //
    },
    page::PAGE_SHIFT,
    prelude::*,
    sync::aref::ARef,
    time::{
        delay::fsleep,
        Delta, //
    },
};

use crate::{
    provider::Provider,
    range::Pages, //
};

/// How often a split is tried. References that reclaim or a lookup take last for microseconds; a
/// reference that is still there after so many milliseconds is a consumer's.
const SPLIT_ATTEMPTS: usize = 10;

/// A file on the kernel's internal tmpfs mount.
pub(crate) struct Tmpfs {
    file: ShmemFile,
    creator: MemCgroup,
}

impl Tmpfs {
    /// Creates an empty file. All of its memory is charged to the current task's memory cgroup,
    /// whoever touches it first.
    pub(crate) fn new() -> Result<Self> {
        let file = ShmemFile::new(c"restrictedmem")?;

        // Nothing may move what a consumer has mapped, nor write it out.
        file.mapping().set_inaccessible();
        // Unmovable memory must not lie where the kernel counts on moving it. And a creator's
        // cgroup that is full is no reason to kill the creator for somebody else's first touch.
        file.mapping().change_gfp_mask(
            1 << bindings::___GFP_RETRY_MAYFAIL_BIT | 1 << bindings::___GFP_NOWARN_BIT,
            1 << bindings::___GFP_MOVABLE_BIT,
        );

        Ok(Self {
            file,
            creator: MemCgroup::of_current(),
        })
    }

    /// Returns the address of the mapping, by which a memory error finds the file.
    pub(crate) fn mapping_address(&self) -> usize {
        self.file.mapping().as_ptr() as usize
    }

    fn try_split(&self, index: usize) -> Result {
        let Some(folio) = self.lookup(index) else {
            return Ok(());
        };
        if folio.pages_around(index).start == index {
            return Ok(());
        }

        folio.lock().split_at(index)
    }
}

impl Provider for Tmpfs {
    fn size(&self) -> usize {
        self.file.inode().size() as usize >> PAGE_SHIFT
    }

    fn set_size(&self, pages: usize) {
        self.file.inode().set_size((pages as i64) << PAGE_SHIFT);
    }

    fn blocks(&self) -> u64 {
        self.file.inode().blocks()
    }

    #[inline]
    fn lookup(&self, index: usize) -> Option<ARef<Folio>> {
        self.file.mapping().folio(index)
    }

    fn allocate(&self, index: usize) -> Result<LockedFolio> {
        let _charge = self.creator.charge();
        let size = self.size();

        loop {
            let folio = self.file.folio_for_write(index)?;
            let fresh = !folio.is_dirty() && !folio.is_uptodate();

            // With huge=always tmpfs gives a large folio to a small file. Nobody could use what is
            // beyond the end, nor punch it out; a split drops it.
            if !fresh || folio.pages_around(index).end <= size || folio.split_at(size).is_err() {
                return Ok(folio);
            }
        }
    }

    fn folios(&self, range: Pages) -> impl Iterator<Item = (Pages, ARef<Folio>)> {
        self.file.mapping().folios(range)
    }

    fn split(&self, index: usize) -> Result {
        for _ in 1..SPLIT_ATTEMPTS {
            match self.try_split(index) {
                Err(e) if e == EAGAIN || e == EBUSY => fsleep(Delta::from_millis(1)),
                result => return result,
            }
        }

        self.try_split(index)
            .map_err(|e| if e == EBUSY { EAGAIN } else { e })
    }

    fn remove(&self, range: Pages) {
        self.file.remove(range);
    }

    fn seek(&self, offset: i64, data: bool) -> Result<i64> {
        let inode = self.file.inode();

        inode.mapping().seek(offset, inode.size(), data)
    }
}
