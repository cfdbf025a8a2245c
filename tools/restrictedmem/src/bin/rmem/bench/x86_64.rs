// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the machine of the benchmark has of an x86 processor.

use std::arch::global_asm;

use kvm_bindings::kvm_regs;
use kvm_ioctls::{VcpuExit, VcpuFd};

use super::PAGE;
use super::machine::MEMORY;
use crate::demo::host_memory::HostMemory;
use crate::demo::kvm::{Result, refused};
use crate::demo::layout::PORT_DONE;
pub use crate::demo::machine::Hypervisor;
use crate::demo::machine::start_at;

/// Size of a large page.
const LARGE: u64 = 2 << 20;

const TABLES: u64 = 0x1000;
const CODE: u64 = 0x5000;

/// How long the code is, padding included.
const TOUCH_LEN: usize = 32;

global_asm!(
    include_str!("touch_x86_64.s"),
    PORT_DONE = const PORT_DONE,
    TOUCH_LEN = const TOUCH_LEN,
);

// SAFETY: The assembly above defines it in a read-only section and pads it to this length.
unsafe extern "C" {
    /// Touches pages.
    #[link_name = "rmem_touch"]
    safe static TOUCH_CODE: [u8; TOUCH_LEN];
}

/// Writes page tables and code. The tables map the first 2 MiB, and 1 GiB from `MEMORY`, to
/// themselves.
pub fn fill(ours: &HostMemory) {
    const PRESENT: u64 = 3; // and writable
    const IS_LARGE: u64 = 0x80;
    let [pointers, low, high] = [TABLES + 0x1000, TABLES + 0x2000, TABLES + 0x3000];
    let write = |entry: u64, value: u64| ours.write(entry, &value.to_le_bytes());
    write(TABLES, pointers | PRESENT);
    write(pointers, low | PRESENT);
    write(pointers + 8 * (MEMORY >> 30), high | PRESENT);
    write(low, PRESENT | IS_LARGE);
    for page in 0..512 {
        write(
            high + 8 * page,
            (MEMORY + page * LARGE) | PRESENT | IS_LARGE,
        );
    }
    ours.write(CODE, &TOUCH_CODE);
}

/// Has it touch so many pages when it runs next.
pub fn start(vcpu: &VcpuFd, first: u64, pages: u64) -> Result<()> {
    start_at(vcpu, CODE, TABLES)?;
    let regs = kvm_regs {
        rip: CODE,
        rflags: 2,
        rdi: first,
        rcx: pages,
        rdx: PAGE,
        ..Default::default()
    };
    vcpu.set_regs(&regs).map_err(refused("set the registers"))
}

/// Whether it left because it has touched them.
pub fn is_done(exit: &VcpuExit<'_>) -> bool {
    matches!(exit, VcpuExit::IoOut(PORT_DONE, _))
}

/// The address that it has come to.
pub fn reached(vcpu: &VcpuFd) -> Result<u64> {
    let regs = vcpu.get_regs().map_err(refused("read the registers"))?;
    Ok(regs.rdi)
}
