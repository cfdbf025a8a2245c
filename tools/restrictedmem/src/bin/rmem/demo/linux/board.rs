// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the machine consists of, where that is, and the device tree that says so.

use vm_fdt::{FdtWriter, FdtWriterResult};

use crate::demo::device_tree::{GIC_HANDLE, add_gic, add_processor};

/// Where the memory begins ...
pub const MEMORY: u64 = 0x4000_0000;
/// ... and how much there is.
pub const MEMORY_LEN: u64 = 128 << 20;

/// Registers of the interrupt controller, a GICv3: KVM has a distributor, and a redistributor for
/// each processor. No ITS: KVM would read its tables in memory that it cannot read.
pub const DISTRIBUTOR: u64 = 0x0800_0000;
const DISTRIBUTOR_LEN: u64 = 0x1_0000;
pub const REDISTRIBUTOR: u64 = 0x080a_0000;
const REDISTRIBUTOR_LEN: u64 = 0x2_0000;
/// How many interrupts it has, of which 32 are a processor's own. Only those are used.
pub const INTERRUPTS: u32 = 64;

/// Registers of the serial line.
pub const SERIAL: u64 = 0x0900_0000;
pub const SERIAL_LEN: u64 = 0x1000;

/// No tests of the kernel's own, and one console from beginning to end.
const COMMAND_LINE: &str =
    "console=ttyAMA0 earlycon=pl011,0x9000000 kunit.enable=0 panic=-1 quiet rdinit=/init";

// Names of the device tree for interrupts.
const SHARED: u32 = 0;
const PRIVATE: u32 = 1;
const LEVEL: u32 = 4;
/// The four timers that an arm64 processor has.
const TIMERS: [u32; 4] = [13, 14, 11, 10];

const CLOCK_HANDLE: u32 = GIC_HANDLE + 1;

/// The device tree, with the addresses of an initramfs.
pub fn device_tree(initramfs: std::ops::Range<u64>) -> FdtWriterResult<Vec<u8>> {
    let mut tree = FdtWriter::new()?;
    let root = tree.begin_node("")?;
    tree.property_string("compatible", "linux,dummy-virt")?;
    tree.property_u32("#address-cells", 2)?;
    tree.property_u32("#size-cells", 2)?;
    tree.property_u32("interrupt-parent", GIC_HANDLE)?;

    let chosen = tree.begin_node("chosen")?;
    tree.property_string("bootargs", COMMAND_LINE)?;
    tree.property_u64("linux,initrd-start", initramfs.start)?;
    tree.property_u64("linux,initrd-end", initramfs.end)?;
    tree.end_node(chosen)?;

    let memory = tree.begin_node("memory@40000000")?;
    tree.property_string("device_type", "memory")?;
    tree.property_array_u64("reg", &[MEMORY, MEMORY_LEN])?;
    tree.end_node(memory)?;

    add_processor(&mut tree)?;

    let firmware = tree.begin_node("psci")?;
    tree.property_string("compatible", "arm,psci-0.2")?;
    tree.property_string("method", "hvc")?;
    tree.end_node(firmware)?;

    let timer = tree.begin_node("timer")?;
    tree.property_string("compatible", "arm,armv8-timer")?;
    let interrupts: Vec<u32> = TIMERS.iter().flat_map(|at| [PRIVATE, *at, LEVEL]).collect();
    tree.property_array_u32("interrupts", &interrupts)?;
    tree.property_null("always-on")?;
    tree.end_node(timer)?;

    let registers = [
        [DISTRIBUTOR, DISTRIBUTOR_LEN],
        [REDISTRIBUTOR, REDISTRIBUTOR_LEN],
    ];
    add_gic(&mut tree, "interrupt-controller@8000000", registers)?;

    let clock = tree.begin_node("clock")?;
    tree.property_string("compatible", "fixed-clock")?;
    tree.property_u32("#clock-cells", 0)?;
    tree.property_u32("clock-frequency", 24_000_000)?;
    tree.property_phandle(CLOCK_HANDLE)?;
    tree.end_node(clock)?;

    let serial = tree.begin_node("serial@9000000")?;
    tree.property_string_list(
        "compatible",
        vec!["arm,pl011".into(), "arm,primecell".into()],
    )?;
    tree.property_array_u64("reg", &[SERIAL, SERIAL_LEN])?;
    // The driver wants one, although none ever comes.
    tree.property_array_u32("interrupts", &[SHARED, 0, LEVEL])?;
    tree.property_array_u32("clocks", &[CLOCK_HANDLE, CLOCK_HANDLE])?;
    tree.property_string_list("clock-names", vec!["uartclk".into(), "apb_pclk".into()])?;
    tree.end_node(serial)?;

    tree.end_node(root)?;
    tree.finish()
}
