// SPDX-License-Identifier: GPL-2.0

//! Where the memory of a file comes from.

use kernel::{
    mm::{
        folio::{
            Folio,
            LockedFolio, //
        },
        mempolicy::UserPolicy, //
    },
    prelude::*,
    sync::aref::ARef, //
};

use crate::range::Pages;

/// A source of folios, indexed by page of the file.
///
/// A provider knows nothing of bindings and takes no lock of the file. A folio that it hands out
/// and that is clean and not uptodate is fresh: nobody has had it before, and its memory holds
/// whatever it held before.
pub(crate) trait Provider: Send + Sync {
    /// Returns the size in pages; zero until it is set.
    fn size(&self) -> usize;

    /// Sets the size in pages.
    fn set_size(&self, pages: usize);

    /// Returns how much memory there is, in units of 512 bytes.
    fn blocks(&self) -> u64;

    /// Sets where the memory of a range comes from, if it is not there already.
    fn set_policy(&self, range: Pages, policy: &UserPolicy) -> Result;

    /// Looks up the folio at a page without waiting for anything.
    fn lookup(&self, index: usize) -> Option<ARef<Folio>>;

    /// Looks up the folio at a page, or allocates one, and locks it.
    fn allocate(&self, index: usize) -> Result<LockedFolio>;

    /// Visits the folios in a range, in order.
    fn folios(&self, range: Pages) -> impl Iterator<Item = (Pages, ARef<Folio>)>;

    /// Makes sure that no folio reaches across the start of page `index`.
    ///
    /// Contents and frames do not change. [`EAGAIN`] when somebody's reference forbids it.
    fn split(&self, index: usize) -> Result;

    /// Makes the largest block of pages that begins at `start` one folio, with the same contents,
    /// and zeroes where there were none. Nobody removes pages meanwhile. [`EAGAIN`] when somebody's
    /// reference forbids it.
    fn collapse(&self, start: usize) -> Result;

    /// Takes note that some page has an uncorrectable memory error, before consumers are told.
    fn memory_failed(&self);

    /// Removes a range. No folio may reach across its ends.
    fn remove(&self, range: Pages);

    /// Finds where data or a hole begins, in bytes; see `lseek(2)`.
    fn seek(&self, offset: i64, data: bool) -> Result<i64>;
}
