// SPDX-License-Identifier: GPL-2.0

//! Memory in pieces that are physically contiguous: how it lies in the file, and how the resource
//! manager is told.

use kernel::{
    page::PAGE_SHIFT,
    prelude::*, //
};

use core::ops::Range;

/// The resource manager knows no addresses from here on.
const ADDRESS_LIMIT: u64 = 1 << 44;

/// A piece of memory as the resource manager is told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// Where the host sees it, in bytes. That is its physical address.
    pub(crate) address: u64,
    /// Bytes.
    pub(crate) size: u64,
}

/// Where some pages of a file are.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Run {
    pages: Range<usize>,
    pfn: usize,
}

/// Where the memory of a file is, in the order of the file. Pieces that touch are one.
pub(crate) struct Runs(KVVec<Run>);

impl Runs {
    /// Makes a list of nothing.
    pub(crate) fn new() -> Self {
        Self(KVVec::new())
    }

    /// Adds pages that come after all that are there.
    pub(crate) fn push(&mut self, pages: Range<usize>, pfn: usize) -> Result {
        if pages.is_empty() {
            return Ok(());
        }
        if let Some(last) = self.0.as_mut_slice().last_mut() {
            if last.pages.end == pages.start && last.pfn.checked_add(last.pages.len()) == Some(pfn)
            {
                last.pages.end = pages.end;
                return Ok(());
            }
        }

        Ok(self.0.push(Run { pages, pfn }, GFP_KERNEL)?)
    }

    /// Returns the same without the pages in `hole`.
    pub(crate) fn without(&self, hole: &Range<usize>) -> Result<Self> {
        let mut rest = Self::new();

        for Run { pages, pfn } in &self.0 {
            let before = pages.start..pages.end.min(hole.start);
            let after = pages.start.max(hole.end)..pages.end;

            rest.push(before, *pfn)?;
            if !after.is_empty() {
                let skipped = after.start.saturating_sub(pages.start);
                rest.push(after, pfn.checked_add(skipped).ok_or(EOVERFLOW)?)?;
            }
        }
        Ok(rest)
    }

    /// Returns the number of pages.
    pub(crate) fn pages(&self) -> usize {
        self.0.iter().map(|run| run.pages.len()).sum()
    }

    /// Lists the pieces for the resource manager.
    ///
    /// # Errors
    ///
    /// - [`ERANGE`]: memory that is too far up.
    pub(crate) fn entries(&self) -> Result<KVVec<Entry>> {
        let mut entries = KVVec::with_capacity(self.0.len(), GFP_KERNEL)?;

        for run in &self.0 {
            let address = bytes(run.pfn)?;
            let size = bytes(run.pages.len())?;

            if address
                .checked_add(size)
                .is_none_or(|end| end > ADDRESS_LIMIT)
            {
                return Err(ERANGE);
            }
            entries.push(Entry { address, size }, GFP_KERNEL)?;
        }
        Ok(entries)
    }
}

/// Converts pages to bytes.
///
/// # Errors
///
/// - [`ERANGE`]: more than there can be.
pub(crate) fn bytes(pages: usize) -> Result<u64> {
    (pages as u64).checked_mul(1 << PAGE_SHIFT).ok_or(ERANGE)
}

#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
#[kunit_tests(gunyah_runs)]
mod tests {
    use super::*;

    type List<'a> = &'a [(Range<usize>, usize)];

    fn runs(list: List<'_>) -> Result<Runs> {
        let mut runs = Runs::new();

        for (pages, pfn) in list {
            runs.push(pages.clone(), *pfn)?;
        }
        Ok(runs)
    }

    fn are(runs: &Runs, list: List<'_>) -> bool {
        runs.0.len() == list.len()
            && runs
                .0
                .iter()
                .zip(list)
                .all(|(run, (pages, pfn))| run.pages == *pages && run.pfn == *pfn)
    }

    #[test]
    fn what_touches_is_one() -> Result {
        let merged = runs(&[(0..4, 100), (4..8, 104), (8..9, 200), (9..10, 201)])?;
        let same = are(&merged, &[(0..8, 100), (8..10, 200)]);

        assert!(same);
        assert_eq!(merged.pages(), 10);
        Ok(())
    }

    #[test]
    fn what_does_not_touch_is_not() -> Result {
        // Backwards, with a hole in the file, and the same place twice.
        let list = [(0..4, 104), (4..8, 100), (9..10, 104), (10..11, 104)];
        let apart = runs(&list)?;
        let same = are(&apart, &list);

        assert!(same);
        Ok(())
    }

    #[test]
    fn holes() -> Result {
        let all = runs(&[(0..4, 100), (4..8, 200), (8..12, 300)])?;
        let cases: [(Range<usize>, List<'_>); 6] = [
            (0..12, &[]),
            (0..2, &[(2..4, 102), (4..8, 200), (8..12, 300)]),
            (3..5, &[(0..3, 100), (5..8, 201), (8..12, 300)]),
            (5..6, &[(0..4, 100), (4..5, 200), (6..8, 202), (8..12, 300)]),
            (11..20, &[(0..4, 100), (4..8, 200), (8..11, 300)]),
            (12..20, &[(0..4, 100), (4..8, 200), (8..12, 300)]),
        ];

        for (hole, expected) in cases {
            let same = are(&all.without(&hole)?, expected);
            assert!(same);
        }
        Ok(())
    }

    #[test]
    fn entries_are_bytes() -> Result {
        let entries = runs(&[(0..4, 3), (4..5, 100)])?.entries()?;
        let page = 1 << PAGE_SHIFT;
        let same = entries.as_slice()
            == [
                Entry {
                    address: 3 * page,
                    size: 4 * page,
                },
                Entry {
                    address: 100 * page,
                    size: page,
                },
            ];

        assert!(same);
        Ok(())
    }

    #[test]
    fn addresses_have_an_end() -> Result {
        let top = (ADDRESS_LIMIT >> PAGE_SHIFT) as usize;
        let below = runs(&[(0..4, top - 4)])?.entries().is_ok();
        let across = runs(&[(0..4, top - 3)])?.entries().err();
        let beyond = runs(&[(0..1, usize::MAX)])?.entries().err();

        assert!(below);
        assert!(across == Some(ERANGE));
        assert!(beyond == Some(ERANGE));
        Ok(())
    }
}
