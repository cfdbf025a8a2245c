// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A file that has many bindings.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use restrictedmem::{Builder, RestrictedMemory};

use super::consumer::Consumer;
use super::plan::{SOME_BINDINGS, Scale};
use super::{Experiment, Log, PAGE, kernel_memory, per};
use crate::Failure;

/// How often each call is made for one number.
const CALLS: u32 = 64;

/// A file for each number of bindings.
pub struct Bindings(Vec<Bound>);

impl Bindings {
    /// Makes them.
    pub fn new(scale: &Scale) -> Result<Self, Failure> {
        let bound = scale
            .binding_counts()
            .into_iter()
            .map(Bound::new)
            .collect::<Result<_, _>>()?;
        Ok(Self(bound))
    }
}

impl Experiment for Bindings {
    fn measure(&mut self, subject: &str, log: &mut Log) -> Result<(), Failure> {
        for bound in &self.0 {
            if bound.ids.len().to_string() == subject {
                // Once before: who was measured last has left the kernel's caches cold, or empty.
                bound.bind_and_unbind()?;
                bound.come_and_go()?;
                for (work, time) in bound.bind_and_unbind()? {
                    log.time(work, time);
                }
                for (work, time) in bound.come_and_go()? {
                    log.time(work, time);
                }
            }
        }
        // Of fewer, one could not tell what each of them takes.
        match subject.parse() {
            Ok(count) if count >= SOME_BINDINGS && log.by_clock() => log.count(
                "binding-bytes",
                kernel_memory::of_one(count, || Bound::new(count))?,
            ),
            _ => {}
        }
        Ok(())
    }
}

/// A file and its bindings. Binding `n` has page `2 * n`.
struct Bound {
    memory: RestrictedMemory,
    consumer: Consumer,
    ids: Vec<u32>,
}

impl Bound {
    fn new(count: u64) -> Result<Self, Failure> {
        // Bindings are at even pages, so that there is room between them.
        let pages = 2 * (count + u64::from(CALLS));
        let memory = Builder::new().len(pages * PAGE).create()?;
        let consumer = Consumer::new()?;
        let ids = (0..count)
            .map(|n| consumer.bind(memory.as_fd(), 2 * n..2 * n + 1))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            memory,
            consumer,
            ids,
        })
    }

    /// Positions that are spread over the bindings, in pages.
    fn spread(&self) -> impl Iterator<Item = u64> {
        let step = (self.ids.len() as u64 / u64::from(CALLS)).max(1);
        (0..u64::from(CALLS)).map(move |call| 2 * step * call)
    }

    fn bind_and_unbind(&self) -> Result<[(&'static str, Duration); 2], Failure> {
        let [mut bind, mut unbind] = [Duration::ZERO; 2];
        for page in self.spread() {
            let start = Instant::now();
            let id = self
                .consumer
                .bind(self.memory.as_fd(), page + 1..page + 2)?;
            let bound = Instant::now();
            self.consumer.unbind(id)?;
            unbind += bound.elapsed();
            bind += bound - start;
        }
        Ok([("bind", per(CALLS, bind)), ("unbind", per(CALLS, unbind))])
    }

    /// Has a page come, looks at it again, and punches it.
    fn come_and_go(&self) -> Result<[(&'static str, Duration); 4], Failure> {
        let mut times = [
            ("populate", Duration::ZERO),
            ("get", Duration::ZERO),
            ("sequence", Duration::ZERO),
            ("punch-bound", Duration::ZERO),
        ];
        for page in self.spread() {
            let index = page % (2 * self.ids.len() as u64);
            let Some(id) = usize::try_from(index / 2)
                .ok()
                .and_then(|n| self.ids.get(n))
            else {
                continue;
            };
            let clock = [
                Instant::now(),
                self.consumer.get(*id, index).map(|()| Instant::now())?,
                self.consumer.get(*id, index).map(|()| Instant::now())?,
                self.consumer.sequence(*id).map(|()| Instant::now())?,
                self.memory
                    .punch(index * PAGE..(index + 1) * PAGE)
                    .map(|()| Instant::now())?,
            ];
            for ((_, time), step) in times.iter_mut().zip(clock.windows(2)) {
                *time += step[1] - step[0];
            }
        }
        Ok(times.map(|(work, time)| (work, per(CALLS, time))))
    }
}
