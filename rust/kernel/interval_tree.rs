// SPDX-License-Identifier: GPL-2.0

//! Interval trees: half-open ranges that may overlap, each with a value.
//!
//! C header: [`include/linux/interval_tree.h`](srctree/include/linux/interval_tree.h)

use crate::{
    alloc::Flags,
    bindings,
    prelude::*,
    types::Opaque, //
};
use core::{
    marker::PhantomData,
    ops::Range,
    ptr::{
        self,
        NonNull, //
    },
};

/// A range with a value that is not in a tree yet, or not any more.
///
/// Allocating it apart from inserting it allows to insert where allocation is not possible.
///
/// # Invariants
///
/// The range of `raw` is not empty.
#[repr(C)]
pub struct Node<T> {
    raw: Opaque<bindings::interval_tree_node>,
    value: T,
}

// SAFETY: Outside of a tree a node is a plain range with a value.
unsafe impl<T: Send> Send for Node<T> {}
// SAFETY: As above.
unsafe impl<T: Sync> Sync for Node<T> {}

impl<T> Node<T> {
    /// Allocates a node.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if the range is empty, [`ENOMEM`].
    pub fn new(range: Range<usize>, value: T, flags: Flags) -> Result<KBox<Self>> {
        if range.is_empty() {
            return Err(EINVAL);
        }

        // INVARIANT: Checked right above.
        Ok(KBox::new(
            Self {
                raw: Opaque::new(bindings::interval_tree_node {
                    start: range.start,
                    last: range.end - 1,
                    ..pin_init::zeroed()
                }),
                value,
            },
            flags,
        )?)
    }

    /// Returns the range.
    pub fn range(&self) -> Range<usize> {
        let raw = self.raw.get();

        // SAFETY: `start` and `last` never change, so they can be read at any time.
        // CAST: By the type invariants `last` comes from an end that is greater than zero.
        unsafe { (*raw).start..(*raw).last.wrapping_add(1) }
    }

    /// Returns the value.
    pub fn value(&self) -> &T {
        &self.value
    }
}

/// A set of ranges, each with a value.
///
/// # Examples
///
/// ```
/// use kernel::interval_tree::{IntervalTree, Node};
///
/// let mut tree = IntervalTree::new();
/// tree.insert(Node::new(0..10, 'a', GFP_KERNEL)?);
/// tree.insert(Node::new(10..20, 'b', GFP_KERNEL)?);
/// tree.insert(Node::new(5..15, 'c', GFP_KERNEL)?);
///
/// // Ranges that only touch do not overlap.
/// assert_eq!(tree.overlaps(0..5).count(), 1);
/// assert_eq!(tree.overlaps(9..10).count(), 2);
/// assert_eq!(tree.overlaps(20..30).count(), 0);
/// // An empty range overlaps nothing.
/// assert_eq!(tree.overlaps(7..7).count(), 0);
///
/// let node = tree.remove(10..20, |value| *value == 'b').ok_or(EINVAL)?;
/// assert_eq!(node.range(), 10..20);
/// assert!(tree.remove(10..20, |value| *value == 'b').is_none());
/// assert_eq!(tree.overlaps(12..30).count(), 1);
///
/// assert!(Node::new(3..3, 'd', GFP_KERNEL).is_err());
/// # Ok::<(), Error>(())
/// ```
///
/// # Invariants
///
/// Every node of the tree was made from a `KBox<Node<T>>`, which the tree owns, and its `raw` is
/// the `rb` member's container.
pub struct IntervalTree<T> {
    root: bindings::rb_root_cached,
    _owns: PhantomData<KBox<Node<T>>>,
}

// SAFETY: The tree owns its values, and may move to another thread if they may.
unsafe impl<T: Send> Send for IntervalTree<T> {}
// SAFETY: `&IntervalTree` only allows to look.
unsafe impl<T: Sync> Sync for IntervalTree<T> {}

