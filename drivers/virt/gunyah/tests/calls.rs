// SPDX-License-Identifier: GPL-2.0

//! Questions and answers.

#[kernel::macros::kunit_tests(gunyah_calls)]
mod tests {
    use super::super::{
        fixture::{ensure, together, Fixture, Link, Thread},
        model::{
            fault::{raw, Fault, Garble},
            machines::*,
            VM_GET_VMID,
        },
    };
    use crate::{
        error::{Code, Failure},
        image::Image,
        limits::Limits,
        runs::{Entry, Runs},
        status::Vmid,
    };
    use kernel::{prelude::*, sync::Arc};

    #[test]
    fn somebody_is_there() -> Result {
        Link::new()?.probe(Limits::PUBLIC).map(drop)
    }

    #[test]
    fn nobody_is_there() -> Result {
        let link = Link::new()?;
        link.model
            .with(|model| model.plan(VM_GET_VMID, Fault::Late))?;

        let probe = link.probe(Limits::PUBLIC);
        ensure(probe.err() == Some(ETIMEDOUT))?;

        // Who wakes up later is not listened to.
        link.model.with(|model| model.answer_late())?;
        let again = link.rpc.alloc_vmid();
        ensure(again == Err(Failure::NotSent(ENODEV)))
    }

    #[test]
    fn we_are_somebody_else() -> Result {
        let link = Link::new()?;
        link.model.with(|model| model.host = 4);

        let probe = link.probe(Limits::PUBLIC);
        ensure(probe.err() == Some(ENODEV))
    }

    #[test]
    fn each_refusal_is_told() -> Result {
        let link = Link::new()?;

        for code in Iterator::chain(1..0x20, [u32::MAX]) {
            link.model
                .with(|model| model.plan(VM_ALLOC_VMID, Fault::Refuse(code)))?;
            let refused = link.rpc.alloc_vmid();
            ensure(refused == Err(Failure::Refused(Code(code))))?;
        }
        ensure(link.rpc.alloc_vmid() == Ok(Vmid(0x80)))
    }

    #[test]
    fn no_answer_is_guessed() -> Result {
        for garble in Garble::ALL {
            let link = Link::new()?;
            link.model
                .with(|model| model.plan(VM_ALLOC_VMID, Fault::Garble(garble)))?;

            let answer = link.rpc.alloc_vmid();
            ensure(matches!(answer, Err(Failure::Unknown(EBADMSG | ENODEV))))?;
        }
        Ok(())
    }

    #[test]
    fn silence_is_waited_out() -> Result {
        let link = Link::new()?;
        let rpc = link.rpc.clone();
        link.model
            .with(|model| model.plan(VM_ALLOC_VMID, Fault::Late))?;

        let thread = Thread::spawn(move || rpc.alloc_vmid())?;
        link.model.wait_until(|model| model.is_late())?;
        // Others are answered meanwhile, and not with what is for somebody else.
        ensure(link.rpc.alloc_vmid() == Ok(Vmid(0x80)))?;
        ensure(link.rpc.dealloc_vmid(Vmid(0x80)).is_ok())?;
        ensure(thread.is_running())?;

        link.model.with(|model| model.answer_late())?;
        ensure(thread.join()? == Ok(Vmid(0x80)))
    }

    #[test]
    fn silence_ends_when_we_give_up() -> Result {
        let link = Link::new()?;
        let rpc = link.rpc.clone();
        link.model
            .with(|model| model.plan(VM_ALLOC_VMID, Fault::Late))?;

        let thread = Thread::spawn(move || rpc.alloc_vmid())?;
        link.model.wait_until(|model| model.is_late())?;
        ensure(thread.is_running())?;
        link.rpc.close();
        ensure(thread.join()? == Err(Failure::Unknown(ENODEV)))
    }

    #[test]
    fn noise_is_not_listened_to() -> Result {
        let link = Link::new()?;
        let noise = [
            // An answer that nobody waits for, and one that is none.
            raw(0x21, 2, 77, VM_ALLOC_VMID, &[0; 8])?,
            raw(0x21, 2, 0, VM_START, &[0; 4])?,
            // A request, a notification that nobody knows, and one that is too short.
            raw(0x21, 1, 0, VM_ALLOC_VMID, &[0; 4])?,
            raw(0x21, 3, 0, 0x5699_9999, &[0; 4])?,
            raw(0x21, 3, 0, 0x5610_0008, &[0x80, 0, 0])?,
            // Half a message.
            raw(0x21, 3 | 2 << 2, 0, 0x5610_0008, &[0; 232])?,
            raw(0xff, 0xff, 0xffff, 0xffff_ffff, &[0xff; 232])?,
        ];

        for bytes in &noise {
            link.model.with(|model| model.write_raw(bytes.bytes()))?;
            ensure(link.rpc.alloc_vmid() == Ok(Vmid(0x80)))?;
            ensure(link.rpc.dealloc_vmid(Vmid(0x80)).is_ok())?;
        }
        Ok(())
    }

