// SPDX-License-Identifier: GPL-2.0

//! The machines that the resource manager knows.

use kernel::{
    prelude::*,
    rbtree::RBTreeNode, //
};

use crate::{
    error::Code,
    wire::{
        Reader,
        Writer, //
    },
};

use super::{
    done,
    processors::Processor,
    Answer,
    Firmware,
    MSG_INVALID, //
};

pub(crate) const VM_ALLOC_VMID: u32 = 0x5600_0001;
pub(crate) const VM_DEALLOC_VMID: u32 = 0x5600_0002;
pub(crate) const VM_START: u32 = 0x5600_0004;
pub(crate) const VM_STOP: u32 = 0x5600_0005;
pub(crate) const VM_RESET: u32 = 0x5600_0006;
pub(crate) const VM_CONFIG_IMAGE: u32 = 0x5600_0009;
pub(crate) const VM_INIT: u32 = 0x5600_000b;
pub(crate) const VM_GET_HYP_RESOURCES: u32 = 0x5600_0020;

const VM_EXITED: u32 = 0x5610_0001;
const VM_STATUS: u32 = 0x5610_0008;
const MEM_RELEASED: u32 = 0x5110_0012;

const MEM_INVALID: Code = Code(0xa);
const VMID_INVALID: Code = Code(0xd);

/// The names of machines that are made on request.
const NAMES: core::ops::Range<u16> = 0x80..0xbf;

/// The state of a machine, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Init = 1,
    Ready = 2,
    Running = 3,
    Load = 5,
    InitFailed = 8,
    Exited = 9,
    Resetting = 10,
    Reset = 11,
}

/// A machine.
pub(crate) struct Machine {
    pub(crate) state: State,
    /// Its configuration: the memory that its image is in.
    image: Option<u32>,
    pub(super) processors: [Processor; 2],
}

/// An exit that was forced, and one that the machine made.
const FORCED: u16 = 7;
pub(super) const BY_ITSELF: u16 = 1;
pub(super) const SOFTWARE_ERROR: u16 = 5;

impl Firmware {
    pub(super) fn handle_machine(
        &mut self,
        id: u32,
        reader: &mut Reader<'_>,
        len: usize,
    ) -> Result<Answer> {
        let vmid = reader.u16()?;
        match id {
            VM_CONFIG_IMAGE if len != 40 => return Ok(Answer::Refuse(MSG_INVALID)),
            VM_CONFIG_IMAGE => {}
            _ => {
                // In requests of four bytes it must be zero.
                let rest = reader.u16()?;
                if len == 4 && rest != 0 {
                    return Ok(Answer::Refuse(MSG_INVALID));
                }
            }
        }
        if id == VM_ALLOC_VMID {
            return self.alloc();
        }
        let Some(machine) = self.machines.get(&vmid) else {
            // It does not survive this one.
            self.killed |= id == VM_DEALLOC_VMID;
            return Ok(if self.killed {
                Answer::Nothing
            } else {
                Answer::Refuse(VMID_INVALID)
            });
        };
        let (state, image) = (machine.state, machine.image);

        match (id, state) {
            (VM_DEALLOC_VMID, State::Load | State::Reset) => {
                self.machines.remove(&vmid);
                done()
            }
            (VM_CONFIG_IMAGE, State::Load) => self.config(vmid, reader),
            (VM_GET_HYP_RESOURCES, State::Ready | State::Running) => self.resources(vmid),
            (VM_INIT, State::Init) => self.init(vmid, image),
            (VM_START, State::Ready) => self.start(vmid, image),
            (VM_STOP, State::Running) => {
                self.exit(vmid, FORCED)?;
                done()
            }
            // It does not survive these: there is nothing to reset, or no owner to tell.
            (VM_RESET, State::Load) | (VM_CONFIG_IMAGE, State::Reset) => self.die(),
            (VM_RESET, State::InitFailed) if image.is_none() => self.die(),
            (VM_RESET, State::Exited | State::Ready | State::InitFailed) => {
                self.set(vmid, State::Resetting)?;
                done()
            }
            (
                VM_DEALLOC_VMID | VM_CONFIG_IMAGE | VM_INIT | VM_START | VM_STOP | VM_RESET
                | VM_GET_HYP_RESOURCES,
                _,
            ) => Ok(Answer::Refuse(Code::VM_STATE)),
            _ => Ok(Answer::Refuse(Code::UNIMPLEMENTED)),
        }
    }

    fn die(&mut self) -> Result<Answer> {
        self.killed = true;
        Ok(Answer::Nothing)
    }

