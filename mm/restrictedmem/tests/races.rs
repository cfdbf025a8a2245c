// SPDX-License-Identifier: GPL-2.0

//! Operations at the same time.

use kernel::{
    alloc::flags::GFP_KERNEL,
    mm::{
        folio::Folio,
        restrictedmem::{
            Consumer,
            Invalidation,
            Span,
            Subscriber, //
        },
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Completion, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    workqueue,
};

/// A consumer that only counts, and counts what must not be.
#[pin_data]
struct Counter {
    populates: Atomic<i32>,
    open: Atomic<i32>,
    starts: Atomic<i32>,
    wrong: Atomic<i32>,
}

impl Counter {
    fn new() -> Result<Arc<Subscriber<Self>>> {
        Subscriber::new(
            try_pin_init!(Self {
                populates: Atomic::new(0),
                open: Atomic::new(0),
                starts: Atomic::new(0),
                wrong: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }
}

#[vtable]
impl Consumer for Counter {
    type Cookie = ();
    const NAME: &'static CStr = c"counter";

    fn populate(&self, _span: &Span<'_, Self>, _folio: &Folio) -> Result {
        self.populates.add(1, Relaxed);
        // Long enough for somebody to come in between.
        fsleep(Delta::from_micros(50));
        Ok(())
    }

    fn invalidate_start(&self, invalidation: &Invalidation<'_, Self>) {
        self.starts.add(1, Relaxed);
        self.open.add(1, Relaxed);
        if invalidation.spans().next().is_none() {
            self.wrong.add(1, Relaxed);
        }
    }

    fn invalidate_end(&self, _invalidation: &Invalidation<'_, Self>) {
        self.open.add(-1, Relaxed);
        if self.open.load(Relaxed) < 0 {
            self.wrong.add(1, Relaxed);
        }
    }
}

/// Something that runs in several threads.
#[pin_data]
struct Crew {
    running: Atomic<i32>,
    failed: Atomic<i32>,
    #[pin]
    done: Completion,
}

/// Runs `work` in each of `threads` threads, and waits. It gets the number of the thread.
fn together<F>(threads: i32, work: F) -> Result
where
    F: Fn(i32) -> Result + Send + Sync + 'static,
{
    let crew = Arc::pin_init(
        pin_init!(Crew {
            running: Atomic::new(threads),
            failed: Atomic::new(0),
            done <- Completion::new(),
        }),
        GFP_KERNEL,
    )?;
    let work = Arc::new(work, GFP_KERNEL)?;

    for number in 0..threads {
        let (crew, work) = (crew.clone(), work.clone());

        workqueue::system_unbound().try_spawn(GFP_KERNEL, move || {
            if work(number).is_err() {
                crew.failed.add(1, Relaxed);
            }
            // What the work holds is gone before the test goes on.
            drop(work);
            if crew.running.fetch_sub(1, kernel::sync::atomic::Full) == 1 {
                crew.done.complete_all();
            }
        })?;
    }
    drop(work);
    crew.done.wait_for_completion();

    match crew.failed.load(Relaxed) {
        0 => Ok(()),
        _ => Err(EBADMSG),
    }
}

#[kunit_tests(restrictedmem_races)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;
    use kernel::mm::restrictedmem::Mode;

    #[test]
    fn two_first_touches_are_one_populate() -> Result {
        for _ in 0..20 {
            let fixture = Fixture::new(4)?;
            let counter = Counter::new()?;
            let binding = Arc::new(fixture.bind(&counter, 0..4, Mode::Exclusive)?, GFP_KERNEL)?;
            let shared = binding.clone();

            together(4, move |_| shared.get(2).map(|_| ()))?;
            let populates = counter.populates.load(Relaxed);
            assert!(populates == 1);
            drop(binding);
        }
        Ok(())
    }

    #[test]
    fn gets_punches_and_reservations() -> Result {
        let fixture = Arc::new(Fixture::new(64)?, GFP_KERNEL)?;
        let counter = Counter::new()?;
        let binding = Arc::new(fixture.bind(&counter, 0..64, Mode::Exclusive)?, GFP_KERNEL)?;
        let (shared, file) = (binding.clone(), fixture.clone());

        together(4, move |number| {
            for round in 0..200usize {
                let index = (round * 7 + number as usize * 13) % 64;

                match number {
                    0 => file.file.punch(index..index + 8)?,
                    1 => file.file.reserve(0..index + 1)?,
                    _ => {
                        let before = shared.read_begin();
                        let page = shared.get(index)?;
                        // A page that nothing was said about is in the file.
                        if !shared.read_retry(before) && !page.folio().is_uptodate() {
                            return Err(EBADMSG);
                        }
                    }
                }
            }
            Ok(())
        })?;

        let state = (
            counter.starts.load(Relaxed),
            counter.open.load(Relaxed),
            counter.wrong.load(Relaxed),
        );
        assert!(state == (200, 0, 0));
        fixture.file.punch(0..64)?;
        let pages = fixture.pages();
        assert!(pages == 0);
        Ok(())
    }

    #[test]
    fn binds_unbinds_and_punches() -> Result {
        let fixture = Arc::new(Fixture::new(64)?, GFP_KERNEL)?;
        let counter = Counter::new()?;
        let (file, consumer) = (fixture.clone(), counter.clone());

        together(4, move |number| {
            for round in 0..200usize {
                if number == 0 {
                    file.file.punch(0..64)?;
                    continue;
                }
                let at = number as usize * 16 + round % 8;
                let binding = file.bind(&consumer, at..at + 8, Mode::Exclusive)?;
                binding.get(at + round % 8)?;
            }
            Ok(())
        })?;

        let state = (counter.open.load(Relaxed), counter.wrong.load(Relaxed));
        assert!(state == (0, 0));
        Ok(())
    }

    #[test]
    fn errors_beside_everything_else() -> Result {
        let fixture = Arc::new(Fixture::new(16)?, GFP_KERNEL)?;
        let counter = Counter::new()?;
        let binding = Arc::new(fixture.bind(&counter, 0..16, Mode::Exclusive)?, GFP_KERNEL)?;
        let (shared, file) = (binding.clone(), fixture.clone());

        together(4, move |number| {
            for round in 0..100usize {
                match number {
                    0 => file.file.punch(0..8)?,
                    1 | 2 => file.file.report_error(round % 16, |_| true),
                    _ => shared.get(round % 16).map(|_| ())?,
                }
            }
            Ok(())
        })?;

        let state = (
            counter.starts.load(Relaxed),
            counter.open.load(Relaxed),
            counter.wrong.load(Relaxed),
        );
        assert!(state == (300, 0, 0));
        Ok(())
    }
}
