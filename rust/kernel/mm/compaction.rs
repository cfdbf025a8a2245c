// SPDX-License-Identifier: GPL-2.0

//! Making room for large folios.
//!
//! C headers: [`include/linux/gfp.h`](srctree/include/linux/gfp.h),
//! [`include/linux/huge_mm.h`](srctree/include/linux/huge_mm.h)

use crate::{
    bindings,
    error::Result,
    prelude::*, //
};

/// Returns whether the administrator lets applications wait for large pages that they asked for,
/// see `/sys/kernel/mm/transparent_hugepage/defrag`.
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
fn is_allowed() -> bool {
    const ALLOWED: usize = 1
        << bindings::transparent_hugepage_flag_TRANSPARENT_HUGEPAGE_DEFRAG_DIRECT_FLAG
        | 1 << bindings::transparent_hugepage_flag_TRANSPARENT_HUGEPAGE_DEFRAG_KSWAPD_OR_MADV_FLAG
        | 1 << bindings::transparent_hugepage_flag_TRANSPARENT_HUGEPAGE_DEFRAG_REQ_MADV_FLAG;
    // SAFETY: The flags are a word that is changed by atomic operations.
    let flags = unsafe { (&raw const bindings::transparent_hugepage_flags).read_volatile() };

    flags & ALLOWED != 0
}

#[cfg(not(CONFIG_TRANSPARENT_HUGEPAGE))]
fn is_allowed() -> bool {
    false
}

/// Makes the kernel reclaim and move memory until there is a free block of two to the power of
/// `order` pages, with the effort that a fault in a mapping with `MADV_HUGEPAGE` is worth.
///
/// The block is not kept: whoever allocates next is likely to get it, but need not.
///
/// # Context
///
/// May sleep, for as long as compaction takes.
///
/// # Errors
///
/// [`EAGAIN`] if the administrator does not want applications to wait for large pages;
/// [`ENOMEM`] if there is no such block to be had.
pub fn make_room(order: u32) -> Result {
    const GFP: bindings::gfp_t = bindings::GFP_KERNEL & !(1 << bindings::___GFP_KSWAPD_RECLAIM_BIT)
        | 1 << bindings::___GFP_HARDWALL_BIT
        | 1 << bindings::___GFP_COMP_BIT
        | 1 << bindings::___GFP_NOMEMALLOC_BIT
        | 1 << bindings::___GFP_NOWARN_BIT;

    if !is_allowed() {
        return Err(EAGAIN);
    }

    // SAFETY: Always sound to call in a context that may sleep.
    let page = unsafe { bindings::alloc_pages(GFP, order) };
    if page.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: Allocated right above, with this order, and nobody else knows it.
    unsafe { bindings::__free_pages(page, order) };
    Ok(())
}
