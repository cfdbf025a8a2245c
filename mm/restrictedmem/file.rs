// SPDX-License-Identifier: GPL-2.0

//! The state of one restricted file, from its creation to its eviction.

use kernel::{
    mm::{
        address_space::InvalidateLocked,
        memlock::LockedMemory,
        mempolicy::UserPolicy, //
    },
    new_mutex,
    page::PAGE_SHIFT,
    prelude::*,
    sync::{
        Mutex,
        MutexGuard,
        SetOnce, //
    },
};

use crate::{
    bindings::Bindings,
    ffi::{
        self,
        WeakFile, //
    },
    owner::Owner,
    provider::Provider,
    range::{
        self,
        Pages, //
    },
    registry,
    stat::Counters,
    tmpfs::{
        Source,
        Tmpfs, //
    },
};

/// First touches of different blocks wait for each other only if they share one of these locks.
const TOUCH_LOCKS: usize = 16;

/// One file. Lives as long as its inode.
#[pin_data(PinnedDrop)]
pub(crate) struct RestrictedFile {
    /// By which user space knows the inode.
    pub(crate) number: u64,
    pub(crate) owner: Owner,
    pub(crate) counters: Counters,

    pub(crate) memory: Tmpfs,
    /// All of it, if it counts as locked memory of whoever set the size.
    locked: SetOnce<LockedMemory>,
    pub(crate) bindings: InvalidateLocked<Bindings>,

    /// Held by whoever reserves, until it has succeeded or has undone what it did: a second caller
    /// must not rely on memory that the first one is about to remove.
    #[pin]
    pub(crate) reserving: Mutex<()>,

    #[pin]
    touching: [Mutex<()>; TOUCH_LOCKS],
}

impl RestrictedFile {
    /// Creates the state of the inode of that number.
    pub(crate) fn new(
        bindings: InvalidateLocked<Bindings>,
        number: u64,
        source: &Source,
    ) -> Result<Pin<KBox<Self>>> {
        let memory = Tmpfs::new(source)?;

        KBox::pin_init(
            pin_init!(Self {
                number,
                owner: Owner::current(),
                counters: Counters::new(),
                memory,
                locked: SetOnce::new(),
                bindings,
                reserving <- new_mutex!((), "restrictedmem reserve"),
                touching <- pin_init::pin_init_array_from_fn(
                    |_| new_mutex!((), "restrictedmem first touch")
                ),
            }),
            GFP_KERNEL,
        )
    }

    /// Makes the file known to memory errors, and to whoever lists all files. Its inode has its
    /// state by now: from here on others look at it.
    pub(crate) fn register(&self, inode: WeakFile) -> Result {
        registry::add(self.memory.mapping_address(), inode)
    }

    /// Checks whether the size may be set, which happens once, and returns it in pages. The caller
    /// holds the lock of the inode.
    pub(crate) fn check_size(&self, bytes: i64) -> Result<usize> {
        let pages = range::from_bytes(0, bytes)?;

        if pages.is_empty() {
            return Err(EINVAL);
        }
        if self.memory.size() != 0 {
            return Err(EPERM);
        }

        Ok(pages.end)
    }

    /// Sets the size, which was checked. The caller still holds the lock of the inode.
    pub(crate) fn set_size(&self, pages: usize) -> Result {
        // By size and at once, as for `memfd_secret()`: who touches memory first, and when, is up
        // to consumers, and they cannot know whose limit it is.
        if ffi::counts_as_locked() {
            self.locked
                .populate(LockedMemory::new(pages << PAGE_SHIFT)?);
        }
        self.memory.set_size(pages);
        Ok(())
    }

    /// Sets where the memory of a range comes from, from now on.
    pub(crate) fn set_policy(&self, range: Pages, policy: &UserPolicy) -> Result {
        if range.is_empty() || range.end > self.memory.size() {
            return Err(EINVAL);
        }
        self.memory.set_policy(range, policy)
    }

    /// Locks the first touch of the block around a page.
    pub(crate) fn touch_lock(&self, index: usize) -> Result<MutexGuard<'_, ()>> {
        let block = index >> ffi::MAX_ORDER;

        self.touching
            .get(block % TOUCH_LOCKS)
            .ok_or(EINVAL)?
            .lock_interruptible()
    }

    /// Removes a range that only the kernel's reservation, and no consumer, knows of.
    pub(crate) fn forget(&self, range: Pages) {
        self.memory.remove(range);
    }
}

#[pinned_drop]
impl PinnedDrop for RestrictedFile {
    fn drop(self: Pin<&mut Self>) {
        registry::remove(self.memory.mapping_address());
    }
}
