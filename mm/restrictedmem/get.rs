// SPDX-License-Identifier: GPL-2.0

//! Handing memory out: the fast path, and the first touch.

use kernel::{
    mm::folio::{
        Folio,
        LockedFolio, //
    },
    prelude::*,
    sync::aref::ARef, //
};

use crate::{
    bindings::{
        Binding,
        Bindings, //
    },
    ffi::trace,
    file::RestrictedFile,
    notify,
    provider::Provider,
    range::{
        self,
        Pages, //
    },
};

/// A page of present memory.
pub(crate) struct Page {
    pub(crate) folio: ARef<Folio>,
    pub(crate) pfn: usize,
    pub(crate) order: u32,
}

impl Page {
    /// Describes page `index` of a present folio, as far as `within` reaches.
    ///
    /// [`EHWPOISON`] if the page itself has a memory error.
    #[inline]
    fn new(folio: ARef<Folio>, index: usize, within: &Pages) -> Result<Self> {
        let mut order = 0;

        if folio.has_poison() {
            if folio.is_poisoned(index) {
                return Err(EHWPOISON);
            }
        } else if folio.order() > 0 {
            let common = range::intersection(&folio.pages_around(index), within);
            order = range::order_around(index, &common);
        }

        Ok(Self {
            pfn: folio.pfn_of(index),
            folio,
            order,
        })
    }
}

impl RestrictedFile {
    /// Returns the memory at a page of a binding, present from now on.
    ///
    /// The fast path takes no lock and does not search the bindings. It is the sequence that makes
    /// it safe: without it, a get between invalidate_start and the removal would hand out a dying
    /// folio that no later callback names.
    pub(crate) fn get(&self, binding: &Binding, index: usize) -> Result<Page> {
        if !binding.range.contains(&index) {
            return Err(EINVAL);
        }

        let sample = binding.sequence.sample();
        if !sample.in_progress() {
            if let Some(folio) = self.memory.lookup(index).filter(|f| f.is_uptodate()) {
                let page = Page::new(folio, index, &binding.range);

                if !binding.sequence.changed_since(sample) {
                    return page;
                }
            }
        }

        let bindings = self.bindings.read()?;
        self.touch(&bindings, index, &binding.range)
    }

    /// Visits the memory of a range, present from now on, folio by folio.
    pub(crate) fn get_range(
        &self,
        binding: &Binding,
        range: Pages,
        mut visit: impl FnMut(Pages, &Page) -> bool,
    ) -> Result {
        let mut index = range.start;

        if range.start < binding.range.start
            || range.end > binding.range.end
            || range.start > range.end
        {
            return Err(EINVAL);
        }

        while index < range.end {
            let page = self.get(binding, index)?;
            let block = if page.order == 0 && page.folio.has_poison() {
                index..index + 1
            } else {
                let common = range::intersection(&page.folio.pages_around(index), &binding.range);
                range::intersection(&common, &(index..range.end))
            };

            if !visit(block.clone(), &page) {
                break;
            }
            index = block.end;
        }
        Ok(())
    }

    /// Makes a page present, if it is not.
    ///
    /// The lock of the file is held, shared at least: the bindings, and what is present, stay as
    /// they are.
    pub(crate) fn touch(&self, bindings: &Bindings, index: usize, within: &Pages) -> Result<Page> {
        let _touch = self.touch_lock(index)?;
        let folio = self.fill(bindings, index, |folio| {
            if !folio.is_uptodate() {
                folio.zero(folio.pages_around(index));
            }
        })?;

        Page::new(folio, index, within)
    }

    /// Lets `write` write to the folio at a page, and makes it present, if it is not; then `write`
    /// must leave no byte of it as it was.
    ///
    /// The lock of the file is held shared, and the first-touch mutex of the page.
    pub(crate) fn fill(
        &self,
        bindings: &Bindings,
        index: usize,
        write: impl FnOnce(&LockedFolio),
    ) -> Result<ARef<Folio>> {
        let mut fresh = 0..0;

        let result = self.make_present(bindings, index, write, &mut fresh);
        if result.is_err() && !fresh.is_empty() {
            self.forget(fresh);
        }
        result
    }

    /// The steps of [`fill`](Self::fill). What they allocate is noted in `fresh`.
    fn make_present(
        &self,
        bindings: &Bindings,
        index: usize,
        write: impl FnOnce(&LockedFolio),
        fresh: &mut Pages,
    ) -> Result<ARef<Folio>> {
        let folio = self.folio_to_fill(bindings, index, fresh)?;
        let block = folio.pages_around(index);
        let present = folio.is_uptodate();

        write(&folio);
        // No callback runs with the folio locked. Nobody else can mistake it for present, or for
        // fresh, meanwhile: it is not uptodate, and dirty.
        let folio = folio.unlock();
        if present {
            return Ok(folio);
        }
        let answer = notify::populate(bindings, &block, &folio);
        trace::populate(self.number, &block, answer);
        answer?;

        let folio = folio.lock();
        folio.mark_uptodate();
        self.counters.populates.add(1);
        Ok(folio.unlock())
    }

    /// Returns the folio at a page, locked. If it is not present, it is dirty, and in one piece
    /// with respect to the bindings.
    fn folio_to_fill(
        &self,
        bindings: &Bindings,
        index: usize,
        fresh: &mut Pages,
    ) -> Result<LockedFolio> {
        loop {
            let folio = self.memory.allocate(index)?;
            let block = folio.pages_around(index);

            if folio.is_poisoned(index) {
                return Err(EHWPOISON);
            }
            if folio.is_uptodate() {
                return Ok(folio);
            }
            if !folio.is_dirty() {
                *fresh = block.clone();
                // A clean folio is dropped by drop_caches, contents lost.
                folio.mark_dirty();
            }

            let Some(edge) = bindings.edge_inside(&block) else {
                return Ok(folio);
            };
            drop(folio);
            self.memory.split(edge)?;
        }
    }
}
