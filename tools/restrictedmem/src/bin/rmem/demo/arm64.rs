// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a machine of arm64 wants of KVM.

use kvm_bindings::{
    KVM_ARM_VCPU_PSCI_0_2, KVM_REG_ARM_CORE, KVM_REG_ARM64, KVM_REG_SIZE_U64, kvm_vcpu_init,
};
use kvm_ioctls::{Kvm, VcpuFd, VmFd};

use super::kvm::{self, Result, refused};

/// The first of the registers of a processor, which are numbered by where they are in
/// `struct kvm_regs`, in words of 32 bits.
pub const X0: u64 = KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE as u64;
pub const PC: u64 = X0 + 0x40;

/// KVM that takes restricted memory.
pub struct Hypervisor {
    kvm: Kvm,
}

impl Hypervisor {
    /// Opens `/dev/kvm` and looks whether it has what is needed.
    pub fn open() -> Result<Self> {
        let kvm = kvm::open()?;
        kvm::takes_restricted_memory(&kvm)?;
        Ok(Self { kvm })
    }

    /// A machine without memory.
    pub fn machine(&self) -> Result<VmFd> {
        self.kvm.create_vm().map_err(refused("make a machine"))
    }

    /// Its processor.
    pub fn processor(&self, vm: &VmFd) -> Result<VcpuFd> {
        let vcpu = vm.create_vcpu(0).map_err(refused("make a processor"))?;
        let mut kind = kvm_vcpu_init::default();
        vm.get_preferred_target(&mut kind)
            .map_err(refused("say which processor it has"))?;
        kind.features[0] |= 1 << KVM_ARM_VCPU_PSCI_0_2;
        vcpu.vcpu_init(&kind)
            .map_err(refused("make a processor with PSCI"))?;
        Ok(vcpu)
    }
}

/// Sets registers of a processor.
pub fn set_registers(vcpu: &VcpuFd, registers: &[(u64, u64)]) -> Result<()> {
    for (register, value) in registers {
        vcpu.set_one_reg(*register, &value.to_le_bytes())
            .map_err(refused("set a register"))?;
    }
    Ok(())
}
