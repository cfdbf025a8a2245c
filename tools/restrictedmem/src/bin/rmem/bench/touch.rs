// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A machine that touches its memory for the first time, and again.

use std::time::Duration;

use super::machine::Machine;
use super::memory::Kind;
use super::{Experiment, Log, MIB, PAGE, per};
use crate::Failure;
use crate::demo::machine::Hypervisor;

const GIB_IN_PAGES: u32 = 1 << 18;

/// Machines with so much memory, a new one for each round.
pub struct Touch {
    hypervisor: Hypervisor,
    len: u64,
}

impl Touch {
    /// For machines with so many MiB.
    pub fn new(hypervisor: Hypervisor, mib: u64) -> Self {
        Self {
            hypervisor,
            len: mib * MIB,
        }
    }
}

impl Experiment for Touch {
    fn measure(&mut self, subject: &str, log: &mut Log) -> Result<(), Failure> {
        let mut machine = Machine::new(&self.hypervisor, Kind::named(subject)?, self.len)?;
        machine.plug(1)?;
        let first = touch(&mut machine)?;
        let pages = u32::try_from(self.len / PAGE).unwrap_or(u32::MAX);
        log.time("touch", first.took);
        log.time("touch-page", per(pages, first.took));
        log.time("touch-gib", per(pages, first.took * GIB_IN_PAGES));
        log.count("touch-exits", first.exits);
        log.count("touch-faults", first.faults);

        machine.unplug()?;
        machine.plug(1)?;
        let again = touch(&mut machine)?;
        log.time("again", again.took);
        log.count("again-exits", again.exits);

        log.time("end", machine.end());
        Ok(())
    }
}

struct Touched {
    took: Duration,
    exits: u64,
    faults: u64,
}

fn touch(machine: &mut Machine) -> Result<Touched, Failure> {
    let exits = machine.counter("exits")?;
    let faults = machine.counter("pf_taken")?;
    Ok(Touched {
        took: machine.touch()?,
        exits: machine.counter("exits")? - exits,
        faults: machine.counter("pf_taken")? - faults,
    })
}
