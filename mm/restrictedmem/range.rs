// SPDX-License-Identifier: GPL-2.0

//! Arithmetic with half-open ranges of pages.

use kernel::{
    page::{
        PAGE_MASK,
        PAGE_SHIFT, //
    },
    prelude::*, //
};

use core::{
    cmp,
    ops::Range, //
};

/// Pages of a file, `[start, end)`.
pub(crate) type Pages = Range<usize>;

/// Converts an offset and a length in bytes.
///
/// Both must be page-aligned and not negative, and their sum must be an offset too.
pub(crate) fn from_bytes(offset: i64, len: i64) -> Result<Pages> {
    let end = offset.checked_add(len).ok_or(EINVAL)?;
    let offset = usize::try_from(offset)?;
    let end = usize::try_from(end)?;

    if len < 0 || (offset | end) & !PAGE_MASK != 0 {
        return Err(EINVAL);
    }

    Ok(offset >> PAGE_SHIFT..end >> PAGE_SHIFT)
}

/// Returns the pages that are in both ranges; empty if there are none.
pub(crate) fn intersection(a: &Pages, b: &Pages) -> Pages {
    let start = cmp::max(a.start, b.start);

    start..cmp::max(start, cmp::min(a.end, b.end))
}

/// Returns the largest order for which the naturally aligned block around `index` lies in `within`,
/// which contains `index`.
pub(crate) fn order_around(index: usize, within: &Pages) -> u32 {
    let mut order = 0;

    while order + 1 < usize::BITS {
        let pages = 1usize << (order + 1);
        let start = index & !(pages - 1);

        // `within.end - start` cannot wrap: `start <= index < within.end`.
        if start < within.start || within.end.wrapping_sub(start) < pages {
            break;
        }
        order += 1;
    }

    order
}

/// Returns an edge of `range` that lies inside `block`, not at its ends.
pub(crate) fn edge_inside(range: &Pages, block: &Pages) -> Option<usize> {
    [range.start, range.end]
        .into_iter()
        .find(|edge| block.start < *edge && *edge < block.end)
}

#[cfg(CONFIG_RESTRICTEDMEM_KUNIT_TEST)]
#[kunit_tests(restrictedmem_range)]
mod tests {
    use super::*;
    use kernel::page::PAGE_SIZE;

    #[test]
    fn bytes_become_pages() -> Result {
        let page = PAGE_SIZE as i64;

        assert_eq!(from_bytes(0, page)?, 0..1);
        assert_eq!(from_bytes(3 * page, 2 * page)?, 3..5);
        assert_eq!(from_bytes(page, 0)?, 1..1);
        Ok(())
    }

    #[test]
    fn bytes_that_are_no_pages_are_refused() {
        let page = PAGE_SIZE as i64;

        assert!(from_bytes(1, page).is_err());
        assert!(from_bytes(0, page + 1).is_err());
        assert!(from_bytes(page / 2, page / 2).is_err());
        assert!(from_bytes(-page, page).is_err());
        assert!(from_bytes(2 * page, -page).is_err());
        assert!(from_bytes(i64::MAX & !(page - 1), page).is_err());
        assert!(from_bytes(page, i64::MAX).is_err());
    }

    #[test]
    fn intersections() {
        assert_eq!(intersection(&(0..4), &(2..6)), 2..4);
        assert_eq!(intersection(&(2..6), &(0..4)), 2..4);
        assert_eq!(intersection(&(0..9), &(3..5)), 3..5);
        assert!(intersection(&(0..4), &(4..8)).is_empty());
        assert!(intersection(&(4..8), &(0..4)).is_empty());
        assert!(intersection(&(0..2), &(5..8)).is_empty());
    }

    #[test]
    fn orders_stay_inside() {
        assert_eq!(order_around(0, &(0..1)), 0);
        assert_eq!(order_around(0, &(0..2)), 1);
        assert_eq!(order_around(1, &(0..2)), 1);
        assert_eq!(order_around(1, &(1..4)), 0);
        assert_eq!(order_around(3, &(1..4)), 1);
        assert_eq!(order_around(700, &(512..1024)), 9);
        assert_eq!(order_around(700, &(513..1024)), 7);
        assert_eq!(order_around(700, &(512..1023)), 8);
        assert_eq!(order_around(512, &(512..1023)), 8);
        assert_eq!(order_around(1022, &(512..1023)), 0);
    }

    #[test]
    fn orders_of_the_largest_range() {
        let top = usize::MAX;

        assert_eq!(order_around(top - 1, &(0..top)), 0);
        assert_eq!(order_around(0, &(0..top)), usize::BITS - 1);
    }

    #[test]
    fn edges() {
        assert_eq!(edge_inside(&(3..9), &(0..4)), Some(3));
        assert_eq!(edge_inside(&(0..3), &(0..4)), Some(3));
        assert_eq!(edge_inside(&(0..4), &(0..4)), None);
        assert_eq!(edge_inside(&(4..8), &(0..4)), None);
        assert_eq!(edge_inside(&(0..8), &(0..4)), None);
    }
}
