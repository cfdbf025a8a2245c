// SPDX-License-Identifier: GPL-2.0

//! The calls of the resource manager that the life of a machine needs.
//!
//! All of them may sleep until there is an answer. An answer that is not as long as it must be
//! tells nothing: whether the call was carried out is then [`Failure::Unknown`].

use kernel::{
    prelude::*,
    time::msecs_to_jiffies, //
};

use crate::{
    error::{
        Code,
        Failure, //
    },
    hypervisor::Capability,
    image::Image,
    message::MAX_PAYLOAD,
    rpc::{
        Rpc,
        Wait, //
    },
    runs::Entry,
    status::Vmid,
    wire::{
        Reader,
        Writer, //
    },
};

const MEM_LEND: u32 = 0x5100_0012;
const MEM_RECLAIM: u32 = 0x5100_0015;
const MEM_APPEND: u32 = 0x5100_0018;
const VM_ALLOC_VMID: u32 = 0x5600_0001;
const VM_DEALLOC_VMID: u32 = 0x5600_0002;
const VM_START: u32 = 0x5600_0004;
const VM_STOP: u32 = 0x5600_0005;
const VM_RESET: u32 = 0x5600_0006;
const VM_CONFIG_IMAGE: u32 = 0x5600_0009;
const VM_INIT: u32 = 0x5600_000b;
const VM_GET_HYP_RESOURCES: u32 = 0x5600_0020;
const VM_GET_VMID: u32 = 0x5600_0024;

/// Lending: more entries follow.
const LEND_APPEND: u8 = 1 << 1;
/// Appending: no more entries follow.
const APPEND_DONE: u8 = 1 << 0;
/// Rights of a borrower: all.
const READ_WRITE_EXECUTE: u8 = 7;
/// Stopping: whether the machine agrees or not.
const STOP_FORCE: u8 = 1 << 0;
/// Stopping: the reason that is given for it.
const STOP_REASON: u32 = 3;

/// Resources: a virtual processor.
const RESOURCE_VCPU: u8 = 4;

/// How long the first call waits: much longer than a resource manager that is there takes.
const PROBE_MSECS: u32 = 1000;

/// Names memory that was lent. Not used twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Handle(u32);

/// What the hypervisor has for a machine.
pub(crate) struct Resource {
    /// What it is.
    kind: u8,
    /// Which one of its kind.
    label: u32,
    /// What we call it to use it.
    pub(crate) capability: Capability,
    /// The interrupt that it sends us, 0 if it has none.
    pub(crate) interrupt: u32,
}

impl Resource {
    /// Returns whether it is the virtual processor that a machine calls `id`.
    fn is_vcpu(&self, id: u32) -> bool {
        (self.kind, self.label) == (RESOURCE_VCPU, id)
    }
}

/// Reads the answer to a call that is answered with nothing but "done".
fn done(_reader: &mut Reader<'_>) -> Result {
    Ok(())
}

impl Rpc {
    /// Writes a request, waits for the answer and reads it.
    fn ask<T>(
        &self,
        id: u32,
        write: impl FnOnce(&mut Writer) -> Result,
        room: usize,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T>,
        wait: Wait,
    ) -> Result<T, Failure> {
        let mut request = Writer::new();
        write(&mut request).map_err(Failure::NotSent)?;
        let answer = self.call(id, request.bytes(), room, wait)?;

        let mut reader = Reader::new(&answer);
        match Code(reader.u32().map_err(Failure::Unknown)?) {
            Code::OK => {
                let result = read(&mut reader).map_err(Failure::Unknown)?;
                reader.end().map_err(Failure::Unknown)?;
                Ok(result)
            }
            code => Err(Failure::Refused(code)),
        }
    }

    /// Makes a call whose request is a machine and nothing else, and whose answer is empty.
    fn ask_machine(&self, id: u32, vmid: Vmid) -> Result<(), Failure> {
        self.ask(id, |request| machine(request, vmid), 0, done, Wait::Ever)
    }

    /// Returns who we are. Waits a second and closes the connection if nobody answers.
    pub(crate) fn own_vmid(&self) -> Result<Vmid, Failure> {
        let wait = Wait::Probe(msecs_to_jiffies(PROBE_MSECS));

        self.ask(VM_GET_VMID, |_| Ok(()), 4, read_vmid, wait)
    }

    /// Makes a machine.
    pub(crate) fn alloc_vmid(&self) -> Result<Vmid, Failure> {
        let write = |request: &mut Writer| machine(request, Vmid(0));

        self.ask(VM_ALLOC_VMID, write, 4, read_vmid, Wait::Ever)
    }

    /// Gives a machine back.
    ///
    /// The resource manager dies if there is no such machine.
    pub(crate) fn dealloc_vmid(&self, vmid: Vmid) -> Result<(), Failure> {
        self.ask_machine(VM_DEALLOC_VMID, vmid)
    }

    /// Tells a machine where its image is, in memory that was lent to it.
    pub(crate) fn config_image(
        &self,
        vmid: Vmid,
        memory: Handle,
        image: &Image,
    ) -> Result<(), Failure> {
        let write = |request: &mut Writer| {
            request.u16(vmid.0)?;
            // Nobody has to vouch for the image.
            request.u16(0)?;
            request.u32(memory.0)?;
            for range in [&image.image, &image.device_tree] {
                request.u64(range.start)?;
                request.u64(range.end.checked_sub(range.start).ok_or(EINVAL)?)?;
            }
            Ok(())
        };

        self.ask(VM_CONFIG_IMAGE, write, 0, done, Wait::Ever)
    }

