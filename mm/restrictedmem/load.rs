// SPDX-License-Identifier: GPL-2.0

//! Initial contents.

use kernel::{
    current,
    mm::folio::Folio,
    prelude::*, //
};

use core::cmp;

use crate::{
    bindings::Bindings,
    ffi::{
        self,
        trace, //
    },
    file::RestrictedFile,
    provider::Provider,
    range::{
        self,
        Pages, //
    },
};

/// How many pages are taken from a source, and loaded while the lock of the file is held, at a
/// time.
pub(crate) const BATCH: usize = 512;

/// No folio reaches across a multiple of so many pages.
const BLOCK: usize = 1 << ffi::MAX_ORDER;

/// Where contents come from, a batch at a time.
pub(crate) trait Source {
    /// Gets hold of what comes next: up to `pages` pages, and at least one. Returns how many.
    ///
    /// May wait for anybody, for ever: no lock of the file is held.
    fn fetch(&mut self, pages: usize) -> Result<usize>;

    /// Copies page `nth` of what was fetched last to page `index` of the file, all of it.
    ///
    /// Waits for nobody. [`EHWPOISON`] if the page of the file has a memory error.
    fn copy(&self, nth: usize, folio: &Folio, index: usize) -> Result;
}

impl RestrictedFile {
    /// Loads a range, and counts the pages in `done`, also when it fails.
    ///
    /// What becomes present this way holds zeroes where nothing was loaded. What is present already
    /// is replaced page by page: nobody ever sees a page that is half old and half new, for loads
    /// keep away from each other by the first-touch mutex, and nobody has the range bound who has
    /// not said that its contents may change.
    pub(crate) fn load(&self, range: &Pages, source: &mut impl Source, done: &mut usize) -> Result {
        let mut rest = range.clone();

        if range.is_empty() || range.end > self.memory.size() {
            return Err(EINVAL);
        }

        let result = self.load_batches(&mut rest, source);
        *done = rest.start - range.start;
        if *done > 0 {
            self.counters.loads.add(1);
        }
        trace::load(self.number, &(range.start..rest.start), result);
        result
    }

    /// Loads batch by batch, and takes what was loaded off the start of `rest`.
    fn load_batches(&self, rest: &mut Pages, source: &mut impl Source) -> Result {
        loop {
            self.load_batch(rest, source)?;
            if rest.start == rest.end {
                return Ok(());
            }
            // After the batch: a caller whom signals interrupt often gets on, too.
            if current!().signal_pending() {
                return Err(EINTR);
            }
        }
    }

    /// Loads one batch, and takes what was loaded off the start of `rest`.
    fn load_batch(&self, rest: &mut Pages, source: &mut impl Source) -> Result {
        let batch = first_batch(rest);
        let batch = batch.start..batch.start + cmp::min(source.fetch(batch.len())?, batch.len());

        let bindings = self.bindings.read()?;
        // All that is still to do, so that a range that is bound is not loaded in part.
        if !bindings.overlaps(rest).all(|binding| binding.loadable) {
            return Err(EBUSY);
        }

        // One lock for all of it: a batch lies in one block.
        let _touch = self.touch_lock(batch.start)?;
        while rest.start < batch.end {
            let nth = rest.start - batch.start;
            rest.start = self.load_folio(&bindings, &(rest.start..batch.end), source, nth)?;
        }
        Ok(())
    }

    /// Loads what one folio has of `range`, and returns the page after it.
    ///
    /// Who has a part of the folio bound has all of it, because no binding has an edge inside a
    /// folio, and so has agreed to the zeroes around what is loaded, too.
    fn load_folio(
        &self,
        bindings: &Bindings,
        range: &Pages,
        source: &impl Source,
        nth: usize,
    ) -> Result<usize> {
        let mut loaded = range.start..range.start;
        let mut failure = Ok(());

        self.fill(bindings, range.start, |folio| {
            let block = folio.pages_around(range.start);

            for index in range::intersection(&block, range) {
                failure = source.copy(nth + (index - range.start), folio, index);
                if failure.is_err() {
                    break;
                }
                loaded.end = index + 1;
            }
            if !folio.is_uptodate() {
                folio.zero(block.start..loaded.start);
                folio.zero(loaded.end..block.end);
            }
        })?;

        if loaded.is_empty() {
            failure?;
        }
        Ok(loaded.end)
    }
}

/// Returns the first part of a range, small enough to be loaded at once. Batches end where blocks
/// do, so that a large folio is not filled with zeroes before its contents come.
fn first_batch(range: &Pages) -> Pages {
    let block_end = (range.start | (BLOCK - 1)).saturating_add(1);
    let batch_end = range.start.saturating_add(BATCH);

    range.start..cmp::min(range.end, cmp::min(block_end, batch_end))
}

#[cfg(CONFIG_RESTRICTEDMEM_KUNIT_TEST)]
#[kunit_tests(restrictedmem_load_batches)]
mod tests {
    use super::*;

    #[test]
    fn of_a_short_range() {
        assert_eq!(first_batch(&(0..1)), 0..1);
        assert_eq!(first_batch(&(3..7)), 3..7);
        assert_eq!(first_batch(&(7..7)), 7..7);
    }

    #[test]
    fn end_with_the_block() {
        assert_eq!(first_batch(&(BLOCK - 1..BLOCK + 1)), BLOCK - 1..BLOCK);
        assert_eq!(first_batch(&(BLOCK..BLOCK + 1)), BLOCK..BLOCK + 1);
        assert_eq!(first_batch(&(5 * BLOCK - 2..9 * BLOCK)).end, 5 * BLOCK);
    }

    #[test]
    fn are_limited() {
        let largest = cmp::min(BATCH, BLOCK);

        assert_eq!(first_batch(&(0..usize::MAX)), 0..largest);
        assert_eq!(first_batch(&(BLOCK..usize::MAX)), BLOCK..BLOCK + largest);
    }

    #[test]
    fn of_the_largest_range() {
        let top = usize::MAX;

        assert_eq!(first_batch(&(top - 1..top)), top - 1..top);
    }
}
