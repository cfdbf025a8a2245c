// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the demo needs of the system that has no safe interface.

use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Tries to map one page of a file, and unmaps it again.
pub fn try_map(fd: BorrowedFd<'_>, prot: ProtFlags, flags: MapFlags) -> nix::Result<()> {
    let page = NonZeroUsize::new(4096).ok_or(Errno::EINVAL)?;
    // SAFETY: A new mapping at an address of the kernel's choice, of which nobody takes references.
    unsafe {
        let start = mmap(None, page, prot, flags, fd, 0)?;
        munmap(start, page.get())
    }
}

/// Lets a child of this process trace it, where the kernel would refuse that (Yama).
#[cfg(target_arch = "x86_64")]
pub fn allow_tracing() {
    // SAFETY: Integers only. Kernels without Yama answer EINVAL, which is as good.
    unsafe { nix::libc::prctl(nix::libc::PR_SET_PTRACER, nix::libc::PR_SET_PTRACER_ANY) };
}
