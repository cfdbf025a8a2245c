// SPDX-License-Identifier: GPL-2.0

//! Lives and holes at the same time.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::machine::Machine;

use super::fixture::{
    ensure,
    together,
    Fixture,
    Memory,
    Step,
    PAGES, //
};

/// Only what is not possible is an error: a hole may be refused, and a machine may find that its
/// memory goes away faster than it can be lent.
fn may_be_busy(result: Result) -> Result {
    match result {
        Err(EBUSY) => Ok(()),
        result => result,
    }
}

#[kunit_tests(gunyah_races)]
mod tests {
    use super::*;

    /// Two machines in one file, that live again and again, and two that punch holes. The model
    /// refuses to be lent what is lent, as it would be if memory left the file without having been
    /// taken back.
    #[test]
    fn holes_while_machines_come_and_go() -> Result {
        let fixture = Arc::new(Fixture::new()?, GFP_KERNEL)?;
        let memory = Memory::new(2 * PAGES)?;
        let (shared, file) = (fixture.clone(), memory.clone());

        together(4, move |number| {
            for round in 0..50usize {
                let at = (round * 7 + number * 3) % (2 * PAGES);

                if number >= 2 {
                    may_be_busy(file.punch(at..at + 3))?;
                    continue;
                }
                let machine = Machine::new(&shared.manager)?;
                for step in Step::LIFE.into_iter().take(round % 7) {
                    step.take(&machine, &file, number * PAGES)?;
                }
            }
            Ok(())
        })?;
        ensure(fixture.manager.losses() == (0, 0))?;
        fixture.ensure_clean()?;
        memory.punch(0..2 * PAGES)
    }

    /// One machine, whose steps come from two threads, and one that punches holes.
    #[test]
    fn steps_against_each_other() -> Result {
        let fixture = Fixture::new()?;
        let memory = Memory::new(PAGES)?;

        for _ in 0..20 {
            let machine = Machine::new(&fixture.manager)?;
            let (at_work, file) = (machine.clone(), memory.clone());

            together(3, move |number| {
                for step in Step::LIFE {
                    if number == 2 {
                        may_be_busy(file.punch(2..5))?;
                        continue;
                    }
                    match step.take(&at_work, &file, 0) {
                        // The other one was faster.
                        Ok(()) | Err(EBUSY | EEXIST | ENXIO) => {}
                        result => return result,
                    }
                }
                Ok(())
            })?;
            drop(machine);
            fixture.ensure_clean()?;
        }
        Ok(())
    }
}
