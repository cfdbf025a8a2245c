// SPDX-License-Identifier: GPL-2.0

//! Taking memory away: holes, memory that cannot be got back, and memory errors.

use kernel::{
    mm::folio::Folio,
    prelude::*,
    sync::aref::ARef, //
};

use crate::{
    bindings::Binding,
    ffi::{
        self,
        trace, //
    },
    file::RestrictedFile,
    notify,
    provider::Provider,
    range::{
        self,
        Pages, //
    },
    registry,
    tmpfs::Tmpfs, //
};

impl RestrictedFile {
    /// Punches a hole.
    ///
    /// Folios that cross its edges are split first: on an inaccessible mapping, a split that fails
    /// inside the truncation leaves old bytes in the hole.
    pub(crate) fn punch(&self, range: Pages) -> Result {
        let range = range::intersection(&range, &(0..self.memory.size()));
        if range.is_empty() {
            return Ok(());
        }

        let bindings = self.bindings.write()?;
        let began = trace::invalidate_begin();
        let result = notify::invalidate(&bindings, &range, || {
            self.memory.split(range.start)?;
            self.memory.split(range.end)?;
            self.memory.remove(range.clone());
            self.counters.punches.add(1);
            Ok(())
        });
        trace::invalidate_end(began, self.number, &range, &bindings, result);
        result
    }

    /// Takes out of the file, for ever, what the owner of a binding cannot get back.
    pub(crate) fn quarantine(&self, owner: &Binding, range: &Pages) -> usize {
        let bindings = self.bindings.write_uninterruptible();
        let range = range::intersection(range, &owner.range);
        let mut pages = 0;

        for (block, folio) in self.memory.folios(range.clone()) {
            if !folio.is_uptodate() {
                continue;
            }
            registry::note_quarantine();
            notify::take_for(&bindings, &block, owner, || {
                self.memory.remove(block.clone());
            });
            pages += block.len();
            Self::bury(folio);
        }

        self.counters.quarantined.add(pages);
        trace::quarantine(owner, &range, pages);
        if pages != 0 {
            pr_warn!(
                "{}: {pages} pages are lost until the next boot\n",
                owner.consumer.name()
            );
        }
        pages
    }

    /// Keeps a folio that has left its file from ever being used again.
    fn bury(folio: ARef<Folio>) {
        ffi::isolate(&folio);
        // Never put, so never freed and never zeroed.
        let _ = ARef::into_raw(folio);
    }

    /// Tells consumers of an uncorrectable memory error. The page is marked already, so whoever
    /// asks for it from now on is refused.
    ///
    /// Since it broke it may have been punched out, and what is there now is another page. So
    /// `is_there` is asked, while nothing can be punched, whether it still is.
    pub(crate) fn report_error(&self, index: usize, is_there: impl FnOnce(&Tmpfs) -> bool) {
        let Some(end) = index.checked_add(1) else {
            return;
        };
        let bindings = self.bindings.read_uninterruptible();

        if !is_there(&self.memory) {
            return;
        }
        notify::error(&bindings, &(index..end));
        trace::error(self.number, index);
    }
}
