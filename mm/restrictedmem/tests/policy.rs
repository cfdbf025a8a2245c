// SPDX-License-Identifier: GPL-2.0

//! Who may bind what.

#[kernel::macros::kunit_tests(restrictedmem_policy)]
mod tests {
    use super::super::fixture::{Fixture, Journal, Recorder};
    use kernel::{mm::restrictedmem::Mode, prelude::*};

    #[test]
    fn exclusive_tolerates_nobody() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);
        let _held = file.bind(&a, 4..8, Mode::Exclusive)?;

        for range in [4..8, 0..5, 7..12, 5..6, 0..16] {
            let exclusive = file.bind(&b, range.clone(), Mode::Exclusive).err();
            let shared = file.bind(&b, range, Mode::Shared).err();
            assert!(exclusive == Some(EBUSY));
            assert!(shared == Some(EBUSY));
        }
        Ok(())
    }

    #[test]
    fn shared_tolerates_shared_only() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);
        let _held = file.bind(&a, 4..8, Mode::Shared)?;
        let _too = file.bind(&b, 6..10, Mode::Shared)?;

        let c = Recorder::new(2, &journal)?;
        let exclusive = file.bind(&c, 7..8, Mode::Exclusive).err();
        assert!(exclusive == Some(EBUSY));
        Ok(())
    }

    #[test]
    fn nobody_overlaps_itself() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let _held = file.bind(&a, 4..8, Mode::Shared)?;

        let same = file.bind(&a, 4..8, Mode::Shared).err();
        let part = file.bind(&a, 7..9, Mode::Shared).err();
        assert!(same == Some(EEXIST));
        assert!(part == Some(EEXIST));
        Ok(())
    }

    #[test]
    fn neighbours_only_touch() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);
        let _middle = file.bind(&a, 4..8, Mode::Exclusive)?;
        let _before = file.bind(&b, 0..4, Mode::Exclusive)?;
        let _after = file.bind(&b, 8..16, Mode::Exclusive)?;
        Ok(())
    }

    #[test]
    fn a_range_is_free_at_once_after_unbind() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);

        drop(file.bind(&a, 0..16, Mode::Exclusive)?);
        drop(file.bind(&b, 0..16, Mode::Exclusive)?);
        Ok(())
    }

    #[test]
    fn ranges_lie_inside_the_file() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;

        for range in [0..0, 16..16, 0..17, 16..17, 0..usize::MAX] {
            let result = file.bind(&a, range, Mode::Shared).err();
            assert!(result == Some(EINVAL));
        }

        drop(file.bind(&a, 15..16, Mode::Shared)?);
        drop(file.bind(&a, 0..16, Mode::Shared)?);
        Ok(())
    }

    #[test]
    fn a_file_without_a_size_has_no_ranges() -> Result {
        let file = Fixture::new(0)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;

        let result = file.bind(&a, 0..1, Mode::Shared).err();
        assert!(result == Some(EINVAL));
        Ok(())
    }
}
