// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Processors that look at the same large page at the same time.

use std::os::fd::AsFd;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use restrictedmem::{Builder, Flags, RestrictedMemory};

use super::consumer::Consumer;
use super::{Experiment, Log, MIB, PAGE, per};
use crate::Failure;

/// How often each processor looks for one number. Starting a thread must not count.
const CALLS: u32 = 1 << 20;
/// Size of a large page.
const LARGE: u64 = 2 * MIB;

/// A file of one large page, with a consumer for each processor.
pub struct Sharing {
    /// Lives as long as the bindings.
    _memory: RestrictedMemory,
    consumers: Vec<(Consumer, u32)>,
}

impl Sharing {
    /// For so many processors.
    pub fn new(processors: usize) -> Result<Self, Failure> {
        let memory = Builder::new().flags(Flags::HUGEPAGE).len(LARGE).create()?;
        memory.allocate(0..LARGE)?;
        let consumers = (0..processors)
            .map(|_| {
                let consumer = Consumer::new()?;
                let id = consumer.bind(memory.as_fd(), 0..LARGE / PAGE)?;
                Ok((consumer, id))
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Self {
            _memory: memory,
            consumers,
        })
    }
}

impl Experiment for Sharing {
    fn measure(&mut self, subject: &str, log: &mut Log) -> Result<(), Failure> {
        // A clock that counts instructions lets one processor run after the other.
        if !log.by_clock() {
            return Ok(());
        }
        let consumers = self
            .consumers
            .iter()
            .take(subject.parse().map_err(std::io::Error::other)?);
        let start = Barrier::new(consumers.len());
        let took = thread::scope(|scope| {
            let looking: Vec<_> = (0..)
                .zip(consumers.clone())
                .map(|(index, (consumer, id))| {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        consumer.measure(*id, index, CALLS)
                    })
                })
                .collect();
            looking
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(times) => Ok(times?[0]),
                    Err(_) => Err(Failure::Broken("a thread has panicked".into())),
                })
                .sum::<Result<Duration, Failure>>()
        })?;
        let processors = u32::try_from(consumers.len()).unwrap_or(u32::MAX);
        log.time("lookup-at-once", per(processors, per(CALLS, took)));
        Ok(())
    }
}
