// SPDX-License-Identifier: GPL-2.0

//! Memory that a program takes away.

#[kernel::macros::kunit_tests(gunyah_holes)]
mod tests {
    use super::super::{
        fixture::{ensure, image, Door, Fixture, Gate, Memory, Step, Thread, PAGES},
        model::{fault::Fault, machines::*, memory::*},
    };
    use crate::{error::Code, machine::Machine};
    use kernel::{new_mutex, prelude::*, sync::Arc};

    /// How long a test waits for something that must happen.
    const PATIENCE_MSECS: usize = 10_000;

    /// A machine with memory, which is the beginning of a larger file.
    fn machine(fixture: &Fixture) -> Result<(Memory, Arc<Machine>)> {
        let memory = Memory::new(2 * PAGES)?;
        let machine = Machine::new(&fixture.manager)?;

        machine.set_memory(&memory.0, 0..PAGES)?;
        fixture.model().with(|model| model.log.clear());
        Ok((memory, machine))
    }

    /// Returns the number of pages that are lent, and whether they are one parcel at most.
    fn lent(fixture: &Fixture) -> (usize, bool) {
        fixture.model().with(|model| {
            let one = model.parcels.values().count() <= 1;
            (
                model.lent(),
                one && model.parcels.values().all(|p| p.complete),
            )
        })
    }

    fn log_is(fixture: &Fixture, expected: &[u32]) -> bool {
        fixture.model().with(|model| *model.log == *expected)
    }

    #[test]
    fn take_all_back_and_lend_the_rest() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;

        memory.punch(3..7)?;
        ensure(log_is(&fixture, &[MEM_RECLAIM, MEM_LEND]))?;
        ensure(lent(&fixture) == (PAGES - 4, true))?;
        memory.punch(5..9)?;
        ensure(lent(&fixture) == (PAGES - 6, true))?;
        memory.punch(0..2 * PAGES)?;
        ensure(lent(&fixture) == (0, true))?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn are_filled_before_a_machine_sees_them() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;

        memory.punch(3..7)?;
        machine.configure(&image())?;
        ensure(lent(&fixture) == (PAGES, true))?;
        machine.init()?;
        machine.start()?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn elsewhere_are_nobodys_business() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;

        memory.punch(PAGES..2 * PAGES)?;
        ensure(log_is(&fixture, &[]))?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn are_refused_from_the_configuration_to_the_reset() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;

        for step in Step::LIFE.into_iter().skip(1) {
            step.take(&machine, &memory, 0)?;
            if step == Step::Reset {
                break;
            }
            fixture.model().with(|model| model.log.clear());
            ensure(memory.punch(3..7) == Err(EBUSY))?;
            ensure(memory.punch(0..2 * PAGES) == Err(EBUSY))?;
            ensure(log_is(&fixture, &[]) && lent(&fixture) == (PAGES, true))?;
        }
        ensure(lent(&fixture) == (0, true))?;
        memory.punch(3..7)?;
        ensure(lent(&fixture) == (0, true))?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn are_refused_if_the_memory_does_not_come_back() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;
        fixture
            .model()
            .with(|model| model.plan(MEM_RECLAIM, Fault::Refuse(Code::DENIED.0)))?;

        ensure(memory.punch(3..7) == Err(EBUSY))?;
        ensure(lent(&fixture) == (PAGES, true))?;
        memory.punch(3..7)?;
        ensure(lent(&fixture) == (PAGES - 4, true))?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn after_which_nothing_can_be_lent_leave_it_with_us() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;
        fixture
            .model()
            .with(|model| model.plan(MEM_LEND, Fault::Refuse(Code::NOMEM.0)))?;

        memory.punch(3..7)?;
        ensure(lent(&fixture) == (0, true))?;
        machine.configure(&image())?;
        ensure(lent(&fixture) == (PAGES, true))?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn that_others_refuse_change_nothing() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;
        let gate = Gate::new()?;
        let _beside = memory.bind(&gate, PAGES..2 * PAGES)?;
        gate.set(Door::Refuse(EPERM));

