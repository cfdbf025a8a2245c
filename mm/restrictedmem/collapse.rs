// SPDX-License-Identifier: GPL-2.0

//! Making memory large again that was allocated, or broken, into small folios.

use kernel::prelude::*;

use crate::{
    ffi::{
        self,
        trace, //
    },
    file::RestrictedFile,
    notify,
    provider::Provider,
    range::Pages, //
};

/// Pages of the largest folio.
const BLOCK: usize = 1 << ffi::MAX_ORDER;

impl RestrictedFile {
    /// Makes every block that lies in a range, and has contents, one folio; counts in `done` the
    /// pages of those that are.
    ///
    /// Goes on after a block that cannot be, whose consumer refuses for instance, and returns the
    /// first error. Between two blocks others have their turn.
    pub(crate) fn collapse(&self, range: &Pages, done: &mut usize) -> Result {
        let start = range.start.checked_next_multiple_of(BLOCK).ok_or(EINVAL)?;
        let mut rest = start..range.end;
        let mut result = Ok(());

        if range.end > self.memory.size() || rest.len() < BLOCK {
            return Err(EINVAL);
        }

        while rest.len() >= BLOCK {
            match self.collapse_block(&(rest.start..rest.start + BLOCK)) {
                Ok(true) => *done += BLOCK,
                Ok(false) => (),
                Err(e) if e == EINTR => return Err(e),
                Err(e) => result = result.and(Err(e)),
            }
            if current!().signal_pending() {
                return Err(EINTR);
            }
            rest.start += BLOCK;
        }
        result
    }

    /// Makes one block one folio, if there is something; returns whether it is.
    ///
    /// Its consumers are asked, as for a hole: the memory that they have goes away, and other
    /// memory with the same contents is announced to them. If one does not take that, it is with
    /// them as with whoever binds a file that has contents: get returns what nobody announced.
    fn collapse_block(&self, block: &Pages) -> Result<bool> {
        let bindings = self.bindings.write()?;
        let mut has_contents = false;

        for (part, folio) in self.memory.folios(block.clone()) {
            if folio.has_poison() {
                return Err(EHWPOISON);
            }
            if part == *block && folio.is_uptodate() {
                return Ok(true);
            }
            has_contents |= folio.is_uptodate();
        }
        if !has_contents {
            return Ok(false);
        }
        // No folio reaches across the edge of a binding.
        if bindings.edge_inside(block).is_some() {
            return Err(EBUSY);
        }
        // What is only reserved becomes present on the way, and stays so if we get no further: its
        // consumers have to hear of it.
        for (part, folio) in self.memory.folios(block.clone()) {
            if !folio.is_uptodate() {
                self.touch(&bindings, part.start, &part)?;
            }
        }

        let began = trace::invalidate_begin();
        let result = notify::exchange(
            &bindings,
            block,
            || {
                self.memory.collapse(block.start)?;
                self.memory.lookup(block.start).ok_or(EAGAIN)
            },
            |folio| {
                let answer = notify::populate(&bindings, block, folio);
                trace::populate(self.number, block, answer);
                answer
            },
        )
        .map(|_| true);
        trace::invalidate_end(began, self.number, block, &bindings, result.map(|_| ()));
        result
    }
}
