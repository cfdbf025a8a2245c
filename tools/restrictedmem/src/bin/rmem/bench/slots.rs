// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! One hole in a file that one machine has in many memory slots.

use std::time::Instant;

use super::machine::Machine;
use super::memory::{Kind, punch};
use super::plan::{COUNTS_EVENTS, Scale, flushes_work, slots_work};
use super::processor::Hypervisor;
use super::{Experiment, Log, PAGE};
use crate::Failure;

/// A machine for each kind of memory and number of slots.
pub struct Slots {
    machines: Vec<(Kind, u64, Machine)>,
    pages: u64,
}

impl Slots {
    /// Makes them.
    pub fn new(hypervisor: &Hypervisor, scale: &Scale) -> Result<Self, Failure> {
        let mut machines = Vec::new();
        let pages = scale.slots;
        for slots in scale.slot_counts() {
            for kind in [Kind::Restricted, Kind::GuestMemfd] {
                let mut machine = Machine::new(hypervisor, kind, pages * PAGE)?;
                machine.plug(slots)?;
                machines.push((kind, slots, machine));
            }
        }
        Ok(Self { machines, pages })
    }
}

impl Experiment for Slots {
    fn measure(&mut self, subject: &str, log: &mut Log) -> Result<(), Failure> {
        let subject = Kind::named(subject)?;
        for (kind, slots, machine) in &mut self.machines {
            if *kind != subject {
                continue;
            }
            machine.touch()?;
            let flushes = machine.counter("remote_tlb_flush_requests")?;

            let start = Instant::now();
            punch(machine.file(), 0, self.pages * PAGE)?;
            log.time(&slots_work(*slots), start.elapsed());

            if COUNTS_EVENTS && *slots == self.pages {
                let flushes = machine.counter("remote_tlb_flush_requests")? - flushes;
                log.count(&flushes_work(*slots), flushes);
            }
        }
        Ok(())
    }
}
