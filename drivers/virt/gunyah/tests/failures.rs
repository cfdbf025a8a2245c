// SPDX-License-Identifier: GPL-2.0

//! Machines that meet every failure at every step.

use kernel::prelude::*;

use crate::{
    limits::Limits,
    machine::Machine, //
};

use super::{
    fixture::{
        ensure,
        Fixture,
        Memory,
        Step,
        PAGES, //
    },
    model::{
        fault::{
            Fault,
            Plan, //
        },
        machines::*,
        memory::*, //
    },
};

/// All that is asked for in a life.
const REQUESTS: [u32; 10] = [
    VM_ALLOC_VMID,
    MEM_LEND,
    MEM_APPEND,
    VM_CONFIG_IMAGE,
    VM_INIT,
    VM_START,
    VM_STOP,
    VM_RESET,
    MEM_RECLAIM,
    VM_DEALLOC_VMID,
];

/// Small batches, so that there is something to append.
const LIMITS: Limits = Limits {
    batch: 8,
    parcels: 2,
    entries: PAGES,
};

/// A file whose pages do not touch: neighbours were not allocated one after the other.
fn scattered() -> Result<Memory> {
    let memory = Memory::new(PAGES)?;
    let (even, odd) = ((0..PAGES).step_by(2), (1..PAGES).step_by(2));

    memory.for_each_frame(Iterator::chain(even, odd), |_| Ok(()))?;
    Ok(memory)
}

/// Lives up to `steps`, or to the first error.
fn live(fixture: &Fixture, memory: &Memory, steps: usize) -> Result {
    let machine = Machine::new(&fixture.manager)?;

    Step::LIFE
        .into_iter()
        .take(steps)
        .try_for_each(|step| step.take(&machine, memory, 0))
}

/// Lives with a resource manager that misbehaves, and checks what is left.
fn survive(steps: usize, plan: Plan) -> Result {
    let fixture = Fixture::with_limits(LIMITS)?;
    let memory = scattered()?;

    fixture
        .model()
        .with(|model| model.plans.push(plan, GFP_KERNEL))?;
    // How it ends does not matter.
    let _ = live(&fixture, &memory, steps);

    let (killed, lent, machines, parcels) = fixture.model().with(|model| {
        (
            model.killed,
            model.lent(),
            model.machines.values().count(),
            model.parcels.values().count(),
        )
    });
    let (lost_pages, lost_machines) = fixture.manager.losses();
    ensure(!killed)?;
    // Nobody gets the name that memory is lent to.
    ensure(fixture.model().with(|model| {
        let mut parcels = model.parcels.values();
        parcels.all(|parcel| model.machines.get(&parcel.vmid).is_some())
    }))?;

    // What is lent is never used again.
    memory.for_each_frame(0..PAGES, |pfn| {
        ensure(!fixture.model().with(|model| model.is_lent(pfn, 1)))
    })?;
    if matches!(plan.fault, Fault::Refuse(_)) {
        // Then we know everything, and keep all that is ours.
        ensure((lost_pages, lost_machines) == (whole(lent), machines))?;
        ensure(fixture.manager.budget.lock().used().0 == parcels)
    } else {
        ensure(lost_pages >= lent && lost_pages % PAGES == 0)
    }
}

/// Memory is lost as a whole: what was not lent yet cannot be told from what was.
fn whole(lent: usize) -> usize {
    if lent == 0 {
        0
    } else {
        PAGES
    }
}

/// Meets `fault` whatever is asked for, once and always, in lives of all lengths.
fn survive_everywhere(fault: Fault, lengths: core::ops::RangeInclusive<usize>) -> Result {
    for steps in lengths {
        for id in REQUESTS {
            for always in [false, true] {
                let plan = Plan { id, always, fault };

                survive(steps, plan).inspect_err(|_| {
                    pr_err!("{steps} steps, request {id:#x}, {fault:?}, always {always}\n");
                })?;
            }
        }
    }
    Ok(())
}

#[kunit_tests(gunyah_failures)]
mod tests {
    use super::*;
    use crate::tests::model::fault::Garble;

    #[test]
    fn would_be_met() -> Result {
        let fixture = Fixture::with_limits(LIMITS)?;

        live(&fixture, &scattered()?, 6)?;
        for id in REQUESTS {
            ensure(fixture.model().with(|model| model.asked(id)) != 0)?;
        }
        fixture.ensure_clean()
    }

    #[test]
    fn refusals() -> Result {
        for code in Iterator::chain(1..=0x15, [u32::MAX]) {
            survive_everywhere(Fault::Refuse(code), 6..=6)?;
        }
        Ok(())
    }

    #[test]
    fn refusals_after_each_step() -> Result {
        survive_everywhere(Fault::Refuse(5), 0..=5)
    }

    #[test]
    fn garbled_answers() -> Result {
        for garble in Garble::ALL {
            survive_everywhere(Fault::Garble(garble), 6..=6)?;
        }
        Ok(())
    }

    #[test]
    fn garbled_answers_after_each_step() -> Result {
        survive_everywhere(Fault::Garble(Garble::Short), 0..=5)
    }

    #[test]
    fn silence_before_it_is_done() -> Result {
        survive_everywhere(Fault::Drop, 0..=6)
    }

    #[test]
    fn silence_after_it_is_done() -> Result {
        survive_everywhere(Fault::Forget, 0..=6)
    }
}
