// SPDX-License-Identifier: GPL-2.0

//! Who holds which range of a file.
//!
//! Everything here is protected by the lock of the file, see the [crate] documentation. A binding
//! sits in two interval trees: one per file, for overlaps and for populate, and one per link, for
//! callbacks that reach over many bindings of one consumer.

use kernel::{
    interval_tree::{
        IntervalTree,
        Node, //
    },
    prelude::*,
    sync::Arc, //
};

use crate::{
    ffi::{
        Consumer,
        Cookie,
        FileRef,
        ModuleRef, //
    },
    range::{
        self,
        Pages, //
    },
    sequence::Sequence,
};

/// How a binding shares its range with other consumers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Exclusive,
    Shared,
}

/// A range of pages of one file, held by one consumer.
pub(crate) struct Binding {
    pub(crate) range: Pages,
    pub(crate) mode: Mode,
    /// Whether contents may be loaded while it is there.
    pub(crate) loadable: bool,
    pub(crate) consumer: Consumer,
    pub(crate) cookie: Cookie,
    pub(crate) sequence: Sequence,
    pub(crate) file: FileRef,
    // Dropped last: the reference to the file may be the last one, and the consumer's module is
    // entitled to know that its file is gone.
    pub(crate) _module: ModuleRef,
}

/// What the file knows of one consumer.
pub(crate) struct Link {
    pub(crate) consumer: Consumer,
    spans: IntervalTree<Arc<Binding>>,
}

impl Link {
    /// Returns the first binding at or after `range.start`, and its part in `range`.
    pub(crate) fn next_span(&self, range: Pages) -> Option<(&Arc<Binding>, Pages)> {
        let node = self.spans.overlaps(range.clone()).next()?;

        Some((node.value(), range::intersection(&node.range(), &range)))
    }
}

/// The bindings of one file.
///
/// # Invariants
///
/// Every binding is in `all` and in the `spans` of exactly the link that has its consumer; every
/// link has at least one binding. Bindings overlap only if both are shared and their consumers
/// differ.
pub(crate) struct Bindings {
    all: IntervalTree<Arc<Binding>>,
    links: KVec<Link>,
}

impl Bindings {
    pub(crate) const fn new() -> Self {
        Self {
            all: IntervalTree::new(),
            links: KVec::new(),
        }
    }

    /// Returns whether the file is bound by nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Checks whether a binding may be added.
    ///
    /// [`EEXIST`] for an overlap with the same consumer, [`EBUSY`] with another one.
    pub(crate) fn check(&self, new: &Binding) -> Result {
        for old in self.overlaps(&new.range) {
            if old.consumer == new.consumer {
                return Err(EEXIST);
            }
            if old.mode == Mode::Exclusive || new.mode == Mode::Exclusive {
                return Err(EBUSY);
            }
        }
        Ok(())
    }

    /// Adds a binding.
    pub(crate) fn insert(&mut self, new: &Arc<Binding>) -> Result {
        self.check(new)?;

        let in_all = Node::new(new.range.clone(), new.clone(), GFP_KERNEL)?;
        let in_link = Node::new(new.range.clone(), new.clone(), GFP_KERNEL)?;
        if self.link(&new.consumer).is_none() {
            let link = Link {
                consumer: new.consumer,
                spans: IntervalTree::new(),
            };
            self.links.push(link, GFP_KERNEL)?;
        }

        // INVARIANT: Checked for overlaps above, and from here on nothing fails.
        self.all.insert(in_all);
        if let Some(link) = self.links.iter_mut().find(|l| l.consumer == new.consumer) {
            link.spans.insert(in_link);
        }
        Ok(())
    }

    /// Takes a binding out, and its link if it was the last one.
    pub(crate) fn remove(&mut self, old: &Binding) {
        let is_old = |binding: &Arc<Binding>| core::ptr::eq(&**binding, old);

        self.all.remove(old.range.clone(), is_old);
        if let Some(at) = self.links.iter().position(|l| l.consumer == old.consumer) {
            if let Some(link) = self.links.get_mut(at) {
                link.spans.remove(old.range.clone(), is_old);
                if link.spans.is_empty() {
                    let _ = self.links.remove(at);
                }
            }
        }
    }

    /// Visits the bindings that overlap a range, in the order of their start.
    pub(crate) fn overlaps(&self, range: &Pages) -> impl Iterator<Item = &Arc<Binding>> {
        self.all.overlaps(range.clone()).map(Node::value)
    }

    /// Returns the links.
    pub(crate) fn links(&self) -> &[Link] {
        &self.links
    }

    /// Returns the link of a consumer.
    pub(crate) fn link(&self, consumer: &Consumer) -> Option<&Link> {
        self.links.iter().find(|link| link.consumer == *consumer)
    }

    /// Returns an edge of a binding that lies inside a block.
    pub(crate) fn edge_inside(&self, block: &Pages) -> Option<usize> {
        self.overlaps(block)
            .find_map(|binding| range::edge_inside(&binding.range, block))
    }
}
