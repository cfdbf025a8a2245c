// SPDX-License-Identifier: GPL-2.0

//! What is known of a file: what happened to it, and what its memory is like.

use kernel::{
    mm::folio::Folio,
    page::PAGE_SIZE,
    prelude::*,
    rbtree::RBTree,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

use crate::{
    ffi,
    file::RestrictedFile,
    provider::Provider,
    range::Pages, //
};

/// From pages to KiB.
pub(crate) const KB: usize = PAGE_SIZE / 1024;

/// A number that anybody may change at any time.
pub(crate) struct Counter(Atomic<i64>);

impl Counter {
    const fn new() -> Self {
        Self(Atomic::new(0))
    }

    pub(crate) fn add(&self, more: usize) {
        self.0.add(more as i64, Relaxed);
    }

    pub(crate) fn sub(&self, less: usize) {
        self.0.add(-(less as i64), Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Relaxed) as usize
    }
}

/// What is counted when it happens, because the memory does not show it.
pub(crate) struct Counters {
    /// Bindings that there are.
    pub(crate) bindings: Counter,

    /// Pages that have left the file for ever.
    pub(crate) quarantined: Counter,

    /// Holes that were punched.
    pub(crate) punches: Counter,

    /// Operations that a consumer refused.
    pub(crate) refusals: Counter,

    /// Folios that became present.
    pub(crate) populates: Counter,

    /// Calls that loaded contents, in part at least.
    pub(crate) loads: Counter,
}

impl Counters {
    pub(crate) const fn new() -> Self {
        Self {
            bindings: Counter::new(),
            quarantined: Counter::new(),
            punches: Counter::new(),
            refusals: Counter::new(),
            populates: Counter::new(),
            loads: Counter::new(),
        }
    }
}

/// How many folios are looked at before it is somebody else's turn.
const CHUNK: usize = 1024;

/// How many orders a folio can have.
const ORDERS: usize = ffi::MAX_ORDER as usize + 1;

/// The memory of a file, in pages.
pub(crate) struct Census {
    present: [usize; ORDERS],
    by_node: RBTree<i32, usize>,
    pub(crate) reserved: usize,
    pub(crate) poisoned: usize,
}

impl Census {
    /// Looks at all memory of a file.
    ///
    /// There may be a lot of it, so this takes no lock. A reference keeps a folio from being split,
    /// so none is held but to a few folios at a time, and none while somebody else runs. What comes
    /// or goes meanwhile may be counted or not.
    ///
    /// [`EINTR`] if the caller is being killed, [`ENOMEM`].
    pub(crate) fn take(file: &RestrictedFile) -> Result<Self> {
        let mut census = Self {
            present: [0; ORDERS],
            by_node: RBTree::new(),
            reserved: 0,
            poisoned: 0,
        };

        let mut rest = 0..file.memory.size();
        loop {
            let mut folios = 0;

            for (block, folio) in file.memory.folios(rest.clone()).take(CHUNK) {
                census.add(&block, &folio)?;
                rest.start = block.end;
                folios += 1;
            }
            if folios < CHUNK {
                return Ok(census);
            }
            if ffi::killed() {
                return Err(EINTR);
            }
            ffi::cond_resched();
        }
    }

    fn add(&mut self, block: &Pages, folio: &Folio) -> Result {
        if folio.has_poison() {
            self.poisoned += block.clone().filter(|i| folio.is_poisoned(*i)).count();
        }
        if !folio.is_uptodate() {
            self.reserved += block.len();
            return Ok(());
        }

        if let Some(pages) = self.present.get_mut(folio.order() as usize) {
            *pages += block.len();
        }
        if let Some(pages) = self.by_node.get_mut(&folio.node()) {
            *pages += block.len();
        } else {
            self.by_node
                .try_create_and_insert(folio.node(), block.len(), GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Returns how much is present.
    pub(crate) fn present(&self) -> usize {
        self.present.iter().sum()
    }

    /// Returns how much is present in folios of more than one page.
    pub(crate) fn large(&self) -> usize {
        self.present.iter().skip(1).sum()
    }

    /// Visits the orders of which something is present.
    pub(crate) fn by_order(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.present
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, pages)| *pages != 0)
    }

    /// Visits the nodes on which something is present.
    pub(crate) fn by_node(&self) -> impl Iterator<Item = (i32, usize)> + '_ {
        self.by_node.iter().map(|(node, pages)| (*node, *pages))
    }
}
