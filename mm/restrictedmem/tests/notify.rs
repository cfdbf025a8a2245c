// SPDX-License-Identifier: GPL-2.0

//! Who is told what, in which order.

#[kernel::macros::kunit_tests(restrictedmem_notify)]
mod tests {
    use super::super::fixture::{
        Call::{Abort, End, Error, Populate, Prepare, Start},
        Fixture, Journal, Recorder,
    };
    use kernel::{mm::restrictedmem::Mode, prelude::*, sync::atomic::Relaxed};

    const EPERM_NO: i32 = 1;
    const ENOMEM_NO: i32 = 12;

    #[test]
    fn one_operation_is_one_call_for_many_bindings() -> Result {
        let file = Fixture::new(64)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let mut held = KVec::new();
        for at in (0..64).step_by(2) {
            held.push(file.bind(&a, at..at + 1, Mode::Exclusive)?, GFP_KERNEL)?;
        }

        file.file.punch(0..64)?;
        journal.expect(&[(0, Prepare, 0..64), (0, Start, 0..64), (0, End, 0..64)])
    }

    #[test]
    fn only_those_in_the_range_are_told() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);
        let _a = file.bind(&a, 4..8, Mode::Exclusive)?;
        let _b = file.bind(&b, 8..12, Mode::Exclusive)?;

        file.file.punch(3..4)?;
        file.file.punch(12..13)?;
        journal.expect(&[])?;
        file.file.punch(7..8)?;
        journal.expect(&[(0, Prepare, 7..8), (0, Start, 7..8), (0, End, 7..8)])?;
        file.file.punch(8..9)?;
        journal.expect(&[(1, Prepare, 8..9), (1, Start, 8..9), (1, End, 8..9)])
    }

    #[test]
    fn order_is_that_of_the_first_binding_and_back() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let b = Recorder::new(1, &journal)?;
        let c = Recorder::new(2, &journal)?;
        // Bound in another order than they lie in the file.
        let _a = file.bind(&a, 8..12, Mode::Shared)?;
        let _b = file.bind(&b, 0..2, Mode::Shared)?;
        let _c = file.bind(&c, 4..6, Mode::Shared)?;
        let _again = file.bind(&b, 14..16, Mode::Shared)?;

        file.file.punch(0..16)?;
        journal.expect(&[
            (1, Prepare, 0..16),
            (2, Prepare, 0..16),
            (0, Prepare, 0..16),
            (1, Start, 0..16),
            (2, Start, 0..16),
            (0, Start, 0..16),
            (0, End, 0..16),
            (2, End, 0..16),
            (1, End, 0..16),
        ])
    }

    #[test]
    fn order_does_not_depend_on_where_the_hole_begins() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);
        let _a = file.bind(&a, 4..12, Mode::Shared)?;
        let _b = file.bind(&b, 2..12, Mode::Shared)?;

        file.file.punch(8..9)?;
        journal.expect(&[
            (1, Prepare, 8..9),
            (0, Prepare, 8..9),
            (1, Start, 8..9),
            (0, Start, 8..9),
            (0, End, 8..9),
            (1, End, 8..9),
        ])
    }

    #[test]
    fn a_refusal_changes_nothing() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let b = Recorder::new(1, &journal)?;
        let c = Recorder::new(2, &journal)?;
        let binding = file.bind(&a, 0..2, Mode::Shared)?;
        let _b = file.bind(&b, 4..6, Mode::Shared)?;
        let _c = file.bind(&c, 8..9, Mode::Shared)?;
        let pfn = binding.get(1)?.pfn();
        let sequence = binding.read_begin();
        journal.take();

        c.refuse_prepare.store(EPERM_NO, Relaxed);
        let result = file.file.punch(0..16);
        assert!(result == Err(EPERM));
        journal.expect(&[
            (0, Prepare, 0..16),
            (1, Prepare, 0..16),
            (2, Prepare, 0..16),
            (1, Abort, 0..16),
            (0, Abort, 0..16),
        ])?;
        let same = binding.get(1)?.pfn() == pfn && !binding.read_retry(sequence);
        assert!(same);
        Ok(())
    }

    #[test]
    fn a_punch_beyond_the_end_is_clipped() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let _a = file.bind(&a, 0..16, Mode::Shared)?;

        file.file.punch(12..usize::MAX)?;
        journal.expect(&[(0, Prepare, 12..16), (0, Start, 12..16), (0, End, 12..16)])?;
        file.file.punch(16..20)?;
        journal.expect(&[])
    }

    #[test]
    fn a_failed_populate_is_taken_back_from_those_who_were_told() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let b = Recorder::new(1, &journal)?;
        let c = Recorder::new(2, &journal)?;
        let binding = file.bind(&a, 0..8, Mode::Shared)?;
        let _b = file.bind(&b, 1..8, Mode::Shared)?;
        let _c = file.bind(&c, 2..8, Mode::Shared)?;

        c.refuse_populate.store(ENOMEM_NO, Relaxed);
        let result = binding.get(4).err();
        let left = (file.pages(), file.is_present(4));
        assert!(result == Some(ENOMEM));
        assert!(left == (0, false));
        journal.expect(&[
            (0, Populate, 4..5),
            (1, Populate, 4..5),
            (2, Populate, 4..5),
            (0, Start, 4..5),
            (1, Start, 4..5),
            (1, End, 4..5),
            (0, End, 4..5),
        ])?;

        // And it can be tried again.
        c.refuse_populate.store(0, Relaxed);
        binding.get(4)?;
        journal.expect(&[
            (0, Populate, 4..5),
            (1, Populate, 4..5),
            (2, Populate, 4..5),
        ])
    }

    #[test]
    fn a_failed_populate_leaves_a_reservation() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let binding = file.bind(&a, 0..8, Mode::Shared)?;
        file.file.reserve(4..5)?;

        a.refuse_populate.store(ENOMEM_NO, Relaxed);
        let refused = binding.get(4).is_err();
        let left = (file.pages(), file.is_present(4));
        assert!(refused);
        assert!(left == (1, false));
        Ok(())
    }

    #[test]
    fn an_error_is_told_at_exactly_one_page() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);
        let binding = file.bind(&a, 0..8, Mode::Shared)?;
        let _b = file.bind(&b, 4..16, Mode::Shared)?;
        let sequence = binding.read_begin();

        file.file.report_error(5, |_| true);
        let retry = binding.read_retry(sequence);
        assert!(retry);
        journal.expect(&[
            (0, Start, 5..6),
            (1, Start, 5..6),
            (0, Error, 5..6),
            (1, Error, 5..6),
            (1, End, 5..6),
            (0, End, 5..6),
        ])?;
        file.file.report_error(3, |_| true);
        journal.expect(&[(0, Start, 3..4), (0, Error, 3..4), (0, End, 3..4)])
    }

    #[test]
    fn quarantine_is_told_to_the_others() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);
        let binding = file.bind(&a, 0..8, Mode::Shared)?;
        let _b = file.bind(&b, 0..8, Mode::Shared)?;
        let page = binding.get(2)?;
        let sequence = binding.read_begin();
        journal.take();

        let lost = binding.quarantine(0..8);
        let left = (
            file.pages(),
            file.is_present(2),
            binding.read_retry(sequence),
        );
        assert!(lost == 1);
        assert!(left == (0, false, true));
        journal.expect(&[(1, Start, 2..3), (1, End, 2..3)])?;

        // What comes next at that page is other memory.
        let other = binding.get(2)?.pfn() != page.pfn();
        assert!(other);
        Ok(())
    }
}
