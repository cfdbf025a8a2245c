// SPDX-License-Identifier: GPL-2.0

//! What wakes a virtual processor that sleeps.

use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        CondVar,
        Mutex, //
    }, //
};

/// A bell that is heard by one. Rung too often it does no harm: who hears it looks why.
#[pin_data]
pub(crate) struct Bell {
    #[pin]
    rung: Mutex<bool>,
    #[pin]
    changed: CondVar,
}

impl Bell {
    /// Makes one that was not rung.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                rung <- new_mutex!(false, "gunyah_bell"),
                changed <- new_condvar!("gunyah_bell"),
            }),
            GFP_KERNEL,
        )
    }

    /// Rings it.
    ///
    /// # Context
    ///
    /// May sleep. Any lock of the driver may be held.
    pub(crate) fn ring(&self) {
        *self.rung.lock() = true;
        self.changed.notify_all();
    }

    /// Waits until it is rung, or returns at once if it was since somebody waited last.
    ///
    /// # Errors
    ///
    /// - [`EINTR`]: there is a signal.
    pub(crate) fn wait(&self) -> Result {
        let mut rung = self.rung.lock();

        while !*rung {
            if self.changed.wait_interruptible(&mut rung) {
                return Err(EINTR);
            }
        }
        *rung = false;
        Ok(())
    }
}