impl<T> IntervalTree<T> {
    /// Makes an empty tree.
    pub const fn new() -> Self {
        // INVARIANT: There are no nodes.
        Self {
            root: bindings::rb_root_cached {
                rb_root: bindings::rb_root {
                    rb_node: ptr::null_mut(),
                },
                rb_leftmost: ptr::null_mut(),
            },
            _owns: PhantomData,
        }
    }

    /// Returns whether there is no range.
    pub fn is_empty(&self) -> bool {
        self.root.rb_root.rb_node.is_null()
    }

    /// Inserts a node. Never fails: ranges may overlap and even be equal.
    pub fn insert(&mut self, node: KBox<Node<T>>) {
        let node = KBox::into_raw(node);

        // INVARIANT: The node comes from a box that is now the tree's.
        // SAFETY: The node is valid, is in no tree, and does not move while it is in this one.
        unsafe { bindings::interval_tree_insert((*node).raw.get(), &mut self.root) };
    }

    /// Removes the first node that has exactly this range and a value that `matches`.
    pub fn remove(
        &mut self,
        range: Range<usize>,
        matches: impl Fn(&T) -> bool,
    ) -> Option<KBox<Node<T>>> {
        let node: *const Node<T> = self
            .overlaps(range.clone())
            .find(|node| node.range() == range && matches(node.value()))?;
        let node = node.cast_mut();

        // SAFETY: The node was found in this tree, and we have the tree for ourselves.
        unsafe { bindings::interval_tree_remove((*node).raw.get(), &mut self.root) };
        // SAFETY: By the type invariants the node was made from a box, and it left the tree.
        Some(unsafe { KBox::from_raw(node) })
    }

    /// Visits the nodes that overlap a range, in the order of their start.
    pub fn overlaps(&self, range: Range<usize>) -> Overlaps<'_, T> {
        let last = range.end.wrapping_sub(1);
        let next = if range.is_empty() {
            ptr::null_mut()
        } else {
            // SAFETY: The search only reads the tree, which is borrowed. The C function takes a
            // pointer to mutable for reasons of type only.
            unsafe {
                bindings::interval_tree_iter_first(
                    (&raw const self.root).cast_mut(),
                    range.start,
                    last,
                )
            }
        };

        // INVARIANT: `next` is null or in the tree.
        Overlaps {
            next,
            start: range.start,
            last,
            _tree: PhantomData,
        }
    }
}

impl<T> Default for IntervalTree<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for IntervalTree<T> {
    fn drop(&mut self) {
        while let Some(node) = NonNull::new(self.root.rb_leftmost) {
            // CAST: `rb` is the first member of `interval_tree_node`, which is the first of `Node`.
            let node = node.as_ptr().cast::<Node<T>>();

            // SAFETY: The node is in this tree.
            unsafe { bindings::interval_tree_remove((*node).raw.get(), &mut self.root) };
            // SAFETY: By the type invariants the node was made from a box, and it left the tree.
            drop(unsafe { KBox::from_raw(node) });
        }
    }
}

/// Iterator over the nodes of an [`IntervalTree`] that overlap a range.
///
/// # Invariants
///
/// `next` is null or a node of the tree that is borrowed.
pub struct Overlaps<'a, T> {
    next: *mut bindings::interval_tree_node,
    start: usize,
    last: usize,
    _tree: PhantomData<&'a IntervalTree<T>>,
}

impl<'a, T> Iterator for Overlaps<'a, T> {
    type Item = &'a Node<T>;

    fn next(&mut self) -> Option<&'a Node<T>> {
        let node = NonNull::new(self.next)?;

        // SAFETY: By the type invariants the node is in the tree.
        let next =
            unsafe { bindings::interval_tree_iter_next(node.as_ptr(), self.start, self.last) };

        // INVARIANT: The successor of a node is in the same tree.
        self.next = next;
        // SAFETY: By the invariants of the tree each node is the first member of a `Node<T>`, which
        // lives in the tree for `'a`.
        Some(unsafe { node.cast::<Node<T>>().as_ref() })
    }
}
