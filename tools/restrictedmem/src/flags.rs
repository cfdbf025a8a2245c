// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The flags of the system call.

bitflags::bitflags! {
    /// How a restricted file is made: `RMFD_*` of `<linux/restrictedmem.h>`.
    ///
    /// A kernel refuses a bit that it does not know with `EINVAL`. Use
    /// [`Flags::from_bits_retain`] for a bit that is newer than this crate.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Flags: u32 {
        /// The descriptor is closed when the process executes another program.
        const CLOEXEC = 0x0001;
        /// The memory comes in pages as large as fit into the file, if they are to be had.
        const HUGEPAGE = 0x0002;
        /// The memory comes from a tmpfs mount of the caller's: see
        /// [`Builder::mount`](crate::Builder::mount). Not together with [`Flags::HUGEPAGE`], as the
        /// mount says how large its pages are.
        const USERMNT = 0x0004;
    }
}

impl Default for Flags {
    /// [`Flags::CLOEXEC`], as every descriptor of the standard library.
    fn default() -> Self {
        Self::CLOEXEC
    }
}
