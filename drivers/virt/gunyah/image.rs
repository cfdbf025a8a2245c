// SPDX-License-Identifier: GPL-2.0

//! Where a machine begins.

use kernel::prelude::*;

use core::ops::Range;

/// Bytes that a device tree needs at least. The resource manager adds to it, in place, and up to
/// here does not look whether there is room.
pub(crate) const DEVICE_TREE_MIN: u64 = 64 * 1024;

/// What a machine finds in its memory when it starts. Offsets, in bytes, from its beginning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Image {
    /// The program, which is entered at its first byte.
    pub(crate) image: Range<u64>,
    /// The device tree, which also tells the resource manager what the machine is like.
    pub(crate) device_tree: Range<u64>,
}

impl Image {
    /// Checks all that can be checked: a machine whose configuration fails is lost.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: a part is empty or not in the first `size` bytes, or the device tree has not
    ///   the room that it needs.
    pub(crate) fn check(&self, size: u64) -> Result {
        for part in [&self.image, &self.device_tree] {
            if part.start >= part.end || part.end > size {
                return Err(EINVAL);
            }
        }
        match self.device_tree.end.checked_sub(self.device_tree.start) {
            Some(room) if room >= DEVICE_TREE_MIN => Ok(()),
            _ => Err(EINVAL),
        }
    }
}

#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
#[kunit_tests(gunyah_image)]
mod tests {
    use super::*;

    #[test]
    fn lies_in_the_memory() {
        const K: u64 = 1024;
        let size = 256 * K;
        let check = |image, device_tree| Image { image, device_tree }.check(size);

        let whole = check(0..64 * K, 64 * K..128 * K);
        let at_the_end = check(0..1, 192 * K..256 * K);
        let empty = check(0..0, 64 * K..128 * K);
        let backwards = check(Range { start: 8, end: 4 }, 64 * K..128 * K);
        let beyond = check(0..256 * K + 1, 64 * K..128 * K);
        let tree_beyond = check(0..1, 193 * K..257 * K);
        let huge = check(0..u64::MAX, 0..u64::MAX);
        let cramped = check(0..1, 64 * K..128 * K - 1);

        assert!(whole.is_ok());
        assert!(at_the_end.is_ok());
        for refused in [empty, backwards, beyond, tree_beyond, huge, cramped] {
            let invalid = refused == Err(EINVAL);
            assert!(invalid);
        }
    }
}
