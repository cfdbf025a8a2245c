// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a machine is made of if there is a hypervisor: a program, and the device tree in which
//! the resource manager finds what machine that is.

use std::arch::global_asm;

use vm_fdt::{FdtWriter, FdtWriterResult};

use super::device::BASE;
use crate::demo::device_tree::{GIC_HANDLE, add_gic, add_processor};

/// How long the program is, padding included.
const PROGRAM_LEN: usize = 32;

global_asm!(
    include_str!("program.s"),
    PROGRAM_LEN = const PROGRAM_LEN,
);

// SAFETY: The assembly above defines it in a read-only section and pads it to this length.
unsafe extern "C" {
    /// Asks, and says the next number.
    #[link_name = "rmem_gunyah"]
    safe static PROGRAM: [u8; PROGRAM_LEN];
}

/// Registers of the interrupt controller, which the program does not use.
const DISTRIBUTOR: [u64; 2] = [0x3fff_0000, 0x1_0000];
const REDISTRIBUTOR: [u64; 2] = [0x3ffd_0000, 0x2_0000];

/// The program.
pub fn program() -> &'static [u8] {
    &PROGRAM
}

/// The device tree of a machine with so much memory.
pub fn device_tree(len: u64) -> FdtWriterResult<Vec<u8>> {
    let mut tree = FdtWriter::new()?;
    let root = tree.begin_node("")?;
    tree.property_u32("#address-cells", 2)?;
    tree.property_u32("#size-cells", 2)?;
    tree.property_u32("interrupt-parent", GIC_HANDLE)?;

    // The first one: the resource manager takes sizes of cells from the first of all siblings.
    let machine = tree.begin_node("gunyah-vm-config")?;
    tree.property_string("image-name", "rmem")?;
    tree.property_string("os-type", "linux")?;
    tree.property_u32("#address-cells", 2)?;
    tree.property_u32("#size-cells", 2)?;
    let memory = tree.begin_node("memory")?;
    tree.property_u64("base-address", BASE)?;
    tree.property_u64("size-min", len)?;
    tree.end_node(memory)?;
    let interrupts = tree.begin_node("interrupts")?;
    tree.property_string("config", "/intc")?;
    tree.end_node(interrupts)?;
    // It runs when we run it.
    let processors = tree.begin_node("vcpus")?;
    tree.property_string("config", "/cpus")?;
    tree.property_string("affinity", "proxy")?;
    tree.end_node(processors)?;
    let devices = tree.begin_node("vdevices")?;
    tree.property_string("generate", "/hypervisor")?;
    tree.end_node(devices)?;
    tree.end_node(machine)?;

    // The resource manager writes into it.
    let chosen = tree.begin_node("chosen")?;
    tree.end_node(chosen)?;

    add_processor(&mut tree)?;

    add_gic(&mut tree, "intc", [DISTRIBUTOR, REDISTRIBUTOR])?;

    tree.end_node(root)?;
    tree.finish()
}
