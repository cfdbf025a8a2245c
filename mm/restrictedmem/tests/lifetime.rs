// SPDX-License-Identifier: GPL-2.0

//! File, binding and consumer, released in every order.

#[kernel::macros::kunit_tests(restrictedmem_lifetime)]
mod tests {
    use super::super::fixture::{Call::Dropped, Fixture, Journal, Recorder};
    use crate::{ffi, registry};
    use kernel::{mm::restrictedmem::Mode, prelude::*};

    /// Releases a file (0), its binding (1) and its consumer (2) in the given order. Each of them
    /// must be gone exactly when nothing leads to it any more.
    fn release(order: [u8; 3]) -> Result {
        let journal = Journal::new()?;
        let fixture = Fixture::new(4)?;
        let mapping = fixture.file.memory.mapping_address();
        let consumer = Recorder::new(0, &journal)?;
        let binding = fixture.bind(&consumer, 0..4, Mode::Exclusive)?;
        binding.get(0)?;
        journal.take();

        let mut things = (Some(fixture), Some(binding), Some(consumer));
        for thing in order {
            match thing {
                0 => drop(things.0.take()),
                1 => drop(things.1.take()),
                _ => drop(things.2.take()),
            }
            ffi::flush_files();

            let file_is_held = things.0.is_some() || things.1.is_some();
            if registry::find(mapping).is_some() != file_is_held {
                return Err(EBADMSG);
            }
            ffi::flush_files();

            let consumer_is_held = things.1.is_some() || things.2.is_some();
            let dropped = journal.take().iter().any(|(_, call, _)| *call == Dropped);
            if dropped && consumer_is_held {
                return Err(EBADMSG);
            }
        }
        Ok(())
    }

    #[test]
    fn file_binding_consumer() -> Result {
        release([0, 1, 2])
    }

    #[test]
    fn file_consumer_binding() -> Result {
        release([0, 2, 1])
    }

    #[test]
    fn binding_file_consumer() -> Result {
        release([1, 0, 2])
    }

    #[test]
    fn binding_consumer_file() -> Result {
        release([1, 2, 0])
    }

    #[test]
    fn consumer_file_binding() -> Result {
        release([2, 0, 1])
    }

    #[test]
    fn consumer_binding_file() -> Result {
        release([2, 1, 0])
    }

    #[test]
    fn a_consumer_of_two_files() -> Result {
        let journal = Journal::new()?;
        let (one, two) = (Fixture::new(4)?, Fixture::new(4)?);
        let consumer = Recorder::new(0, &journal)?;
        let in_one = one.bind(&consumer, 0..4, Mode::Exclusive)?;
        let in_two = two.bind(&consumer, 0..4, Mode::Exclusive)?;

        drop(consumer);
        drop(in_one);
        drop(one);
        ffi::flush_files();
        in_two.get(0)?;
        let alive = !journal.take().iter().any(|(_, call, _)| *call == Dropped);
        assert!(alive);

        drop(in_two);
        journal.expect(&[(0, Dropped, 0..0)])
    }

    #[test]
    fn memory_goes_with_the_file() -> Result {
        for _ in 0..100 {
            let fixture = Fixture::new(8)?;
            fixture.file.reserve(0..8)?;
            let mapping = fixture.file.memory.mapping_address();
            drop(fixture);
            ffi::flush_files();
            let gone = registry::find(mapping).is_none();
            assert!(gone);
        }
        Ok(())
    }
}
