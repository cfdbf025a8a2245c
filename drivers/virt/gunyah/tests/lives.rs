// SPDX-License-Identifier: GPL-2.0

//! Machines that live as long as all goes well.

#[kernel::macros::kunit_tests(gunyah_lives)]
mod tests {
    use super::super::{
        fixture::{ensure, image, together, Fixture, Memory, Step, Thread, PAGES},
        model::{machines::*, memory::*},
    };
    use crate::{image::Image, machine::Machine};
    use kernel::{prelude::*, sync::Arc};

    /// A machine that has got so far in its life.
    fn grown(fixture: &Fixture, memory: &Memory, steps: usize) -> Result<Arc<Machine>> {
        let machine = Machine::new(&fixture.manager)?;

        for step in Step::LIFE.into_iter().take(steps) {
            step.take(&machine, memory, 0)?;
        }
        Ok(machine)
    }

    #[test]
    fn have_an_order() -> Result {
        let fixture = Fixture::new()?;
        drop(grown(&fixture, &Memory::new(PAGES)?, 6)?);

        let expected = [
            VM_ALLOC_VMID,
            MEM_LEND,
            VM_CONFIG_IMAGE,
            VM_INIT,
            VM_START,
            VM_STOP,
            VM_RESET,
            MEM_RECLAIM,
            VM_DEALLOC_VMID,
        ];
        ensure(fixture.model().with(|model| *model.log == expected))?;
        fixture.ensure_clean()
    }

    #[test]
    fn end_in_order_from_wherever_they_are() -> Result {
        let ends: [&[u32]; 7] = [
            &[VM_DEALLOC_VMID],
            &[MEM_RECLAIM, VM_DEALLOC_VMID],
            // It cannot be reset before it is initialised.
            &[VM_INIT, VM_RESET, MEM_RECLAIM, VM_DEALLOC_VMID],
            &[VM_RESET, MEM_RECLAIM, VM_DEALLOC_VMID],
            &[VM_STOP, VM_RESET, MEM_RECLAIM, VM_DEALLOC_VMID],
            &[VM_RESET, MEM_RECLAIM, VM_DEALLOC_VMID],
            &[VM_DEALLOC_VMID],
        ];
        let fixture = Fixture::new()?;
        let memory = Memory::new(PAGES)?;

        for (steps, end) in ends.into_iter().enumerate() {
            let machine = grown(&fixture, &memory, steps)?;
            fixture.model().with(|model| model.log.clear());
            drop(machine);
            ensure(fixture.model().with(|model| *model.log == *end))?;
            fixture.ensure_clean()?;
            // And the memory is there for others.
            memory.punch(0..PAGES)?;
        }
        Ok(())
    }

    #[test]
    fn do_one_thing_at_a_time() -> Result {
        let fixture = Fixture::new()?;
        let memory = Memory::new(PAGES)?;

        for grown_to in 0..=Step::LIFE.len() {
            let machine = grown(&fixture, &memory, grown_to)?;

            for (number, step) in Step::LIFE.into_iter().enumerate() {
                // What may be asked for now; to initialise is no way around a start.
                let next = number == grown_to;
                let reset = step == Step::Reset && matches!(grown_to, 3 | 5);
                let stop = step == Step::Stop && grown_to == 5;
                if next || reset || stop {
                    continue;
                }
                fixture.model().with(|model| model.log.clear());
                let expected = match (step, grown_to) {
                    (Step::SetMemory, 1) => EEXIST,
                    (Step::Configure, 0) => ENXIO,
                    _ => EBUSY,
                };
                ensure(step.take(&machine, &memory, 0) == Err(expected))?;
                ensure(fixture.model().with(|model| model.log.is_empty()))?;
            }
            // It goes on as if nothing had been asked.
            for step in Step::LIFE.into_iter().skip(grown_to) {
                step.take(&machine, &memory, 0)?;
            }
            drop(machine);
            fixture.ensure_clean()?;
        }
        Ok(())
    }