    /// Makes what a configured machine needs in the hypervisor.
    pub(crate) fn init(&self, vmid: Vmid) -> Result<(), Failure> {
        self.ask_machine(VM_INIT, vmid)
    }

    /// Starts a machine.
    pub(crate) fn start(&self, vmid: Vmid) -> Result<(), Failure> {
        self.ask_machine(VM_START, vmid)
    }

    /// Finds a virtual processor of a machine that is initialised.
    pub(crate) fn vcpu(&self, vmid: Vmid, id: u32) -> Result<Option<Resource>, Failure> {
        self.ask(
            VM_GET_HYP_RESOURCES,
            |request| machine(request, vmid),
            MAX_PAYLOAD,
            |answer| {
                let mut found = None;

                for _ in 0..answer.u32()? {
                    let resource = read_resource(answer)?;
                    if resource.is_vcpu(id) {
                        found = Some(resource);
                    }
                }
                Ok(found)
            },
            Wait::Ever,
        )
    }

    /// Stops a machine.
    pub(crate) fn stop(&self, vmid: Vmid) -> Result<(), Failure> {
        let write = |request: &mut Writer| {
            request.u16(vmid.0)?;
            request.u8(STOP_FORCE)?;
            request.u8(0)?;
            request.u32(STOP_REASON)
        };

        self.ask(VM_STOP, write, 0, done, Wait::Ever)
    }

    /// Begins to take everything away from a machine.
    ///
    /// The resource manager dies if the machine was never configured.
    pub(crate) fn reset(&self, vmid: Vmid) -> Result<(), Failure> {
        self.ask_machine(VM_RESET, vmid)
    }

    /// Lends memory to a machine. With `more`, more of it is to follow.
    pub(crate) fn lend<'a>(
        &self,
        vmid: Vmid,
        entries: impl ExactSizeIterator<Item = &'a Entry>,
        more: bool,
    ) -> Result<Handle, Failure> {
        let write = |request: &mut Writer| {
            // Ordinary memory.
            request.u8(0)?;
            request.u8(0)?;
            request.u8(if more { LEND_APPEND } else { 0 })?;
            request.u8(0)?;
            // No label: it is the machine's own memory.
            request.u32(0)?;
            // Who borrows it.
            list(request, 1)?;
            request.u16(vmid.0)?;
            request.u8(READ_WRITE_EXECUTE)?;
            request.u8(0)?;
            write_entries(request, entries)?;
            // No attributes.
            list(request, 0)
        };

        self.ask(
            MEM_LEND,
            write,
            4,
            |answer| Ok(Handle(answer.u32()?)),
            Wait::Ever,
        )
    }

    /// Adds to memory that is being lent. If not `more`, it is complete.
    pub(crate) fn append<'a>(
        &self,
        handle: Handle,
        entries: impl ExactSizeIterator<Item = &'a Entry>,
        more: bool,
    ) -> Result<(), Failure> {
        let write = |request: &mut Writer| {
            request.u32(handle.0)?;
            request.u32(if more { 0 } else { APPEND_DONE }.into())?;
            write_entries(request, entries)
        };

        self.ask(MEM_APPEND, write, 0, done, Wait::Ever)
    }

    /// Takes memory back. It is ours again if this succeeds.
    ///
    /// It keeps its contents: what becomes of them is for the owner of the file to say.
    pub(crate) fn reclaim(&self, handle: Handle) -> Result<(), Failure> {
        let write = |request: &mut Writer| {
            request.u32(handle.0)?;
            request.u32(0)
        };

        self.ask(MEM_RECLAIM, write, 0, done, Wait::Ever)
    }
}

/// Writes a machine, with padding.
fn machine(request: &mut Writer, vmid: Vmid) -> Result {
    request.u16(vmid.0)?;
    request.u16(0)
}

/// Reads a machine that has four bytes.
fn read_vmid(answer: &mut Reader<'_>) -> Result<Vmid> {
    Ok(Vmid(answer.u32()?.try_into().map_err(|_| EBADMSG)?))
}

/// Reads one of the resources of a machine.
fn read_resource(answer: &mut Reader<'_>) -> Result<Resource> {
    let kind = answer.u8()?;
    let _padding = answer.u8()?;
    let _partner = answer.u16()?;
    let _handle = answer.u32()?;
    let label = answer.u32()?;
    let capability = Capability(answer.u64()?);
    let _interrupt_handle = answer.u32()?;
    let interrupt = answer.u32()?;
    let (_base, _size) = (answer.u64()?, answer.u64()?);

    Ok(Resource {
        kind,
        label,
        capability,
        interrupt,
    })
}

/// Writes the beginning of a list.
fn list(request: &mut Writer, len: usize) -> Result {
    request.u16(len.try_into().map_err(|_| EINVAL)?)?;
    request.u16(0)
}

fn write_entries<'a>(
    request: &mut Writer,
    entries: impl ExactSizeIterator<Item = &'a Entry>,
) -> Result {
    list(request, entries.len())?;
    for entry in entries {
        request.u64(entry.address)?;
        request.u64(entry.size)?;
    }
    Ok(())
}
