// SPDX-License-Identifier: GPL-2.0

//! Virtual processors.

#[kernel::macros::kunit_tests(gunyah_processors)]
mod tests {
    use super::super::{
        fixture::{ensure, Fixture, Memory, Step, Thread, PAGES},
        model::{fault::Fault, machines::*, processors::*},
    };
    use crate::{
        error::Code,
        hypervisor::Access,
        machine::Machine,
        status::Ending,
        vcpu::{Exit, Vcpu},
    };
    use kernel::{prelude::*, sync::Arc};

    /// Steps of [`Step::LIFE`] after which a machine is ready, and runs.
    const READY: usize = 3;
    const RUNNING: usize = 4;

    const READS: Exit = Exit::Read(Access {
        address: INPUT,
        len: 4,
    });

    fn writes(value: u64) -> Exit {
        let address = OUTPUT;

        Exit::Write(Access { address, len: 8 }, value)
    }

    fn grown(fixture: &Fixture, steps: usize) -> Result<Arc<Machine>> {
        let memory = Memory::new(PAGES)?;
        let machine = Machine::new(&fixture.manager)?;

        for step in Step::LIFE.into_iter().take(steps) {
            step.take(&machine, &memory, 0)?;
        }
        Ok(machine)
    }

    /// A machine that runs, and its first processor, which is about to read.
    fn running(fixture: &Fixture) -> Result<(Arc<Machine>, Arc<Vcpu>)> {
        let machine = grown(fixture, RUNNING)?;
        let vcpu = Vcpu::new(&machine, 0)?;

        ensure(vcpu.run(7) == Ok(READS))?;
        Ok((machine, vcpu))
    }

    /// Lets a processor run in a thread.
    fn run(vcpu: &Arc<Vcpu>, value: u64) -> Result<Thread<Result<Exit>>> {
        let vcpu = vcpu.clone();

        Thread::spawn(move || {
            let exit = vcpu.run(value);
            drop(vcpu);
            exit
        })
    }

    fn wait_until(fixture: &Fixture, id: usize, processor: Processor) -> Result {
        fixture
            .model()
            .wait_until(|model| model.does(0x80, id) == Some(processor))
    }

    #[test]
    fn read_and_write_devices() -> Result {
        let fixture = Fixture::new()?;
        let (machine, vcpu) = running(&fixture)?;

        ensure(vcpu.run(100) == Ok(writes(101)))?;
        // Nothing is read here, so nothing is taken.
        ensure(vcpu.run(200) == Ok(READS))?;
        // What it reads has four bytes.
        ensure(vcpu.run(0x7_0000_0000 | 300) == Ok(writes(301)))?;
        drop((machine, vcpu));
        fixture.ensure_clean()
    }

    #[test]
    fn turn_their_machine_off() -> Result {
        let fixture = Fixture::new()?;
        let (machine, vcpu) = running(&fixture)?;

        // It is told that the processor is off before it is told that the machine is.
        ensure(vcpu.run(OFF) == Ok(Exit::Over(Ending(1))))?;
        ensure(vcpu.run(0) == Ok(Exit::Over(Ending(1))))?;
        machine.reset()?;
        ensure(vcpu.run(0) == Ok(Exit::Over(Ending(1))))?;
        drop((machine, vcpu));
        fixture.ensure_clean()
    }

    #[test]
    fn cannot_go_on_after_a_fault() -> Result {
        let fixture = Fixture::new()?;
        let (machine, vcpu) = running(&fixture)?;

        ensure(vcpu.run(FAULT) == Ok(Exit::Fault))?;
        ensure(vcpu.run(0) == Ok(Exit::Over(Ending(5))))?;
        machine.stop()?;
        drop((machine, vcpu));
        fixture.ensure_clean()
    }

    #[test]
    fn are_woken_by_an_interrupt() -> Result {
        let fixture = Fixture::new()?;
        let (machine, vcpu) = running(&fixture)?;
        fixture.model().with(|model| model.hold_wakes = true);

        let thread = run(&vcpu, SLEEP)?;
        wait_until(&fixture, 0, Processor::Asleep)?;
        ensure(thread.is_running())?;
        fixture.model().with(|model| model.hold_wakes = false);
        ensure(thread.join()? == Ok(READS))?;
        drop((machine, vcpu));
        fixture.ensure_clean()
    }

