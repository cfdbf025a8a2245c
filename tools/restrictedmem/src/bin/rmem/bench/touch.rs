// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A machine that touches its memory for the first time, and again.

use std::time::Duration;

use super::machine::{MOST_MIB, Machine};
use super::memory::Kind;
use super::plan::{COUNTS_EVENTS, Scale};
use super::processor::Hypervisor;
use super::{Experiment, Log, MIB, PAGE, per};
use crate::Failure;

/// Machines with so much memory, a new one for each round.
pub struct Touch {
    hypervisor: Hypervisor,
    len: u64,
    /// The size of one that only touches for the first time.
    large_len: u64,
}

impl Touch {
    /// For machines of that size.
    pub fn new(hypervisor: Hypervisor, scale: &Scale) -> Self {
        Self {
            hypervisor,
            len: scale.touch * MIB,
            large_len: scale.mib.min(MOST_MIB) * MIB,
        }
    }

    fn machine(&self, kind: Kind, len: u64) -> Result<Machine, Failure> {
        let mut machine = Machine::new(&self.hypervisor, kind, len)?;
        machine.plug(1)?;
        Ok(machine)
    }
}

impl Experiment for Touch {
    fn measure(&mut self, subject: &str, log: &mut Log) -> Result<(), Failure> {
        let kind = Kind::named(subject)?;
        let mut machine = self.machine(kind, self.len)?;
        let first = touch(&mut machine)?;
        let pages = u32::try_from(self.len / PAGE).unwrap_or(u32::MAX);
        log.time("touch", first.took);
        log.time("touch-page", per(pages, first.took));
        log.count("touch-exits", first.exits);
        if let Some(faults) = first.faults {
            log.count("touch-faults", faults);
        }

        machine.unplug()?;
        machine.plug(1)?;
        let again = touch(&mut machine)?;
        log.time("again", again.took);
        log.count("again-exits", again.exits);

        log.time("end", machine.end());
        if log.by_clock() {
            log.time("touch-large", self.machine(kind, self.large_len)?.touch()?);
        }
        Ok(())
    }
}

struct Touched {
    took: Duration,
    exits: u64,
    /// Where KVM counts them.
    faults: Option<u64>,
}

fn touch(machine: &mut Machine) -> Result<Touched, Failure> {
    let faults = |machine: &Machine| match COUNTS_EVENTS {
        true => machine.counter("pf_taken").map(Some),
        false => Ok(None),
    };
    let exits = machine.counter("exits")?;
    let before = faults(machine)?;
    Ok(Touched {
        took: machine.touch()?,
        exits: machine.counter("exits")? - exits,
        faults: faults(machine)?
            .zip(before)
            .map(|(now, before)| now - before),
    })
}
