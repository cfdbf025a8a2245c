// SPDX-License-Identifier: GPL-2.0

//! What the resource manager can keep in mind.
//!
//! Beyond some of its limits it does not refuse, it falls silent, and whoever waits for an answer
//! waits for ever. So they are kept here.

use kernel::prelude::*;

/// How much the resource manager can take.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Pieces of memory in one message. It refuses more.
    pub(crate) batch: usize,
    /// Parcels that are lent at a time, all machines together. It refuses more.
    pub(crate) parcels: usize,
    /// Pieces of memory that are lent at a time, all machines together. Its heap is full at about
    /// 5600, and then it drops what it is sent.
    pub(crate) entries: usize,
}

impl Limits {
    /// Those of the public one, with some distance from where it falls silent.
    pub(crate) const PUBLIC: Self = Self {
        batch: 512,
        parcels: 64,
        entries: 4096,
    };
}

/// How much of it is used.
pub(crate) struct Budget {
    limits: Limits,
    parcels: usize,
    entries: usize,
}

impl Budget {
    /// Begins with nothing used.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            parcels: 0,
            entries: 0,
        }
    }

    /// Makes sure that a parcel of so many entries can be lent, and counts it.
    ///
    /// # Errors
    ///
    /// - [`ENOSPC`]: too many parcels are lent.
    /// - [`E2BIG`]: together with what is lent, the memory is in too many pieces.
    pub(crate) fn take(&mut self, entries: usize) -> Result {
        let total = self.entries.checked_add(entries).ok_or(E2BIG)?;

        if self.parcels >= self.limits.parcels {
            return Err(ENOSPC);
        }
        if total > self.limits.entries {
            return Err(E2BIG);
        }
        self.parcels += 1;
        self.entries = total;
        Ok(())
    }

    /// A parcel that was counted is not lent any more.
    pub(crate) fn give_back(&mut self, entries: usize) {
        self.parcels = self.parcels.saturating_sub(1);
        self.entries = self.entries.saturating_sub(entries);
    }

    /// Returns the number of parcels, and that of entries, that are counted.
    #[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
    pub(crate) fn used(&self) -> (usize, usize) {
        (self.parcels, self.entries)
    }
}

#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
#[kunit_tests(gunyah_limits)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_counted() -> Result {
        let mut budget = Budget::new(Limits {
            batch: 2,
            parcels: 2,
            entries: 10,
        });

        budget.take(4)?;
        let too_many_entries = budget.take(7);
        budget.take(6)?;
        let too_many_parcels = budget.take(0);
        budget.give_back(4);
        budget.take(4)?;
        let used = budget.used();

        assert!(too_many_entries == Err(E2BIG));
        assert!(too_many_parcels == Err(ENOSPC));
        assert!(used == (2, 10));
        assert!(budget.take(usize::MAX) == Err(E2BIG));
        Ok(())
    }
}