    #[test]
    fn do_not_outlast_their_machine() -> Result {
        let fixture = Fixture::new()?;

        for (command, then) in [
            (SLEEP_ON, Processor::AsleepForEver),
            (SPIN, Processor::Spinning),
            (QUIT, Processor::KnownOff),
        ] {
            let (machine, vcpu) = running(&fixture)?;
            let thread = run(&vcpu, command)?;

            wait_until(&fixture, 0, then)?;
            ensure(thread.is_running())?;
            machine.stop()?;
            ensure(thread.join()? == Ok(Exit::Over(Ending(7))))?;
            drop((machine, vcpu));
            fixture.ensure_clean()?;
        }
        Ok(())
    }

    #[test]
    fn wait_until_another_one_turns_them_on() -> Result {
        let fixture = Fixture::new()?;
        let (machine, first) = running(&fixture)?;
        let second = Vcpu::new(&machine, 1)?;

        let thread = run(&second, 0)?;
        // The first one works, the second one is off.
        wait_until(&fixture, 1, Processor::KnownOff)?;
        ensure(first.run(1000) == Ok(writes(1001)))?;
        ensure(first.run(0) == Ok(READS))?;
        ensure(thread.is_running())?;
        ensure(first.run(ON) == Ok(READS))?;
        ensure(thread.join()? == Ok(READS))?;
        ensure(second.run(2000) == Ok(writes(2001)))?;
        ensure(first.run(3000) == Ok(writes(3001)))?;
        drop((machine, first, second));
        fixture.ensure_clean()
    }

    #[test]
    fn are_known_when_the_machine_is_ready() -> Result {
        let fixture = Fixture::new()?;

        for steps in 0..READY {
            let machine = grown(&fixture, steps)?;
            ensure(Vcpu::new(&machine, 0).err() == Some(EBUSY))?;
            drop(machine);
        }
        let machine = grown(&fixture, READY)?;
        let vcpu = Vcpu::new(&machine, 0)?;
        ensure(Vcpu::new(&machine, 2).err() == Some(ENOENT))?;
        ensure(Vcpu::new(&machine, u32::MAX).err() == Some(ENOENT))?;

        // It does not run before the machine does.
        ensure(vcpu.run(0) == Err(EBUSY))?;
        machine.start()?;
        ensure(vcpu.run(0) == Ok(READS))?;
        machine.stop()?;
        ensure(Vcpu::new(&machine, 1).err() == Some(EBUSY))?;
        drop((machine, vcpu));
        fixture.ensure_clean()
    }

    #[test]
    fn belong_to_one() -> Result {
        let fixture = Fixture::new()?;
        let (machine, vcpu) = running(&fixture)?;

        ensure(Vcpu::new(&machine, 0).err() == Some(EEXIST))?;
        ensure(fixture.model().with(|model| model.ears.len()) == 1)?;
        drop(vcpu);
        // Nobody listens, and nobody can answer what it has asked for.
        ensure(fixture.model().with(|model| model.ears.is_empty()))?;
        ensure(Vcpu::new(&machine, 0).err() == Some(EEXIST))?;
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn that_are_not_told_of_are_not_made() -> Result {
        let fixture = Fixture::new()?;
        let machine = grown(&fixture, READY)?;
        fixture
            .model()
            .with(|model| model.plan(VM_GET_HYP_RESOURCES, Fault::Refuse(Code::DENIED.0)))?;

        ensure(Vcpu::new(&machine, 0).err() == Some(EPERM))?;
        // And nobody has it.
        drop(Vcpu::new(&machine, 0)?);
        drop(machine);
        fixture.ensure_clean()
    }

    #[test]
    fn keep_their_machine() -> Result {
        let fixture = Fixture::new()?;
        let (machine, vcpu) = running(&fixture)?;

        drop(machine);
        ensure(vcpu.run(1) == Ok(Exit::Fault))?;
        ensure(fixture.model().with(|model| model.lent()) == PAGES)?;
        drop(vcpu);
        fixture.ensure_clean()
    }

    #[test]
    fn do_not_wait_for_who_tells_no_more() -> Result {
        let fixture = Fixture::new()?;
        let (machine, vcpu) = running(&fixture)?;

        let thread = run(&vcpu, SLEEP_ON)?;
        wait_until(&fixture, 0, Processor::AsleepForEver)?;
        fixture.link.rpc.close();
        ensure(thread.join()? == Err(ENODEV))?;
        drop((machine, vcpu));
        // Nobody gives anything back any more.
        ensure(fixture.manager.losses() == (PAGES, 1))
    }
}
