// SPDX-License-Identifier: GPL-2.0

//! Initial contents, from a source that does what a test wants.

#[kernel::macros::kunit_tests(restrictedmem_load)]
mod tests {
    use super::super::fixture::{Call::Populate, Fixture, Journal, Recorder};
    use crate::{load::Source, provider::Provider, range::Pages};
    use kernel::{
        mm::{
            folio::Folio,
            restrictedmem::{Binding, Mode},
        },
        page::PAGE_SIZE,
        prelude::*,
    };

    static ONES: [u8; PAGE_SIZE] = [1; PAGE_SIZE];
    static TWOS: [u8; PAGE_SIZE] = [2; PAGE_SIZE];

    /// Gives the same page again and again, a few at a time, until it is empty.
    struct Pattern {
        page: &'static [u8],
        at_a_time: usize,
        left: usize,
        asked: usize,
    }

    impl Pattern {
        fn new(page: &'static [u8]) -> Self {
            Self {
                page,
                at_a_time: 3,
                left: usize::MAX,
                asked: 0,
            }
        }
    }

    impl Source for Pattern {
        fn fetch(&mut self, pages: usize) -> Result<usize> {
            let fetched = pages.min(self.at_a_time).min(self.left);

            self.asked += 1;
            if fetched == 0 {
                return Err(EIO);
            }
            self.left -= fetched;
            Ok(fetched)
        }

        fn copy(&self, _nth: usize, folio: &Folio, index: usize) -> Result {
            folio.write_bytes(index, 0, self.page)
        }
    }

    /// Loads, and returns the pages that were loaded together with the result.
    fn load(file: &Fixture, range: Pages, source: &mut Pattern) -> (usize, Result) {
        let mut done = 0;
        let result = file.file.load(&range, source, &mut done);

        (done, result)
    }

    /// Returns the first and the last byte of a page that is present.
    fn look(file: &Fixture, index: usize) -> Result<(u8, u8)> {
        let folio = file.file.memory.lookup(index).ok_or(ENOENT)?;
        let (mut first, mut last) = ([0xff], [0xff]);

        if !folio.is_uptodate() {
            return Err(ENODATA);
        }
        folio.read_bytes(index, 0, &mut first)?;
        folio.read_bytes(index, PAGE_SIZE - 1, &mut last)?;
        Ok((first[0], last[0]))
    }

    #[test]
    fn what_was_loaded_is_there() -> Result {
        let file = Fixture::new(16)?;

        let loaded = load(&file, 2..9, &mut Pattern::new(&ONES));
        assert!(loaded == (7, Ok(())));
        for index in 2..9 {
            let bytes = look(&file, index)?;
            assert!(bytes == (1, 1));
        }
        let pages = (file.pages(), file.is_present(1), file.is_present(9));
        assert!(pages == (7, false, false));
        Ok(())
    }

    #[test]
    fn a_binding_made_later_finds_it() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;

        load(&file, 0..4, &mut Pattern::new(&ONES)).1?;
        let binding = file.bind(&a, 0..16, Mode::Exclusive)?;
        binding.get(3)?;
        let bytes = look(&file, 3)?;
        assert!(bytes == (1, 1));
        // What is present already is not announced; what is not is, as ever.
        journal.expect(&[])?;
        binding.get(4)?;
        journal.expect(&[(0, Populate, 4..5)])
    }

    #[test]
    fn present_memory_is_replaced() -> Result {
        let file = Fixture::new(16)?;

        load(&file, 0..8, &mut Pattern::new(&ONES)).1?;
        load(&file, 2..4, &mut Pattern::new(&TWOS)).1?;
        let bytes = (look(&file, 1)?, look(&file, 2)?, look(&file, 3)?);
        assert!(bytes == ((1, 1), (2, 2), (2, 2)));
        let (bytes, pages) = (look(&file, 4)?, file.pages());
        assert!(bytes == (1, 1) && pages == 8);
        Ok(())
    }

    #[test]
    fn reserved_memory_is_used() -> Result {
        let file = Fixture::new(16)?;

        file.file.reserve(0..8)?;
        load(&file, 4..6, &mut Pattern::new(&ONES)).1?;
        let pages = (file.pages(), file.is_present(3), file.is_present(4));
        assert!(pages == (8, false, true));
        Ok(())
    }

    #[test]
    fn a_source_that_ends_early_leaves_the_rest_alone() -> Result {
        let file = Fixture::new(16)?;
        let mut source = Pattern::new(&TWOS);

        load(&file, 6..8, &mut Pattern::new(&ONES)).1?;
        source.left = 5;
        let loaded = load(&file, 2..12, &mut source);
        assert!(loaded == (5, Err(EIO)));
        let bytes = (look(&file, 6)?, look(&file, 7)?);
        assert!(bytes == ((2, 2), (1, 1)));
        let present = file.is_present(8);
        assert!(!present);
        Ok(())
    }

    #[test]
    fn a_range_that_is_bound_is_left_alone() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let a = Recorder::new(0, &journal)?;
        let binding = file.bind(&a, 8..9, Mode::Shared)?;

        for range in [8..9, 0..9, 8..16, 0..16] {
            let loaded = load(&file, range, &mut Pattern::new(&ONES));
            assert!(loaded == (0, Err(EBUSY)));
        }
        let pages = file.pages();
        assert!(pages == 0);

        load(&file, 0..8, &mut Pattern::new(&ONES)).1?;
        load(&file, 9..16, &mut Pattern::new(&ONES)).1?;
        journal.expect(&[])?;
        drop(binding);
        load(&file, 8..9, &mut Pattern::new(&ONES)).1
    }

    #[test]
    fn a_consumer_that_lets_it_in_is_told_with_the_contents_there() -> Result {
        let file = Fixture::new(16)?;
        let journal = Journal::new()?;
        let (a, b) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);
        let shared = Mode::Shared;

        let _a = Binding::new_loadable(&file.open, a.clone(), 4..8, shared, ())?;
        let late = Binding::new_loadable(&file.open, b.clone(), 6..8, shared, ())?;
        load(&file, 5..7, &mut Pattern::new(&ONES)).1?;
        journal.expect(&[
            (0, Populate, 5..6),
            (0, Populate, 6..7),
            (1, Populate, 6..7),
        ])?;

        // One that does not, in between.
        let strict = file.bind(&b, 4..5, shared)?;
        let loaded = load(&file, 4..7, &mut Pattern::new(&TWOS));
        assert!(loaded == (0, Err(EBUSY)));
        drop(strict);
        drop(late);
        load(&file, 4..7, &mut Pattern::new(&TWOS)).1?;
        let bytes = (look(&file, 4)?, look(&file, 6)?);
        assert!(bytes == ((2, 2), (2, 2)));
        journal.expect(&[(0, Populate, 4..5)])
    }

    #[test]
    fn nothing_is_asked_for_outside_of_the_file() -> Result {
        let file = Fixture::new(16)?;
        let mut source = Pattern::new(&ONES);

        for range in [0..17, 16..17, 4..4, 0..usize::MAX] {
            let loaded = load(&file, range, &mut source);
            assert!(loaded == (0, Err(EINVAL)));
        }
        let pages = file.pages();
        assert!(source.asked == 0 && pages == 0);
        Ok(())
    }
}
