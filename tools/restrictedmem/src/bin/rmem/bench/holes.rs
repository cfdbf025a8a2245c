// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Holes in a file whose memory is there and bound, part by part, but not mapped by the machine.

use std::time::Instant;

use super::machine::{MOST_MIB, Machine};
use super::memory::{Kind, punch, reserve};
use super::plan::{HOLE_BINDINGS, Scale, hole_page_work, hole_work};
use super::processor::Hypervisor;
use super::{Experiment, Log, MIB, PAGE, per};
use crate::Failure;

/// How many pages are punched for one number, each of another large page.
const HOLES: u32 = 64;
const STRIDE: u64 = 2 * MIB;

/// Machines with so much memory, a new one for each measurement.
pub struct Holes {
    hypervisor: Hypervisor,
    len: u64,
}

impl Holes {
    /// For files of that size.
    pub fn new(hypervisor: Hypervisor, scale: &Scale) -> Self {
        Self {
            hypervisor,
            len: scale.mib.min(MOST_MIB) * MIB,
        }
    }

    fn measure_with(&self, bindings: u64, kind: Kind, log: &mut Log) -> Result<(), Failure> {
        let mut machine = Machine::new(&self.hypervisor, kind, self.len)?;
        machine.plug(bindings)?;

        reserve(machine.file(), 0, self.len)?;
        let start = Instant::now();
        punch(machine.file(), 0, self.len)?;
        log.time(&hole_work(bindings), start.elapsed());

        let holes = u64::from(HOLES).min(self.len / STRIDE);
        reserve(machine.file(), 0, holes * STRIDE)?;
        let start = Instant::now();
        for hole in 0..holes {
            punch(machine.file(), hole * STRIDE + STRIDE / 2, PAGE)?;
        }
        let holes = u32::try_from(holes).unwrap_or(u32::MAX);
        log.time(&hole_page_work(bindings), per(holes, start.elapsed()));
        Ok(())
    }
}

impl Experiment for Holes {
    fn measure(&mut self, subject: &str, log: &mut Log) -> Result<(), Failure> {
        let kind = Kind::named(subject)?;
        if !log.by_clock() {
            return Ok(());
        }
        HOLE_BINDINGS
            .into_iter()
            .try_for_each(|bindings| self.measure_with(bindings, kind, log))
    }
}
