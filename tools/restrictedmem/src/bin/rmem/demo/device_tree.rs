// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What device trees of our machines have in common.

use vm_fdt::{FdtWriter, FdtWriterResult};

/// By which other nodes name the interrupt controller.
pub const GIC_HANDLE: u32 = 1;

/// Adds one processor.
pub fn add_processor(tree: &mut FdtWriter) -> FdtWriterResult<()> {
    let processors = tree.begin_node("cpus")?;
    tree.property_u32("#address-cells", 1)?;
    tree.property_u32("#size-cells", 0)?;
    let processor = tree.begin_node("cpu@0")?;
    tree.property_string("device_type", "cpu")?;
    tree.property_string("compatible", "arm,armv8")?;
    tree.property_u32("reg", 0)?;
    tree.end_node(processor)?;
    tree.end_node(processors)
}

/// Adds a `GICv3` with start and length of the registers of its distributor and its redistributor.
pub fn add_gic(tree: &mut FdtWriter, name: &str, registers: [[u64; 2]; 2]) -> FdtWriterResult<()> {
    let gic = tree.begin_node(name)?;
    tree.property_string("compatible", "arm,gic-v3")?;
    tree.property_null("interrupt-controller")?;
    tree.property_u32("#interrupt-cells", 3)?;
    tree.property_array_u64("reg", registers.as_flattened())?;
    tree.property_phandle(GIC_HANDLE)?;
    tree.end_node(gic)
}
