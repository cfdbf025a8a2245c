// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What a driver waits for when it looks at memory that is there.

use std::os::fd::AsFd;

use restrictedmem::{Builder, RestrictedMemory};

use super::consumer::Consumer;
use super::memory::Kind;
use super::{Experiment, Log, PAGE, per};
use crate::Failure;

/// How often each is looked up for one number.
const CALLS: u32 = 100_000;

/// A file with one page that is there.
pub struct Lookup {
    /// Lives as long as the binding.
    _memory: RestrictedMemory,
    consumer: Consumer,
    id: u32,
}

impl Lookup {
    /// Makes it.
    pub fn new() -> Result<Self, Failure> {
        let memory = Builder::new().len(PAGE).create()?;
        let consumer = Consumer::new()?;
        let id = consumer.bind(memory.as_fd(), 0..1)?;
        Ok(Self {
            _memory: memory,
            consumer,
            id,
        })
    }
}

impl Experiment for Lookup {
    fn measure(&mut self, subject: &str, log: &mut Log) -> Result<(), Failure> {
        let [get, shmem] = self.consumer.measure(self.id, 0, CALLS)?;
        let took = match Kind::named(subject)? {
            Kind::Memfd => shmem,
            _ => get,
        };
        log.time("lookup", per(CALLS, took));
        Ok(())
    }
}
