// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The code that runs in the machine of the benchmark, as bytes.

use std::arch::global_asm;

use crate::demo::layout::PORT_DONE;

/// How long it is, padding included.
pub const TOUCH_LEN: usize = 32;

global_asm!(
    include_str!("touch.s"),
    PORT_DONE = const PORT_DONE,
    TOUCH_LEN = const TOUCH_LEN,
);

// SAFETY: The assembly above defines it in a read-only section and pads it to this length.
unsafe extern "C" {
    /// Touches pages.
    #[link_name = "rmem_touch"]
    pub safe static TOUCH_CODE: [u8; TOUCH_LEN];
}
