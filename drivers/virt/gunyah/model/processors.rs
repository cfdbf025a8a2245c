// SPDX-License-Identifier: GPL-2.0

//! The virtual processors of the machines.
//!
//! Whatever is in the memory of a machine, its processors run this program:
//!
//! ```text
//! loop {
//!     what = read 4 bytes at INPUT
//!     if it is one of the commands below: do that
//!     else: write what + 1, 8 bytes, at OUTPUT
//! }
//! ```
//!
//! The first one does so when the machine starts, the second one when it is told to.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    bell::Bell,
    hypervisor::{
        Capability,
        Hypervisor,
        Listener,
        Registers, //
    },
    wire::Writer,
};

use super::{
    machines::{
        State,
        BY_ITSELF,
        SOFTWARE_ERROR, //
    },
    Answer,
    Firmware,
    Model, //
};

/// Where it reads.
pub(crate) const INPUT: u64 = 0x1000_0000;
/// Where it writes.
pub(crate) const OUTPUT: u64 = 0x1000_0008;

/// Turn the machine off.
pub(crate) const OFF: u64 = 0;
/// Do something that nobody recovers from.
pub(crate) const FAULT: u64 = 1;
/// Sleep until there is an interrupt, of which there is one soon.
pub(crate) const SLEEP: u64 = 2;
/// Run for ever.
pub(crate) const SPIN: u64 = 3;
/// Turn the second processor on.
pub(crate) const ON: u64 = 4;
/// Sleep for ever.
pub(crate) const SLEEP_ON: u64 = 5;
/// Turn this processor off.
pub(crate) const QUIT: u64 = 6;

/// What a processor does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Processor {
    Off,
    /// It is off, and whoever runs it was told so.
    KnownOff,
    /// It reads next.
    On,
    /// It waits for what it reads.
    Reading,
    /// It writes this next.
    Writing(u64),
    /// It sleeps, and is woken.
    Asleep,
    /// It sleeps.
    AsleepForEver,
    Spinning,
}

/// What a processor does next, and what is to be done for it.
enum Next {
    Is(Processor, Registers),
    MachineOff,
    /// The resource manager hears of it too, and ends the machine.
    Fault,
    OtherOn,
}

const CAP_NULL: u64 = 50;
const CODE_BUSY: u64 = 31;
const CODE_ARGUMENT: u64 = 1;
/// Interrupts of processors begin here.
const INTERRUPTS: u32 = 960;
/// Types of resources.
const DOORBELL: u8 = 0;
const VCPU: u8 = 4;

const AGAIN: Registers = [0; 5];
const WAITS: Registers = [0, 1, 0, 0, 0];
const IS_OFF: Registers = [0, 2, 0, 0, 0];
const IS_OFF_FOR_GOOD: Registers = [0, 2, 1, 0, 0];
const READS: Registers = [0, 4, INPUT, 4, 0];
const FAULTS: Registers = [0, 6, 0, 0, 0];

impl Processor {
    fn run(self, resume: u64) -> Next {
        match self {
            Self::Off | Self::KnownOff => Next::Is(Self::KnownOff, IS_OFF),
            Self::On => Next::Is(Self::Reading, READS),
            Self::Reading => Self::got(resume),
            Self::Writing(value) => Next::Is(Self::On, [0, 5, OUTPUT, 8, value]),
            Self::Asleep | Self::AsleepForEver => Next::Is(self, WAITS),
            Self::Spinning => Next::Is(self, AGAIN),
        }
    }

    fn got(value: u64) -> Next {
        match value {
            OFF => Next::MachineOff,
            FAULT => Next::Fault,
            SLEEP => Next::Is(Self::Asleep, WAITS),
            SPIN => Next::Is(Self::Spinning, AGAIN),
            ON => Next::OtherOn,
            SLEEP_ON => Next::Is(Self::AsleepForEver, WAITS),
            QUIT => Next::Is(Self::KnownOff, IS_OFF),
            value => Next::Is(Self::Writing(value.wrapping_add(1)), AGAIN),
        }
    }
}

/// Who listens for which interrupt.
pub(crate) type Ears = KVec<(u32, Arc<Bell>)>;

/// Returns the bell of who listens for an interrupt.
fn ear(ears: &Ears, number: u32) -> Option<&Arc<Bell>> {
    ears.iter()
        .find(|(interrupt, _)| *interrupt == number)
        .map(|(_, bell)| bell)
}

/// Names a processor, so that its machine and its number can be told.
fn capability(vmid: u16, id: usize) -> u64 {
    0x5000_0000 | u64::from(vmid) << 8 | id as u64
}

fn interrupt(vmid: u16, id: usize) -> u32 {
    INTERRUPTS + u32::from(vmid) * 2 + id as u32
}

