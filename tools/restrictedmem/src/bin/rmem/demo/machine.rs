// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A small KVM machine whose private memory is a restricted file.

use std::os::fd::{AsRawFd, BorrowedFd};

use kvm_bindings::{
    CpuId, KVM_CAP_VM_TYPES, KVM_MAX_CPUID_ENTRIES, KVM_MEM_GUEST_MEMFD,
    KVM_MEMORY_ATTRIBUTE_PRIVATE, KVM_X86_SW_PROTECTED_VM, kvm_memory_attributes, kvm_regs,
    kvm_segment, kvm_userspace_memory_region2,
};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use nix::errno::Errno;

use super::guest;
use super::host_memory::{HostMemory, host_memory, set_slot};
use super::kvm::{self, MachineError, Result, refused};
use super::layout::*;
use super::search::Digest;

/// KVM on a processor that can run machines with private memory.
pub struct Hypervisor {
    kvm: Kvm,
    cpuid: CpuId,
}

impl Hypervisor {
    /// Opens `/dev/kvm` and looks whether it has what is needed.
    pub fn open() -> Result<Self> {
        let kvm = kvm::open()?;
        let types = kvm.check_extension_raw(KVM_CAP_VM_TYPES.into());
        if types & (1 << KVM_X86_SW_PROTECTED_VM) == 0 {
            return Err(MachineError::Unavailable(
                "KVM here has no software-protected machines, which have private memory \
                 (CONFIG_KVM_SW_PROTECTED_VM, and a processor with nested paging)"
                    .into(),
            ));
        }
        kvm::takes_restricted_memory(&kvm)?;
        let cpuid = kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(refused("say which features a processor may have"))?;
        Ok(Self { kvm, cpuid })
    }

    /// A software-protected machine without memory.
    pub fn machine(&self) -> Result<VmFd> {
        self.kvm
            .create_vm_with_type(KVM_X86_SW_PROTECTED_VM.into())
            .map_err(refused("make a software-protected machine"))
    }

    /// Its processor.
    pub fn processor(&self, vm: &VmFd) -> Result<VcpuFd> {
        let vcpu = vm.create_vcpu(0).map_err(refused("make a processor"))?;
        vcpu.set_cpuid2(&self.cpuid)
            .map_err(refused("give a processor its features"))?;
        Ok(vcpu)
    }

    /// Whether the processor of a machine has `rdrand`.
    fn has_rdrand(&self) -> bool {
        self.cpuid
            .as_slice()
            .iter()
            .any(|leaf| leaf.function == 1 && leaf.ecx & (1 << 30) != 0)
    }
}

/// One machine with one processor.
///
/// It runs only inside of [`Machine::ask`], on the calling thread. The fields are dropped in this
/// order: the machine first, then the memory of ours that it uses.
pub struct Machine {
    vcpu: VcpuFd,
    vm: VmFd,
    /// What the machine would see where its memory is not private: nothing is ever written to it.
    shadow: HostMemory,
    /// The memory that both sides see, if there is any.
    shared: Option<HostMemory>,
    rdrand: bool,
}

impl Machine {
    /// Makes a machine whose private memory is `memory`. It has no other memory, and does not run.
    ///
    /// `Refused` with `EBUSY`: another machine has that memory.
    pub fn new(hypervisor: &Hypervisor, memory: BorrowedFd<'_>) -> Result<Self> {
        let vm = hypervisor.machine()?;
        let shadow = host_memory(PRIVATE_LEN)?;
        let slot = kvm_userspace_memory_region2 {
            slot: 0,
            flags: KVM_MEM_GUEST_MEMFD,
            guest_phys_addr: PRIVATE,
            memory_size: PRIVATE_LEN,
            userspace_addr: shadow.address(),
            guest_memfd: memory.as_raw_fd() as u32,
            guest_memfd_offset: 0,
            ..Default::default()
        };
        set_slot(&vm, slot, &shadow).map_err(refused("take this file as private memory"))?;
        make_private(&vm, PRIVATE, PRIVATE_LEN)?;
        Ok(Self {
            vcpu: hypervisor.processor(&vm)?,
            vm,
            shadow,
            shared: None,
            rdrand: hypervisor.has_rdrand(),
        })
    }

    /// Gives the machine shared memory with the loader in it, and has it start there.
    pub fn start_with_loader(&mut self) -> Result<()> {
        let shared = host_memory(SHARED_LEN)?;
        // Three page tables that map the first two large pages to themselves.
        for (entry, value) in [
            (BOOT_TABLES, BOOT_TABLES + 0x1000 + 3),
            (BOOT_TABLES + 0x1000, BOOT_TABLES + 0x2000 + 3),
            (BOOT_TABLES + 0x2000, SHARED + 0x83),
            (BOOT_TABLES + 0x2008, PRIVATE + 0x83),
        ] {
            shared.write(entry, &value.to_le_bytes());
        }
        shared.write(LOADER, &guest::LOADER_CODE);
        shared.write(IMAGE, &guest::PROGRAM_CODE);

        let slot = kvm_userspace_memory_region2 {
            slot: 1,
            guest_phys_addr: SHARED,
            memory_size: SHARED_LEN,
            userspace_addr: shared.address(),
            ..Default::default()
        };
        set_slot(&self.vm, slot, &shared).map_err(refused("take shared memory"))?;
        self.shared = Some(shared);
        start_at(&self.vcpu, LOADER, BOOT_TABLES)
    }

    /// Has the machine start with what an earlier machine left in the memory: the program, and
    /// the page tables that it runs on.
    pub fn start_with_what_is_there(&mut self) -> Result<()> {
        start_at(&self.vcpu, PROGRAM, TABLES)
    }

