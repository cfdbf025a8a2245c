// SPDX-License-Identifier: GPL-2.0

//! File, binding and consumer, released in every order.

use kernel::{
    fs::File,
    mm::{
        folio::Folio,
        restrictedmem::{
            Consumer,
            Invalidation,
            Span,
            Subscriber, //
        },
    },
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        Mutex, //
    },
};

/// A consumer that has the file open, and closes it as soon as it is told something.
#[pin_data]
struct Closer {
    #[pin]
    open: Mutex<Option<ARef<File>>>,
}

impl Closer {
    fn new(open: ARef<File>) -> Result<Arc<Subscriber<Self>>> {
        Subscriber::new(
            try_pin_init!(Self {
                open <- new_mutex!(Some(open)),
            }),
            GFP_KERNEL,
        )
    }

    fn close(&self) {
        let open = self.open.lock().take();

        drop(open);
    }

    fn has_closed(&self) -> bool {
        self.open.lock().is_none()
    }
}

#[vtable]
impl Consumer for Closer {
    type Cookie = ();
    const NAME: &'static CStr = c"closer";

    fn populate(&self, _span: &Span<'_, Self>, _folio: &Folio) -> Result {
        self.close();
        Ok(())
    }

    fn invalidate_start(&self, _invalidation: &Invalidation<'_, Self>) {
        self.close();
    }

    fn invalidate_end(&self, _invalidation: &Invalidation<'_, Self>) {}
}

#[kernel::macros::kunit_tests(restrictedmem_lifetime)]
mod tests {
    use super::super::fixture::{
        Call::{Dropped, End, Populate, Prepare, Start},
        Fixture, Journal, Recorder,
    };
    use super::*;
    use crate::{ffi, file::RestrictedFile, registry};
    use kernel::mm::restrictedmem::{Binding, Mode};

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

    /// A callback closes the last descriptor, so that only the binding, and the operation that
    /// calls back, know of the file.
    fn close_in_callback(
        operation: impl FnOnce(&Binding<Closer>, &RestrictedFile) -> Result,
    ) -> Result {
        let fixture = Fixture::new(4)?;
        let mapping = fixture.file.memory.mapping_address();
        let consumer = Closer::new(fixture.open.clone())?;
        let binding = fixture.bind(&consumer, 0..4, Mode::Exclusive)?;
        let live = registry::find(mapping).ok_or(EBADMSG)?;

        drop(fixture);
        operation(&binding, &live)?;
        drop(live);
        ffi::flush_files();
        if !consumer.has_closed() || registry::find(mapping).is_none() {
            return Err(EBADMSG);
        }

        binding.get(3)?;
        drop(binding);
        ffi::flush_files();
        match registry::find(mapping) {
            Some(_) => Err(EBADMSG),
            None => Ok(()),
        }
    }

    #[test]
    fn closed_in_populate() -> Result {
        close_in_callback(|binding, _| binding.get(0).map(|_| ()))
    }

    #[test]
    fn closed_while_a_hole_is_punched() -> Result {
        close_in_callback(|_, file| file.punch(0..4))
    }

    #[test]
    fn closed_by_a_memory_error() -> Result {
        close_in_callback(|_, file| {
            file.report_error(1, |_| true);
            Ok(())
        })
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
    fn the_older_of_two_goes_first() -> Result {
        let journal = Journal::new()?;
        let fixture = Fixture::new(4)?;
        let (older, younger) = (Recorder::new(0, &journal)?, Recorder::new(1, &journal)?);
        let of_older = fixture.bind(&older, 0..4, Mode::Shared)?;
        let of_younger = fixture.bind(&younger, 0..4, Mode::Shared)?;

        drop(older);
        drop(of_older);
        journal.expect(&[(0, Dropped, 0..0)])?;

        of_younger.get(1)?;
        fixture.file.punch(0..4)?;
        journal.expect(&[
            (1, Populate, 1..2),
            (1, Prepare, 0..4),
            (1, Start, 0..4),
            (1, End, 0..4),
        ])
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