impl Firmware {
    /// Lists what a machine has in the hypervisor.
    pub(super) fn resources(&mut self, vmid: u16) -> Result<Answer> {
        let mut writer = Writer::new();
        let entries = [
            (VCPU, 0, capability(vmid, 0), interrupt(vmid, 0)),
            // Something else with the number of a processor.
            (DOORBELL, 1, 7, 0),
            (VCPU, 1, capability(vmid, 1), interrupt(vmid, 1)),
        ];

        writer.u32(entries.len() as u32)?;
        for (kind, label, capability, interrupt) in entries {
            writer.u8(kind)?;
            writer.u8(0)?;
            writer.u16(vmid)?;
            writer.u32(0)?;
            writer.u32(label)?;
            writer.u64(capability)?;
            writer.u32(0)?;
            writer.u32(interrupt)?;
            writer.u64(0)?;
            writer.u64(0)?;
        }
        Ok(Answer::Done(writer))
    }

    fn processor(&mut self, vmid: u16, id: usize) -> Option<&mut Processor> {
        self.machines.get_mut(&vmid)?.processors.get_mut(id)
    }

    fn run(&mut self, vmid: u16, id: usize, resume: u64) -> Result<Registers> {
        let state = self.machines.get(&vmid).map(|machine| machine.state);
        let Some(&mut processor) = self.processor(vmid, id) else {
            return Ok([CAP_NULL, 0, 0, 0, 0]);
        };
        match state {
            Some(State::Running) => {}
            Some(State::Exited) => return Ok(IS_OFF_FOR_GOOD),
            _ => return Ok([CODE_BUSY, 0, 0, 0, 0]),
        }
        if processor != Processor::Reading && resume != 0 {
            return Ok([CODE_ARGUMENT, 0, 0, 0, 0]);
        }

        let (next, registers) = match processor.run(resume) {
            Next::Is(next, registers) => (next, registers),
            Next::OtherOn => {
                if let Some(other) = self.processor(vmid, 1) {
                    *other = Processor::On;
                }
                if let Some(bell) = ear(&self.ears, interrupt(vmid, 1)) {
                    bell.ring();
                }
                (Processor::On, AGAIN)
            }
            Next::MachineOff => {
                self.exit(vmid, BY_ITSELF)?;
                (Processor::Off, IS_OFF)
            }
            Next::Fault => {
                self.exit(vmid, SOFTWARE_ERROR)?;
                (Processor::Off, FAULTS)
            }
        };
        if let Some(processor) = self.processor(vmid, id) {
            *processor = next;
        }
        Ok(registers)
    }

    /// Wakes a processor that sleeps. Returns the bell of who waits for it.
    pub(super) fn wake_one(&mut self) -> Option<Arc<Bell>> {
        if self.hold_wakes {
            return None;
        }
        for (vmid, machine) in self.machines.iter_mut() {
            for (id, processor) in machine.processors.iter_mut().enumerate() {
                let bell = ear(&self.ears, interrupt(*vmid, id));

                if let (Processor::Asleep, Some(bell)) = (*processor, bell) {
                    *processor = Processor::On;
                    return Some(bell.clone());
                }
            }
        }
        None
    }

    /// Returns what a processor does.
    pub(crate) fn does(&self, vmid: u16, id: usize) -> Option<Processor> {
        self.machines.get(&vmid)?.processors.get(id).copied()
    }
}

/// The processors, as the driver reaches them.
pub(crate) struct Cores(pub(crate) Arc<Model>);

impl Hypervisor for Cores {
    fn run(&self, processor: Capability, resume: u64) -> Registers {
        let vmid = (processor.0 >> 8) as u16;
        let id = (processor.0 & 0xff) as usize;

        // Out of memory, most likely.
        self.0
            .with(|model| model.run(vmid, id, resume))
            .unwrap_or([CODE_BUSY, 0, 0, 0, 0])
    }

    fn listen(&self, interrupt: u32, bell: Arc<Bell>) -> Result<KBox<dyn Listener>> {
        let ear = KBox::new(
            Ear {
                model: self.0.clone(),
                bell: bell.clone(),
            },
            GFP_KERNEL,
        )?;

        self.0
            .with(|model| model.ears.push((interrupt, bell), GFP_KERNEL))?;
        Ok(ear as KBox<dyn Listener>)
    }
}

/// An ear that hears until it is dropped.
struct Ear {
    model: Arc<Model>,
    bell: Arc<Bell>,
}

impl Listener for Ear {}

impl Drop for Ear {
    fn drop(&mut self) {
        self.model.with(|model| {
            model
                .ears
                .retain(|(_, bell)| !Arc::ptr_eq(bell, &self.bell))
        });
    }
}
