// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the machine of the benchmark has of an arm64 processor. It runs without page tables.

use std::arch::global_asm;

use kvm_ioctls::{VcpuExit, VcpuFd};

use super::PAGE;
pub use crate::demo::arm64::Hypervisor;
use crate::demo::arm64::{PC, X0, set_registers};
use crate::demo::host_memory::HostMemory;
use crate::demo::kvm::{Result, refused};

const CODE: u64 = 0x5000;
/// Where there is no memory: a write there leaves the machine.
const DONE: u64 = 0x1000_0000;

/// How long the code is, padding included.
const TOUCH_LEN: usize = 32;

global_asm!(
    include_str!("touch_arm64.s"),
    TOUCH_LEN = const TOUCH_LEN,
);

// SAFETY: The assembly above defines it in a read-only section and pads it to this length.
unsafe extern "C" {
    /// Touches pages.
    #[link_name = "rmem_touch"]
    safe static TOUCH_CODE: [u8; TOUCH_LEN];
}

/// Writes the code.
pub fn fill(ours: &HostMemory) {
    ours.write(CODE, &TOUCH_CODE);
}

/// Has it touch so many pages when it runs next.
pub fn start(vcpu: &VcpuFd, first: u64, pages: u64) -> Result<()> {
    let arguments = [first, pages, PAGE, DONE];
    // Each register is two of the words that they are numbered by.
    let mut registers: Vec<_> = (X0..).step_by(2).zip(arguments).collect();
    registers.push((PC, CODE));
    set_registers(vcpu, &registers)
}

/// Whether it left because it has touched them.
pub fn is_done(exit: &VcpuExit<'_>) -> bool {
    matches!(exit, VcpuExit::MmioWrite(DONE, _))
}

/// The address that it has come to.
pub fn reached(vcpu: &VcpuFd) -> Result<u64> {
    let mut value = [0; 8];
    vcpu.get_one_reg(X0, &mut value)
        .map_err(refused("read a register"))?;
    Ok(u64::from_le_bytes(value))
}
