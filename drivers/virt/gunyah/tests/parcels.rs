// SPDX-License-Identifier: GPL-2.0

//! Memory that is lent, in many pieces. It is nobody's memory: the model does not look.

#[kernel::macros::kunit_tests(gunyah_parcels)]
mod tests {
    use super::super::{
        fixture::{ensure, Fixture},
        model::{fault::Fault, memory::*},
    };
    use crate::{
        error::Code,
        limits::Limits,
        parcel::{LendError, Parcel},
        runs::Runs,
        status::Vmid,
    };
    use kernel::prelude::*;

    /// So many pages, none of which touches another one, from a place that depends on `number`.
    fn scattered(number: usize, count: usize) -> Result<Runs> {
        let mut runs = Runs::new();

        for page in 0..count {
            runs.push(page..page + 1, (number * 8192 + page) * 2)?;
        }
        Ok(runs)
    }

    fn lend(fixture: &Fixture, vmid: Vmid, number: usize, count: usize) -> Result<Parcel> {
        Parcel::lend(&fixture.manager, vmid, &scattered(number, count)?).map_err(
            |error| match error {
                LendError::Ours(error) => error,
                LendError::Lost(_) => ENOTRECOVERABLE,
            },
        )
    }

    #[track_caller]
    fn ensure_used(fixture: &Fixture, parcels: usize, entries: usize) -> Result {
        ensure(fixture.manager.budget.lock().used() == (parcels, entries))?;
        ensure(fixture.model().with(|model| model.lent()) == entries)
    }

    #[test]
    fn go_in_batches() -> Result {
        let fixture = Fixture::new()?;
        let vmid = fixture.link.rpc.alloc_vmid()?;

        for (count, expected) in [
            (1, &[1][..]),
            (512, &[512]),
            (513, &[512, 1]),
            (1200, &[512, 512, 176]),
        ] {
            let parcel = lend(&fixture, vmid, 0, count)?;
            let same = fixture.model().with(|model| {
                model.parcels.values().all(|parcel| {
                    parcel.complete
                        && *parcel.batches == *expected
                        && parcel
                            .entries
                            .iter()
                            .map(|entry| entry.0 >> 12)
                            .eq((0..count).map(|page| page as u64 * 2))
                })
            });
            ensure(same)?;
            ensure_used(&fixture, 1, count)?;
            ensure(parcel.reclaim(&fixture.manager).is_ok())?;
            ensure_used(&fixture, 0, 0)?;
        }
        Ok(())
    }

    #[test]
    fn of_nothing_are_not_lent() -> Result {
        let fixture = Fixture::new()?;
        let vmid = fixture.link.rpc.alloc_vmid()?;

        ensure(lend(&fixture, vmid, 0, 0).err() == Some(EINVAL))?;
        ensure(fixture.model().with(|model| model.asked(MEM_LEND)) == 0)
    }

    #[test]
    fn are_no_more_than_there_can_be() -> Result {
        let fixture = Fixture::new()?;
        let vmid = fixture.link.rpc.alloc_vmid()?;
        let mut parcels = KVec::new();

        for number in 0..Limits::PUBLIC.parcels {
            parcels.push(lend(&fixture, vmid, number, 1)?, GFP_KERNEL)?;
        }
        ensure(lend(&fixture, vmid, 100, 1).err() == Some(ENOSPC))?;
        ensure(fixture.model().with(|model| model.asked(MEM_LEND)) == 64)?;

        let last = parcels.pop().ok_or(EPROTO)?;
        ensure(last.reclaim(&fixture.manager).is_ok())?;
        lend(&fixture, vmid, 100, 1).map(drop)
    }

    #[test]
    fn are_not_in_more_pieces_than_there_is_room_for() -> Result {
        let fixture = Fixture::new()?;
        let vmid = fixture.link.rpc.alloc_vmid()?;
        let all = Limits::PUBLIC.entries;
        let parcel = lend(&fixture, vmid, 0, all - 1)?;

        ensure(lend(&fixture, vmid, 1, 2).err() == Some(E2BIG))?;
        ensure_used(&fixture, 1, all - 1)?;
        lend(&fixture, vmid, 1, 1)?;
        ensure(parcel.reclaim(&fixture.manager).is_ok())?;
        lend(&fixture, vmid, 2, all - 1).map(drop)
    }

    #[test]
    fn that_are_refused_are_ours() -> Result {
        let fixture = Fixture::new()?;
        let vmid = fixture.link.rpc.alloc_vmid()?;

        for id in [MEM_LEND, MEM_APPEND] {
            fixture
                .model()
                .with(|model| model.plan(id, Fault::Refuse(Code::NOMEM.0)))?;
            ensure(lend(&fixture, vmid, 0, 1200).err() == Some(ENOMEM))?;
            ensure_used(&fixture, 0, 0)?;
        }
        Ok(())
    }

    #[test]
    fn of_which_a_part_cannot_be_taken_back_are_lost() -> Result {
        let fixture = Fixture::new()?;
        let vmid = fixture.link.rpc.alloc_vmid()?;

        fixture.model().with(|model| {
            model.plan(MEM_APPEND, Fault::Refuse(Code::NOMEM.0))?;
            model.plan(MEM_RECLAIM, Fault::Refuse(Code::DENIED.0))
        })?;
        ensure(lend(&fixture, vmid, 0, 1200).err() == Some(ENOTRECOVERABLE))?;
        // It costs what it did.
        ensure(fixture.manager.budget.lock().used() == (1, 1200))?;
        ensure(fixture.model().with(|model| model.lent()) == 512)
    }

    #[test]
    fn cannot_be_lent_twice() -> Result {
        let fixture = Fixture::new()?;
        let vmid = fixture.link.rpc.alloc_vmid()?;
        let _parcel = lend(&fixture, vmid, 0, 4)?;

        ensure(lend(&fixture, vmid, 0, 1).err() == Some(EINVAL))?;
        ensure_used(&fixture, 1, 4)
    }

    #[test]
    fn that_a_machine_has_stay_lent() -> Result {
        let fixture = Fixture::new()?;
        let vmid = fixture.link.rpc.alloc_vmid()?;
        let parcel = lend(&fixture, vmid, 0, 4)?;
        fixture
            .model()
            .with(|model| model.parcels.values_mut().for_each(|p| p.accepted = true));

        let refused = parcel.reclaim(&fixture.manager);
        ensure(matches!(
            refused,
            Err(crate::parcel::ReclaimError::Lent(_, EBUSY))
        ))?;
        ensure_used(&fixture, 1, 4)
    }
}