        ensure(memory.punch(0..2 * PAGES) == Err(EPERM))?;
        ensure(log_is(&fixture, &[MEM_RECLAIM, MEM_LEND]))?;
        ensure(lent(&fixture) == (PAGES, true))?;
        machine.configure(&image())?;
        // It was all there.
        ensure(fixture.model().with(|model| model.asked(MEM_RECLAIM)) == 1)?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn are_over_before_anything_is_lent_again() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;
        let gate = Gate::new()?;
        let _beside = memory.bind(&gate, PAGES..2 * PAGES)?;
        gate.set(Door::Closed);

        // Our memory is back, and is about to leave the file.
        let (file, at_work) = (memory.clone(), machine.clone());
        let punch = Thread::spawn(move || file.punch(0..2 * PAGES))?;
        gate.wait_for_knock();
        ensure(lent(&fixture) == (0, true))?;
        let configure = Thread::spawn(move || {
            let result = at_work.configure(&image());
            drop(at_work);
            result
        })?;
        // It does one or the other, unless it waits for something else.
        for _ in 0..PATIENCE_MSECS {
            if fixture.manager.spy.has_waited() != 0 || !configure.is_running() {
                break;
            }
            kernel::time::delay::fsleep(kernel::time::Delta::from_millis(1));
        }
        let waits = fixture.manager.spy.has_waited() == 1;
        let is_ours = lent(&fixture) == (0, true);

        gate.set(Door::Open);
        let results = (punch.join()?, configure.join()?);
        ensure(waits && is_ours && results == (Ok(()), Ok(())))?;
        ensure(lent(&fixture) == (PAGES, true))?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn are_noticed_by_whoever_is_about_to_lend() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;
        // All is with us, and the end is missing.
        fixture
            .model()
            .with(|model| model.plan(MEM_LEND, Fault::Refuse(Code::NOMEM.0)))?;
        memory.punch(15..PAGES)?;
        let before = fixture.manager.spy.has_collected();

        // What was found is not there any more when it is about to be lent.
        let file = memory.clone();
        let punched = Arc::pin_init(new_mutex!(None), GFP_KERNEL)?;
        let result = punched.clone();
        fixture.manager.spy.when_collected(move || {
            *result.lock() = Some(file.punch(0..5));
        })?;
        machine.configure(&image())?;
        ensure(*punched.lock() == Some(Ok(())))?;
        // It was looked for again before anything was lent.
        ensure(fixture.manager.spy.has_collected() == before + 2)?;
        ensure(lent(&fixture) == (PAGES, true))?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn do_not_stop_a_machine_from_ending() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;
        let gate = Gate::new()?;
        let beside = memory.bind(&gate, PAGES..2 * PAGES)?;
        gate.set(Door::Closed);

        let file = memory.clone();
        let punch = Thread::spawn(move || file.punch(0..2 * PAGES))?;
        gate.wait_for_knock();
        let end = Thread::spawn(move || drop(machine))?;
        gate.set(Door::Open);
        punch.join()??;
        end.join()?;
        drop(beside);
        fixture.ensure_clean()
    }

    #[test]
    fn in_the_memory_of_a_machine_that_was_never_configured() -> Result {
        let fixture = Fixture::new()?;
        let (memory, machine) = machine(&fixture)?;
        fixture
            .model()
            .with(|model| model.plan(VM_CONFIG_IMAGE, Fault::Refuse(Code::DENIED.0)))?;

        ensure(machine.configure(&image()) == Err(EPERM))?;
        memory.punch(0..4)?;
        ensure(lent(&fixture) == (PAGES - 4, true))?;
        drop(machine);
        // The memory is back. The machine is not, and did not take the resource manager along.
        ensure(lent(&fixture) == (0, true))?;
        ensure(fixture.manager.losses() == (0, 1))?;
        ensure(!fixture.model().with(|model| model.killed))
    }
}
