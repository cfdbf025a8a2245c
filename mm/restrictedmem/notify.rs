// SPDX-License-Identifier: GPL-2.0

//! Telling consumers, in the order that the contract in `include/linux/restrictedmem.h` promises.
//!
//! The caller holds the lock of the file throughout, so that whoever sees a beginning sees the end
//! too.

use kernel::{
    mm::folio::Folio,
    prelude::*,
    rbtree::RBTree, //
};

use crate::{
    bindings::{
        Binding,
        Bindings,
        Link, //
    },
    range::Pages,
};

/// Lists the links in a range, in the order of their first binding.
///
/// That is, by the start of the binding, not of its part in the range, which many may share; and
/// where that is the same too, by who came first. A tree does the sorting: sorting a slice can
/// panic.
fn links_of<'a>(bindings: &'a Bindings, range: &Pages) -> Result<KVec<&'a Link>> {
    let mut sorted = RBTree::new();

    for (number, link) in bindings.links().iter().enumerate() {
        if let Some((binding, _)) = link.next_span(range.clone()) {
            sorted.try_create_and_insert((binding.range.start, number), link, GFP_KERNEL)?;
        }
    }

    let mut links = KVec::with_capacity(bindings.links().len(), GFP_KERNEL)?;
    for link in sorted.values() {
        links.push(*link, GFP_KERNEL)?;
    }
    Ok(links)
}

/// Takes memory away with the consent of its consumers: asks all, tells all, calls `take`, and
/// tells all that it is over.
///
/// If somebody refuses, nobody is told anything but that, and `take` is not called.
pub(crate) fn invalidate<T>(
    bindings: &Bindings,
    range: &Pages,
    take: impl FnOnce() -> Result<T>,
) -> Result<T> {
    exchange(bindings, range, take, |_| Ok(()))
}

/// The same for memory that something else takes the place of: calls `announce` with what `take`
/// has returned, when all were told that it is over, and before a get returns it.
pub(crate) fn exchange<T>(
    bindings: &Bindings,
    range: &Pages,
    take: impl FnOnce() -> Result<T>,
    announce: impl FnOnce(&T) -> Result,
) -> Result<T> {
    if bindings.is_empty() {
        return take();
    }

    let links = links_of(bindings, range)?;

    for (asked, link) in links.iter().enumerate() {
        if let Err(refusal) = link.consumer.invalidate_prepare(link, range) {
            for link in links.iter().take(asked).rev() {
                link.consumer.invalidate_abort(link, range);
            }
            if let Some((binding, _)) = link.next_span(range.clone()) {
                binding.file.counters.refusals.add(1);
            }
            return Err(refusal);
        }
    }

    bindings.overlaps(range).for_each(|b| b.sequence.begin());
    for link in &links {
        link.consumer.invalidate_start(link, range);
    }

    let taken = take();

    for link in links.iter().rev() {
        link.consumer.invalidate_end(link, range);
    }
    let result = taken.and_then(|taken| announce(&taken).map(|()| taken));
    bindings.overlaps(range).for_each(|b| b.sequence.end());

    result
}

/// Takes memory of one folio away from some bindings without asking, and without allocating.
///
/// No binding has an edge inside a folio, so each binding stands for one consumer. `told` chooses
/// by number, in the order of the bindings, and by binding; those that it leaves out notice only by
/// their sequence.
fn revoke(
    bindings: &Bindings,
    block: &Pages,
    told: impl Fn(usize, &Binding) -> bool,
    between: impl FnOnce(),
) {
    let affected = || {
        bindings
            .overlaps(block)
            .enumerate()
            .filter(|(number, binding)| told(*number, binding))
            .filter_map(|(_, binding)| bindings.link(&binding.consumer))
    };

    bindings.overlaps(block).for_each(|b| b.sequence.begin());
    affected().for_each(|link| link.consumer.invalidate_start(link, block));

    between();

    // Backwards, which a tree cannot be walked; there are no more of them than consumers that share
    // one folio.
    for number in (0..affected().count()).rev() {
        if let Some(link) = affected().nth(number) {
            link.consumer.invalidate_end(link, block);
        }
    }
    bindings.overlaps(block).for_each(|b| b.sequence.end());
}

/// Announces that a folio, which covers `block`, becomes present.
///
/// If somebody refuses, it is taken back from those who were told before.
pub(crate) fn populate(bindings: &Bindings, block: &Pages, folio: &Folio) -> Result {
    for (told, binding) in bindings.overlaps(block).enumerate() {
        if let Err(refusal) = binding.consumer.populate(binding, block, folio) {
            revoke(bindings, block, |number, _| number < told, || ());
            binding.file.counters.refusals.add(1);
            return Err(refusal);
        }
    }
    Ok(())
}

/// Takes a folio away from everybody but `owner`, who knows.
pub(crate) fn take_for(bindings: &Bindings, block: &Pages, owner: &Binding, take: impl FnOnce()) {
    revoke(
        bindings,
        block,
        |_, binding| !core::ptr::eq(binding, owner),
        take,
    );
}

/// Tells of an uncorrectable memory error at one page.
pub(crate) fn error(bindings: &Bindings, page: &Pages) {
    revoke(
        bindings,
        page,
        |_, _| true,
        || {
            for binding in bindings.overlaps(page) {
                if let Some(link) = bindings.link(&binding.consumer) {
                    link.consumer.error(link, page);
                }
            }
        },
    );
}
