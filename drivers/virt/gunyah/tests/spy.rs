// SPDX-License-Identifier: GPL-2.0

//! Where tests look into the driver, and step in.
//!
//! What happens at the same time in a machine that is used may or may not do so in a test. Here it
//! is made to.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex, //
    }, //
};

/// Something to do at a certain point.
type Act = KBox<dyn FnMut() + Send>;

/// One for all machines of a resource manager.
#[pin_data]
pub(crate) struct Spy {
    waits: Atomic<usize>,
    collects: Atomic<usize>,
    #[pin]
    act: Mutex<Option<Act>>,
}

impl Spy {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            waits: Atomic::new(0),
            collects: Atomic::new(0),
            act <- new_mutex!(None),
        })
    }

    /// Somebody is about to wait until a hole is over.
    pub(crate) fn waits(&self) {
        self.waits.add(1, Relaxed);
    }

    /// Returns how often somebody waited.
    pub(super) fn has_waited(&self) -> usize {
        self.waits.load(Relaxed)
    }

    /// Somebody knows where the memory is and is about to lend it.
    pub(crate) fn collected(&self) {
        let act = self.act.lock().take();

        self.collects.add(1, Relaxed);
        if let Some(mut act) = act {
            act();
        }
    }

    /// Returns how often that has happened.
    pub(super) fn has_collected(&self) -> usize {
        self.collects.load(Relaxed)
    }

    /// Does something the next time that happens.
    pub(super) fn when_collected(&self, act: impl FnMut() + Send + 'static) -> Result {
        let act = KBox::new(act, GFP_KERNEL)?;

        *self.act.lock() = Some(act as Act);
        Ok(())
    }
}