    #[test]
    fn may_be_reset_before_they_begin() -> Result {
        let fixture = Fixture::new()?;
        let memory = Memory::new(PAGES)?;
        let machine = grown(&fixture, &memory, 3)?;

        machine.reset()?;
        ensure(fixture.model().with(|model| model.lent()) == 0)?;
        ensure(machine.start() == Err(EBUSY) && machine.configure(&image()) == Err(EBUSY))?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn may_end_by_themselves() -> Result {
        let fixture = Fixture::new()?;
        let memory = Memory::new(PAGES)?;

        for explicit in [true, false] {
            let machine = grown(&fixture, &memory, 4)?;
            fixture.model().with(|model| model.exit_by_itself(0x80))?;
            if explicit {
                machine.stop()?;
                machine.reset()?;
            }
            drop(machine);
            fixture.ensure_clean()?;
        }
        Ok(())
    }

    #[test]
    fn begin_inside_their_memory() -> Result {
        let fixture = Fixture::new()?;
        let machine = grown(&fixture, &Memory::new(PAGES)?, 1)?;
        let size = (PAGES as u64) << kernel::page::PAGE_SHIFT;
        let Image { device_tree, .. } = image();
        let outside = Image {
            image: size..size + 1,
            device_tree,
        };

        ensure(machine.configure(&outside) == Err(EINVAL))?;
        ensure(fixture.model().with(|model| model.asked(VM_CONFIG_IMAGE)) == 0)?;
        // It does no harm.
        machine.configure(&image())?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn own_their_memory() -> Result {
        let fixture = Fixture::new()?;
        let memory = Memory::new(2 * PAGES)?;
        let (one, two) = (
            Machine::new(&fixture.manager)?,
            Machine::new(&fixture.manager)?,
        );

        one.set_memory(&memory.0, 0..PAGES)?;
        ensure(two.set_memory(&memory.0, PAGES - 1..2 * PAGES) == Err(EBUSY))?;
        ensure(fixture.model().with(|model| model.lent()) == PAGES)?;
        two.set_memory(&memory.0, PAGES..2 * PAGES)?;
        ensure(fixture.model().with(|model| model.lent()) == 2 * PAGES)?;
        drop(one);
        let three = Machine::new(&fixture.manager)?;
        three.set_memory(&memory.0, 0..PAGES)?;
        drop((two, three));
        fixture.ensure_clean()
    }

    #[test]
    fn have_memory_that_is_there() -> Result {
        let fixture = Fixture::new()?;
        let machine = Machine::new(&fixture.manager)?;
        let memory = Memory::new(PAGES)?;

        ensure(machine.set_memory(&memory.0, 0..PAGES + 1) == Err(EINVAL))?;
        ensure(machine.set_memory(&memory.0, 4..4) == Err(EINVAL))?;
        ensure(fixture.model().with(|model| model.asked(MEM_LEND)) == 0)?;
        machine.set_memory(&memory.0, 0..PAGES)?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn are_no_more_than_there_can_be() -> Result {
        let fixture = Fixture::new()?;
        let mut machines = KVec::new();

        for _ in 0..63 {
            machines.push(Machine::new(&fixture.manager)?, GFP_KERNEL)?;
        }
        ensure(Machine::new(&fixture.manager).err() == Some(ENODEV))?;
        machines.pop();
        machines.push(Machine::new(&fixture.manager)?, GFP_KERNEL)?;
        drop(machines);
        fixture.ensure_clean()
    }

    #[test]
    fn are_over_when_the_reset_is() -> Result {
        let fixture = Fixture::new()?;
        let memory = Memory::new(PAGES)?;
        let machine = grown(&fixture, &memory, 4)?;
        fixture.model().with(|model| model.hold_resets = true);

        let thread = Thread::spawn(move || drop(machine))?;
        let resetting =
            |machine: &crate::tests::model::machines::Machine| machine.state == State::Resetting;
        fixture
            .model()
            .wait_until(|model| model.machines.values().any(resetting))?;
        // Whoever comes is refused at once, however long it takes.
        let refused = memory.punch(0..1) == Err(EBUSY);
        let waits = thread.is_running() && fixture.model().with(|m| m.asked(MEM_RECLAIM)) == 0;

        fixture.model().with(|model| model.hold_resets = false);
        thread.join()?;
        ensure(refused && waits)?;
        fixture.ensure_clean()?;
        memory.punch(0..1)
    }

    #[test]
    fn outlast_the_descriptor_of_their_memory() -> Result {
        let fixture = Fixture::new()?;
        let memory = Memory::new(PAGES)?;
        let machine = grown(&fixture, &memory, 1)?;

        drop(memory);
        machine.configure(&image())?;
        machine.init()?;
        machine.start()?;
        ensure(fixture.model().with(|model| model.lent()) == PAGES)?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn go_on_side_by_side() -> Result {
        let fixture = Arc::new(Fixture::new()?, GFP_KERNEL)?;
        let memory = Memory::new(4 * PAGES)?;
        let shared = fixture.clone();

        together(4, move |number| {
            for round in 0..20 {
                let machine = Machine::new(&shared.manager)?;
                for step in Step::LIFE.into_iter().take((number + round) % 7) {
                    step.take(&machine, &memory, number * PAGES)?;
                }
            }
            Ok(())
        })?;
        fixture.ensure_clean()
    }
}
