// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A KVM machine of arm64 that has no memory but a restricted file.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, BorrowedFd};

use kvm_bindings::{
    KVM_DEV_ARM_VGIC_CTRL_INIT, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_DEV_ARM_VGIC_GRP_CTRL,
    KVM_DEV_ARM_VGIC_GRP_NR_IRQS, KVM_MEM_GUEST_MEMFD, KVM_SYSTEM_EVENT_SHUTDOWN,
    KVM_VGIC_V3_ADDR_TYPE_DIST, KVM_VGIC_V3_ADDR_TYPE_REDIST, kvm_create_device, kvm_device_attr,
    kvm_device_type_KVM_DEV_TYPE_ARM_VGIC_V3, kvm_userspace_memory_region2,
};
use kvm_ioctls::{DeviceFd, VcpuExit, VcpuFd, VmFd};
use nix::errno::Errno;

use super::super::arm64::{Hypervisor, PC, X0, set_registers};
use super::super::kvm::{MachineError, Result, refused};
use super::board::{
    DISTRIBUTOR, INTERRUPTS, MEMORY, MEMORY_LEN, REDISTRIBUTOR, SERIAL, SERIAL_LEN,
};
use super::console::Console;

/// One machine with one processor, which runs on the calling thread only.
pub struct Machine {
    vcpu: VcpuFd,
    /// Lives as long as the machine does.
    _gic: DeviceFd,
    vm: VmFd,
    pub console: Console,
}

impl Machine {
    /// Makes a machine of which `memory` is all the memory. It does not run.
    pub fn new(memory: BorrowedFd<'_>) -> Result<Self> {
        let hypervisor = Hypervisor::open()?;
        let vm = hypervisor.machine()?;
        let slot = kvm_userspace_memory_region2 {
            flags: KVM_MEM_GUEST_MEMFD,
            guest_phys_addr: MEMORY,
            memory_size: MEMORY_LEN,
            guest_memfd: memory.as_raw_fd() as u32,
            ..Default::default()
        };
        // SAFETY: All that the machine accesses in this slot is in the file. There is nothing of
        // this process at the address zero, which KVM itself would look at, and have EFAULT.
        unsafe { vm.set_user_memory_region2(slot) }.map_err(refused("take this file as memory"))?;

        Ok(Self {
            // The interrupt controller wants to know all processors.
            vcpu: hypervisor.processor(&vm)?,
            _gic: interrupt_controller(&vm)?,
            vm,
            console: Console::default(),
        })
    }

    /// Has it start as the kernel wants to: at an address, with that of a device tree.
    pub fn start_at(&self, entry: u64, device_tree: u64) -> Result<()> {
        set_registers(&self.vcpu, &[(PC, entry), (X0, device_tree)])
    }

    /// Lets it run until what it has said is enough: true. False if it switched itself off before.
    pub fn run_until(&mut self, is_enough: impl Fn(&Console) -> bool) -> Result<bool> {
        while self.step()?.is_continue() {
            if is_enough(&self.console) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Lets it run until it leaves. Break: it has switched itself off.
    fn step(&mut self) -> Result<ControlFlow<()>> {
        match self.vcpu.run() {
            Ok(VcpuExit::MmioRead(address, data)) if is_serial(address) => {
                let value = self.console.read(address - SERIAL).to_le_bytes();
                data.iter_mut().zip(value).for_each(|(to, byte)| *to = byte);
            }
            Ok(VcpuExit::MmioWrite(address, &[byte, ..])) if is_serial(address) => {
                self.console.write(address - SERIAL, byte);
            }
            Ok(VcpuExit::SystemEvent(KVM_SYSTEM_EVENT_SHUTDOWN, _)) => {
                return Ok(ControlFlow::Break(()));
            }
            Ok(VcpuExit::Intr) => {}
            Ok(exit) => return Err(MachineError::Astray(format!("it left with {exit:?}"))),
            Err(error) => match Errno::from_raw(error.errno()) {
                Errno::EINTR | Errno::EAGAIN => {}
                _ => return Err(refused("run the machine")(error)),
            },
        }
        Ok(ControlFlow::Continue(()))
    }

    /// How many pages of 2 MiB are mapped as such, where debugfs tells.
    pub fn large_mappings(&self) -> io::Result<u64> {
        let name = format!("{}-{}", std::process::id(), self.vm.as_raw_fd());
        let tables = format!("/sys/kernel/debug/kvm/{name}/stage2_page_tables");
        Ok(large_mappings(&fs::read_to_string(tables)?))
    }
}

/// Adds up lines such as `0x40000000-0x40400000 4M 2 R W X AF BLK`.
fn large_mappings(tables: &str) -> u64 {
    let address = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let blocks = tables.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let len = address(end)?.checked_sub(address(start)?)?;
        words.any(|word| word == "BLK").then_some(len >> 21)
    });
    blocks.sum()
}

fn is_serial(address: u64) -> bool {
    (SERIAL..SERIAL + SERIAL_LEN).contains(&address)
}

fn interrupt_controller(vm: &VmFd) -> Result<DeviceFd> {
    let gic = vm
        .create_device(&mut kvm_create_device {
            type_: kvm_device_type_KVM_DEV_TYPE_ARM_VGIC_V3,
            ..Default::default()
        })
        .map_err(refused("make an interrupt controller (GICv3)"))?;
    let set = |group, attr: u32, addr| {
        gic.set_device_attr(&kvm_device_attr {
            group,
            attr: attr.into(),
            addr,
            ..Default::default()
        })
        .map_err(refused("set up an interrupt controller"))
    };
    let interrupts = std::ptr::from_ref(&INTERRUPTS) as u64;
    set(KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, interrupts)?;
    for (kind, address) in [
        (KVM_VGIC_V3_ADDR_TYPE_DIST, &DISTRIBUTOR),
        (KVM_VGIC_V3_ADDR_TYPE_REDIST, &REDISTRIBUTOR),
    ] {
        let address = std::ptr::from_ref(address) as u64;
        set(KVM_DEV_ARM_VGIC_GRP_ADDR, kind, address)?;
    }
    set(KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0)?;
    Ok(gic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_blocks() {
        let tables = "---[ Start addr ]---\n\
            0x0000000040000000-0x0000000040200000           2M 3    R W X AF SH\n\
            0x0000000040200000-0x0000000040800000           6M 2    R W   AF SH BLK\n\
            0x0000000040800000-0x0000000040a00000           2M 2    R     AF    BLK\n";
        assert_eq!(large_mappings(tables), 4);
    }
}