    /// Lets the machine run until it has answered one command.
    fn ask(&mut self, command: u32, argument: u32) -> Result<Vec<u32>> {
        let mut answer = Vec::new();
        loop {
            match self.vcpu.run() {
                Ok(VcpuExit::IoIn(PORT_COMMAND, data)) => give(data, command)?,
                Ok(VcpuExit::IoIn(PORT_ARGUMENT, data)) => give(data, argument)?,
                Ok(VcpuExit::IoOut(PORT_RESULT, data)) => answer.push(word(data)?),
                Ok(VcpuExit::IoOut(PORT_DONE, _)) => return Ok(answer),
                Ok(VcpuExit::Intr) => {}
                Ok(VcpuExit::MemoryFault { gpa, size, .. }) => {
                    let sentence = format!("it could not get the {size:#x} bytes at {gpa:#x}");
                    return Err(MachineError::Astray(sentence));
                }
                Ok(exit) => return Err(MachineError::Astray(format!("it left with {exit:?}"))),
                Err(error) => match Errno::from_raw(error.errno()) {
                    Errno::EINTR | Errno::EAGAIN => {}
                    errno => {
                        return Err(MachineError::Refused {
                            what: "run the machine",
                            errno,
                        });
                    }
                },
            }
        }
    }

    fn ask_number(&mut self, command: u32, argument: u32) -> Result<u32> {
        match self.ask(command, argument)?[..] {
            [number] => Ok(number),
            ref other => Err(MachineError::Astray(format!("it answered {other:x?}"))),
        }
    }

    fn ask_digest(&mut self, command: u32, argument: u32) -> Result<Digest> {
        let words = self.ask(command, argument)?;
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Digest::try_from(bytes.as_slice())
            .map_err(|_| MachineError::Astray(format!("it answered {words:x?}")))
    }

    /// Has it draw a secret.
    pub fn draw_secret(&mut self) -> Result<()> {
        self.ask(DRAW_SECRET, self.rdrand.into()).map(|_| ())
    }

    /// The digest of the secret.
    pub fn secret_digest(&mut self) -> Result<Digest> {
        self.ask_digest(DIGEST_SECRET, 0)
    }

    /// Has it draw another 32 bytes and leave them in shared memory; returns their digest.
    pub fn write_note(&mut self) -> Result<Digest> {
        self.ask_digest(WRITE_NOTE, self.rdrand.into())
    }

    /// How many primes there are up to `limit`.
    pub fn count_primes(&mut self, limit: u32) -> Result<u32> {
        self.ask_number(COUNT_PRIMES, limit)
    }

    /// Has it fill the field at an offset of its private memory.
    pub fn fill_field(&mut self, offset: u64) -> Result<()> {
        self.ask(FILL_FIELD, word_of(offset)).map(|_| ())
    }

    /// How many bytes of that field are not zero.
    pub fn count_field(&mut self, offset: u64) -> Result<u64> {
        self.ask_number(COUNT_FIELD, word_of(offset)).map(u64::from)
    }

    /// Where its memory slot says that an address of the private memory is in this process.
    pub fn private_address(&self, address: u64) -> u64 {
        self.shadow.address() + address - PRIVATE
    }

    /// Where the note is in this process.
    pub fn note_address(&self) -> Option<u64> {
        self.shared
            .as_ref()
            .map(|shared| shared.address() + NOTE - SHARED)
    }
}

/// Makes memory of a machine private.
pub fn make_private(vm: &VmFd, address: u64, size: u64) -> Result<()> {
    vm.set_memory_attributes(kvm_memory_attributes {
        address,
        size,
        attributes: KVM_MEMORY_ATTRIBUTE_PRIVATE.into(),
        flags: 0,
    })
    .map_err(refused("make memory of a machine private"))
}

/// 64-bit mode from the first instruction on.
pub fn start_at(vcpu: &VcpuFd, rip: u64, cr3: u64) -> Result<()> {
    let mut sregs = vcpu.get_sregs().map_err(refused("read the registers"))?;
    let data = kvm_segment {
        limit: u32::MAX,
        selector: 0x10,
        type_: 3, // data, writable
        present: 1,
        db: 1,
        s: 1,
        g: 1,
        ..Default::default()
    };
    sregs.cs = kvm_segment {
        selector: 0x8,
        type_: 0xb,
        db: 0,
        l: 1,
        ..data
    };
    sregs.ds = data;
    sregs.es = data;
    sregs.ss = data;
    sregs.cr0 = 0x8000_0011; // paging, protected mode
    sregs.cr3 = cr3;
    sregs.cr4 = 0x20; // physical address extension
    sregs.efer = 0x500; // long mode, enabled and active
    vcpu.set_sregs(&sregs)
        .map_err(refused("set the registers"))?;
    let regs = kvm_regs {
        rip,
        rflags: 2,
        ..Default::default()
    };
    vcpu.set_regs(&regs).map_err(refused("set the registers"))
}

/// An offset in private memory as the argument of a command.
fn word_of(offset: u64) -> u32 {
    u32::try_from(offset).expect("private memory is small")
}

/// Answers a read of a port.
fn give(data: &mut [u8], value: u32) -> Result<()> {
    let bytes = value.to_le_bytes();
    if data.len() != bytes.len() {
        return Err(MachineError::Astray(format!(
            "it read {} bytes of a port",
            data.len()
        )));
    }
    data.copy_from_slice(&bytes);
    Ok(())
}

/// Takes what was written to a port.
fn word(data: &[u8]) -> Result<u32> {
    <[u8; 4]>::try_from(data)
        .map(u32::from_le_bytes)
        .map_err(|_| MachineError::Astray(format!("it wrote {} bytes to a port", data.len())))
}