    fn alloc(&mut self) -> Result<Answer> {
        let mut names = NAMES;
        let Some(vmid) = names.find(|vmid| self.machines.get(vmid).is_none()) else {
            return Ok(Answer::Refuse(Code::NORESOURCE));
        };
        let machine = Machine {
            state: State::Load,
            image: None,
            processors: [Processor::Off; 2],
        };
        let mut writer = Writer::new();

        writer.u32(vmid.into())?;
        self.machines
            .insert(RBTreeNode::new(vmid, machine, GFP_KERNEL)?);
        Ok(Answer::Done(writer))
    }

    fn config(&mut self, vmid: u16, reader: &mut Reader<'_>) -> Result<Answer> {
        let _auth = reader.u16()?;
        let handle = reader.u32()?;
        let mut inside = true;
        let size = match self.parcels.get(&handle) {
            Some(parcel) if parcel.vmid == vmid && parcel.complete => parcel.size(),
            _ => 0,
        };
        for _ in 0..2 {
            let (offset, length) = (reader.u64()?, reader.u64()?);
            inside &= offset.checked_add(length).is_some_and(|end| end <= size);
        }

        if !inside {
            self.set(vmid, State::InitFailed)?;
            return Ok(Answer::Refuse(MEM_INVALID));
        }
        if let Some(machine) = self.machines.get_mut(&vmid) {
            machine.image = Some(handle);
        }
        self.set(vmid, State::Init)?;
        done()
    }

    fn init(&mut self, vmid: u16, image: Option<u32>) -> Result<Answer> {
        if image.and_then(|handle| self.parcels.get(&handle)).is_none() {
            self.set(vmid, State::InitFailed)?;
            return Ok(Answer::Refuse(MEM_INVALID));
        }
        self.set(vmid, State::Ready)?;
        done()
    }

    fn start(&mut self, vmid: u16, image: Option<u32>) -> Result<Answer> {
        if image.and_then(|handle| self.parcels.get(&handle)).is_none() {
            self.set(vmid, State::InitFailed)?;
            return Ok(Answer::Refuse(Code::NORESOURCE));
        }
        if self.accept(vmid) != 1 {
            self.set(vmid, State::InitFailed)?;
            return Ok(Answer::Refuse(Code::DENIED));
        }
        if let Some(machine) = self.machines.get_mut(&vmid) {
            machine.processors = [Processor::On, Processor::Off];
        }
        self.set(vmid, State::Running)?;
        done()
    }

    /// A machine takes all memory that was lent to it. Returns how many parcels it has.
    fn accept(&mut self, vmid: u16) -> usize {
        let mut count = 0;

        for parcel in self.parcels.values_mut().filter(|p| p.vmid == vmid) {
            parcel.accepted = true;
            count += 1;
        }
        count
    }

    /// A machine that runs stops by itself.
    pub(crate) fn exit_by_itself(&mut self, vmid: u16) -> Result {
        self.exit(vmid, BY_ITSELF)
    }

    pub(super) fn exit(&mut self, vmid: u16, kind: u16) -> Result {
        let mut writer = Writer::new();

        self.set(vmid, State::Exited)?;
        writer.u16(vmid)?;
        writer.u16(kind)?;
        writer.u32(0)?;
        self.notify(VM_EXITED, &writer)
    }

    /// What has happened to a machine if a request is refused.
    pub(super) fn refused(&mut self, id: u32, payload: &[u8]) -> Result {
        let vmid = Reader::new(payload).u16()?;

        match id {
            VM_START => {
                self.accept(vmid);
                self.set(vmid, State::InitFailed)
            }
            VM_CONFIG_IMAGE | VM_INIT => self.set(vmid, State::InitFailed),
            _ => Ok(()),
        }
    }

    /// Takes one more step with one machine that is being reset. Returns whether there was one.
    pub(super) fn go_on_resetting(&mut self) -> Result<bool> {
        let resetting = |(_, machine): &(&u16, &Machine)| machine.state == State::Resetting;
        let Some((&vmid, _)) = self.machines.iter().find(resetting) else {
            return Ok(false);
        };
        let accepted =
            |(_, parcel): &(&u32, &mut super::Parcel)| parcel.vmid == vmid && parcel.accepted;
        let Some((&handle, parcel)) = self.parcels.iter_mut().find(accepted) else {
            self.set(vmid, State::Reset)?;
            return Ok(true);
        };

        parcel.accepted = false;
        let mut writer = Writer::new();
        writer.u32(handle)?;
        writer.u16(vmid)?;
        writer.u16(0)?;
        writer.u32(0)?;
        self.notify(MEM_RELEASED, &writer)?;
        Ok(true)
    }

    fn set(&mut self, vmid: u16, state: State) -> Result {
        let Some(machine) = self.machines.get_mut(&vmid) else {
            return Ok(());
        };
        machine.state = state;

        let mut writer = Writer::new();
        writer.u16(vmid)?;
        writer.u16(0)?;
        writer.u8(state as u8)?;
        writer.u8(0)?;
        writer.u16(0)?;
        self.notify(VM_STATUS, &writer)
    }
}
