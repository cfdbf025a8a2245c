// SPDX-License-Identifier: GPL-2.0

//! A virtual processor of a machine.

use kernel::{
    current,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use crate::{
    bell::Bell,
    ffi,
    hypervisor::{
        Access,
        Capability,
        Listener,
        Stop, //
    },
    machine::Machine,
    status::Ending, //
};

/// Why somebody is asked what to do with a virtual processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// It reads from a device. It gets the value when it runs the next time.
    Read(Access),
    /// It writes this to a device.
    Write(Access, u64),
    /// It cannot go on.
    Fault,
    /// Its machine is over.
    Over(Ending),
}

/// What wakes a processor, and keeps its machine: what names the processor in the hypervisor stays
/// good.
struct Waker {
    machine: Arc<Machine>,
    /// Rung by the interrupt that wakes it, and when something is told of its machine.
    bell: Arc<Bell>,
    /// [`None`] if it has no such interrupt.
    _listener: Option<KBox<dyn Listener>>,
}

impl Waker {
    fn new(machine: &Arc<Machine>, interrupt: u32) -> Result<Self> {
        let bell = Bell::new()?;
        let listener = match interrupt {
            0 => None,
            number => Some(machine.hypervisor().listen(number, bell.clone())?),
        };

        machine.attach(bell.clone())?;
        Ok(Self {
            machine: machine.clone(),
            bell,
            _listener: listener,
        })
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.machine.detach(&self.bell);
    }
}

/// A virtual processor.
#[pin_data]
pub(crate) struct Vcpu {
    capability: Capability,
    waker: Waker,
    /// What it reads and has not got. Held while it runs.
    #[pin]
    reading: Mutex<Option<Access>>,
}

impl Vcpu {
    /// Makes the one that the machine calls `id`.
    ///
    /// # Context
    ///
    /// May sleep, until the resource manager answers. So does dropping it, if that is the end of
    /// its machine.
    ///
    /// # Errors
    ///
    /// - Those of [`Machine::take_processor`].
    pub(crate) fn new(machine: &Arc<Machine>, id: u32) -> Result<Arc<Self>> {
        let resource = machine.take_processor(id)?;
        let vcpu = Waker::new(machine, resource.interrupt).and_then(|waker| {
            Arc::pin_init(
                pin_init!(Self {
                    capability: resource.capability,
                    waker,
                    reading <- new_mutex!(None, "gunyah_vcpu"),
                }),
                GFP_KERNEL,
            )
        });

        if vcpu.is_err() {
            machine.give_processor(id);
        }
        vcpu
    }

    /// Runs it until there is something to do for it. `value` is what it reads, if that is what
    /// there was to do the last time.
    ///
    /// # Context
    ///
    /// May sleep, for as long as the processor does. One caller at a time, the others wait.
    ///
    /// # Errors
    ///
    /// - [`EINTR`]: there is a signal. It goes on where it was when it runs the next time, and has
    ///   to be given again what it reads, if it did not begin to run.
    /// - [`EBUSY`]: the machine was not started.
    /// - [`ENODEV`]: nobody will tell whether the machine is over.
    /// - What [`Stop::decode`] returns.
    pub(crate) fn run(&self, value: u64) -> Result<Exit> {
        let mut reading = self.reading.lock_interruptible()?;
        let machine = &self.waker.machine;
        machine.may_run()?;

        loop {
            if let Some(ending) = machine.ending()? {
                return Ok(Exit::Over(ending));
            }
            if current!().signal_pending() {
                return Err(EINTR);
            }

            let resume = reading.map_or(0, |access| access.clip(value));
            let stop = Stop::decode(machine.hypervisor().run(self.capability, resume))?;
            if stop != Stop::Retry {
                *reading = None;
            }
            match stop {
                Stop::Retry | Stop::Again => ffi::breathe(),
                Stop::Asleep => self.waker.bell.wait()?,
                Stop::Read(access) => {
                    *reading = Some(access);
                    return Ok(Exit::Read(access));
                }
                Stop::Write(access, value) => return Ok(Exit::Write(access, value)),
                Stop::Fault => return Ok(Exit::Fault),
            }
        }
    }
}
