// SPDX-License-Identifier: GPL-2.0

//! Memory from a tmpfs file.

use kernel::{
    bindings,
    mm::{
        compaction,
        folio::{
            Folio,
            LockedFolio, //
        },
        memcg::MemCgroup,
        mempolicy::UserPolicy,
        shmem::{
            ShmemFile,
            ShmemMount, //
        }, //
    },
    page::PAGE_SHIFT,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        SetOnce, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};

use crate::{
    ffi,
    provider::Provider,
    range::{
        self,
        Pages, //
    },
};

/// How often a folio is tried to be split, or to be replaced. References that reclaim or a lookup
/// take last for microseconds; a reference that is still there after so many milliseconds is a
/// consumer's.
const ATTEMPTS: usize = 10;

/// The mount for files with large folios. The kernel's own one mostly has none, and there is no
/// mapping that could ask for them by `madvise()`.
static LARGE: SetOnce<ShmemMount> = SetOnce::new();

/// Where a file gets its memory from.
pub(crate) enum Source {
    /// The kernel's internal mount.
    Default,
    /// The same, in folios as large as fit into the file.
    Large,
    /// A mount of the caller's, by its limits and policies.
    Mount(ShmemMount),
}

/// tmpfs says that it is full when there is no memory for an inode. The kernel's mounts never are.
fn no_memory(e: Error) -> Error {
    if e == ENOSPC {
        ENOMEM
    } else {
        e
    }
}

/// Tries what a passing reference to a folio may forbid.
fn retry(attempt: impl Fn() -> Result) -> Result {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(e) if e == EAGAIN || e == EBUSY => fsleep(Delta::from_millis(1)),
            result => return result,
        }
    }
    attempt()
}

/// A file of tmpfs.
pub(crate) struct Tmpfs {
    file: ShmemFile,
    creator: MemCgroup,
    is_large: bool,
    has_failed: Atomic<bool>,
}

impl Tmpfs {
    /// Prepares the mount for large folios, when the kernel starts.
    pub(crate) fn init() {
        if cfg!(not(all(CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_TMPFS))) {
            return;
        }
        match ShmemMount::new_internal(c"within_size") {
            Ok(mount) => {
                LARGE.populate(mount);
            }
            Err(e) => pr_warn!("no large folios: {e:?}\n"),
        }
    }

    /// Creates an empty file. All of its memory is charged to the current task's memory cgroup,
    /// whoever touches it first.
    pub(crate) fn new(source: &Source) -> Result<Self> {
        const NAME: &CStr = c"restrictedmem";
        let is_large = matches!(source, Source::Large);
        let file = match (source, LARGE.as_ref()) {
            (Source::Mount(mount), _) => ShmemFile::new_on(mount, NAME)?,
            (Source::Large, Some(mount)) => ShmemFile::new_on(mount, NAME).map_err(no_memory)?,
            _ => ShmemFile::new(NAME).map_err(no_memory)?,
        };

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
            is_large,
            has_failed: Atomic::new(false),
        })
    }

    /// Returns the address of the mapping, by which a memory error finds the file.
    pub(crate) fn mapping_address(&self) -> usize {
        self.file.mapping().as_ptr() as usize
    }

    /// Returns whether a fresh folio would have been larger but for the lack of a free block. tmpfs
    /// takes what is there; without a mapping nothing tells it that waiting is worth it.
    fn could_be_larger(&self, block: &Pages) -> bool {
        let pages = 1usize << ffi::MAX_ORDER;
        let start = block.start & !(pages - 1);
        let largest = start..start.saturating_add(pages);

        block.len() < pages && largest.end <= self.size() && self.folios(largest).nth(1).is_none()
    }

    /// Makes each page with a memory error a folio of its own.
    ///
    /// The kernel keeps such a folio to itself when it is freed, but does not look for such a page
    /// in a large one, and would hand it out again. A reference can be in the way; then it does.
    fn single_out_failed(&self, range: &Pages) {
        let mut rest = range.clone();

        while let Some(index) = self.first_failed(&rest) {
            let _ = self.split(index);
            let _ = self.split(index.wrapping_add(1));
            rest.start = index.saturating_add(1);
        }
    }

    /// Finds the first page with a memory error in a large folio.
    fn first_failed(&self, range: &Pages) -> Option<usize> {
        self.folios(range.clone())
            .filter(|(_, folio)| folio.order() > 0 && folio.has_poison())
            .find_map(|(block, folio)| {
                range::intersection(&block, range).find(|index| folio.is_poisoned(*index))
            })
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

    fn set_policy(&self, range: Pages, policy: &UserPolicy) -> Result {
        self.file.set_policy(range, policy)
    }

    #[inline]
    fn lookup(&self, index: usize) -> Option<ARef<Folio>> {
        self.file.mapping().folio(index)
    }

    fn allocate(&self, index: usize) -> Result<LockedFolio> {
        let _charge = self.creator.charge();
        let size = self.size();
        let mut worth_an_effort = self.is_large;

        loop {
            let folio = self.file.folio_for_write(index)?;
            let block = folio.pages_around(index);

            if folio.is_dirty() || folio.is_uptodate() {
                return Ok(folio);
            }
            // With huge=always tmpfs gives a large folio to a small file. Nobody could use what is
            // beyond the end, nor punch it out; a split drops it.
            if block.end > size {
                if folio.split_at(size).is_err() {
                    return Ok(folio);
                }
                continue;
            }
            if !worth_an_effort || !self.could_be_larger(&block) {
                return Ok(folio);
            }

            worth_an_effort = false;
            drop(folio);
            self.remove(block);
            // Without it the next round gets what this one got.
            let _ = compaction::make_room(ffi::MAX_ORDER);
        }
    }

    fn folios(&self, range: Pages) -> impl Iterator<Item = (Pages, ARef<Folio>)> {
        self.file.mapping().folios(range)
    }

    fn split(&self, index: usize) -> Result {
        retry(|| self.try_split(index)).map_err(|e| if e == EBUSY { EAGAIN } else { e })
    }

    fn collapse(&self, start: usize) -> Result {
        let _charge = self.creator.charge();

        retry(|| self.file.collapse(start))
    }

    fn memory_failed(&self) {
        self.has_failed.store(true, Relaxed);
    }

    fn remove(&self, range: Pages) {
        if self.has_failed.load(Relaxed) {
            self.single_out_failed(&range);
        }
        self.file.remove(range);
    }

    fn seek(&self, offset: i64, data: bool) -> Result<i64> {
        let inode = self.file.inode();

        inode.mapping().seek(offset, inode.size(), data)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        if self.has_failed.load(Relaxed) {
            self.single_out_failed(&(0..self.size()));
        }
    }
}
