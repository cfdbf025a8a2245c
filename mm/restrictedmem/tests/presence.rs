// SPDX-License-Identifier: GPL-2.0

//! When memory is there, and that it becomes present once.

#[kernel::macros::kunit_tests(restrictedmem_presence)]
mod tests {
    use super::super::fixture::{Call::Populate, Fixture, Journal, Recorder};
    use kernel::{mm::restrictedmem::Mode, prelude::*};

    #[test]
    fn reserved_twice_is_populated_once() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;

        file.file.reserve(0..4)?;
        file.file.reserve(2..6)?;
        let reserved = (file.pages(), file.is_present(3));
        assert!(reserved == (6, false));

        let binding = file.bind(&a, 0..16, Mode::Shared)?;
        journal.expect(&[])?;
        let first = binding.get(3)?.pfn();
        journal.expect(&[(0, Populate, 3..4)])?;

        // Neither another reservation nor another get announces it again.
        file.file.reserve(0..8)?;
        let again = binding.get(3)?.pfn();
        assert!(again == first);
        journal.expect(&[])
    }

    #[test]
    fn every_binding_is_told() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);
        let binding = file.bind(&a, 0..4, Mode::Shared)?;
        let other = file.bind(&b, 2..8, Mode::Shared)?;

        binding.get(1)?;
        journal.expect(&[(0, Populate, 1..2)])?;
        other.get(3)?;
        journal.expect(&[(0, Populate, 3..4), (1, Populate, 3..4)])?;
        let same = binding.get(3)?.pfn() == other.get(3)?.pfn();
        assert!(same);
        journal.expect(&[])
    }

    #[test]
    fn memory_stays_when_bindings_go() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);

        let binding = file.bind(&a, 0..4, Mode::Exclusive)?;
        let pfn = binding.get(2)?.pfn();
        drop(binding);
        journal.take();

        let binding = file.bind(&b, 0..4, Mode::Exclusive)?;
        let same = binding.get(2)?.pfn() == pfn;
        assert!(same);
        // What is present already is not announced.
        journal.expect(&[])
    }

    #[test]
    fn a_hole_is_populated_anew() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let binding = file.bind(&a, 0..4, Mode::Exclusive)?;

        binding.get(2)?;
        file.file.punch(2..3)?;
        let gone = (file.pages(), file.is_present(2));
        assert!(gone == (0, false));
        journal.take();
        binding.get(2)?;
        journal.expect(&[(0, Populate, 2..3)])
    }

    #[test]
    fn nothing_outside_of_the_binding() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let binding = file.bind(&a, 4..8, Mode::Exclusive)?;

        for index in [0, 3, 8, 15, 16, usize::MAX] {
            let result = binding.get(index).err();
            assert!(result == Some(EINVAL));
        }
        let pages = file.pages();
        assert!(pages == 0);
        Ok(())
    }

    #[test]
    fn reservations_lie_inside_the_file() -> Result {
        let file = Fixture::new(16)?;

        for range in [0..17, 16..17, 0..usize::MAX] {
            let result = file.file.reserve(range);
            assert!(result == Err(EINVAL));
        }
        let pages = file.pages();
        assert!(pages == 0);
        Ok(())
    }

    #[test]
    fn a_range_comes_in_order() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let binding = file.bind(&a, 2..14, Mode::Exclusive)?;
        let mut next = 3;

        let _ = binding.get_range(3..9, |run| {
            if run.range.start != next {
                return Err(EBADMSG);
            }
            next = run.range.end;
            Ok(core::ops::ControlFlow::Continue(()))
        })?;
        let seen = (next, file.pages());
        assert!(seen == (9, 6));

        let beyond = binding.get_range(10..16, |_| Ok(core::ops::ControlFlow::Continue(())));
        assert!(beyond.err() == Some(EINVAL));
        Ok(())
    }
}