    /// So many entries, from a place that depends on `number`.
    fn entries(number: usize, count: usize) -> Result<KVVec<Entry>> {
        let mut runs = Runs::new();

        for page in 0..count {
            runs.push(page..page + 1, (number * 1024 + page) * 2)?;
        }
        runs.entries()
    }

    #[test]
    fn a_full_queue_is_waited_for() -> Result {
        let link = Link::new()?;
        let vmid = link.rpc.alloc_vmid()?;
        let rpc = link.rpc.clone();
        let list = entries(0, 512)?;
        link.model.with(|model| model.asleep = true);

        let thread = Thread::spawn(move || rpc.lend(vmid, list.iter(), false))?;
        link.model.wait_until(|model| model.is_full())?;
        ensure(thread.is_running())?;
        link.model.with(|model| model.asleep = false);
        ensure(thread.join()?.is_ok())?;
        ensure(link.model.with(|model| model.lent()) == 512)
    }

    #[test]
    fn a_full_queue_does_not_outlast_us() -> Result {
        let link = Link::new()?;
        let vmid = link.rpc.alloc_vmid()?;
        let rpc = link.rpc.clone();
        let list = entries(0, 512)?;
        link.model.with(|model| model.asleep = true);

        let thread = Thread::spawn(move || rpc.lend(vmid, list.iter(), false))?;
        link.model.wait_until(|model| model.is_full())?;
        link.rpc.close();
        ensure(thread.join()? == Err(Failure::NotSent(ENODEV)))
    }

    #[test]
    fn long_ones_do_not_mix() -> Result {
        let fixture = Arc::new(Fixture::new()?, GFP_KERNEL)?;
        let vmid = fixture.link.rpc.alloc_vmid()?;
        let shared = fixture.clone();

        together(4, move |number| {
            let list = entries(number, 512)?;

            for _ in 0..10 {
                let handle = shared.link.rpc.lend(vmid, list.iter(), false)?;
                shared.link.rpc.reclaim(handle)?;
            }
            Ok(())
        })?;
        ensure(fixture.model().with(|model| model.lent()) == 0)
    }

    #[test]
    fn each_has_the_bytes_that_it_must_have() -> Result {
        let link = Link::new()?;
        let rpc = &link.rpc;
        let was = |id: u32, bytes: &[u8]| {
            link.model.with(|model| {
                ensure(model.log.last() == Some(&id))?;
                ensure(*model.last == *bytes)
            })
        };
        let vmid = rpc.alloc_vmid()?;
        was(0x5600_0001, &[0, 0, 0, 0])?;

        let list = [Entry {
            address: 0x1_2345_6000,
            size: 0x2000,
        }];
        let handle = rpc.lend(vmid, list.iter(), true)?;
        was(
            0x5100_0012,
            &[
                0, 0, 2, 0, 0, 0, 0, 0, // ordinary memory, more follows, no label
                1, 0, 0, 0, 0x80, 0, 7, 0, // one borrower with all rights
                1, 0, 0, 0, // one piece
                0, 0x60, 0x45, 0x23, 1, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, //
                0, 0, 0, 0, // no attributes
            ],
        )?;
        let list = [Entry {
            address: 0x1000,
            size: 0x10_0000,
        }];
        rpc.append(handle, list.iter(), false)?;
        was(
            0x5100_0018,
            &[
                0, 0, 0, 0, 1, 0, 0, 0, // the first handle, done
                1, 0, 0, 0, // one piece
                0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0,
            ],
        )?;
        let image = Image {
            image: 0x1000..0x3000,
            device_tree: 0x1_0000..0x2_0000,
        };
        rpc.config_image(vmid, handle, &image)?;
        was(
            0x5600_0009,
            &[
                0x80, 0, 0, 0, 0, 0, 0, 0, // nobody vouches for it
                0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, //
                0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0,
            ],
        )?;
        rpc.init(vmid)?;
        was(0x5600_000b, &[0x80, 0, 0, 0])?;
        rpc.start(vmid)?;
        was(0x5600_0004, &[0x80, 0, 0, 0])?;
        rpc.stop(vmid)?;
        was(0x5600_0005, &[0x80, 0, 1, 0, 3, 0, 0, 0])?;
        rpc.reset(vmid)?;
        was(0x5600_0006, &[0x80, 0, 0, 0])?;
        link.model
            .wait_until(|model| model.machines.values().all(|m| m.state == State::Reset))?;
        rpc.reclaim(handle)?;
        was(0x5100_0015, &[0; 8])?;
        rpc.dealloc_vmid(vmid)?;
        was(0x5600_0002, &[0x80, 0, 0, 0])
    }
}
