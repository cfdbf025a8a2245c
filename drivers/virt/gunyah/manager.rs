// SPDX-License-Identifier: GPL-2.0

//! The resource manager, as all machines share it.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    }, //
};

use crate::{
    hypervisor::Hypervisor,
    limits::{
        Budget,
        Limits, //
    },
    rpc::Rpc,
    status::Vmid,
};

/// Who we have to be: only the first machine may make others.
const HOST: Vmid = Vmid(3);

/// A resource manager that answered.
#[pin_data]
pub(crate) struct Manager {
    /// The connection to it.
    pub(crate) rpc: Arc<Rpc>,
    /// The hypervisor that both of us are in.
    pub(crate) hypervisor: Arc<dyn Hypervisor>,
    /// Pieces of memory in one message.
    pub(crate) batch: usize,
    #[pin]
    pub(crate) budget: Mutex<Budget>,
    /// Pages that were lent and did not come back.
    lost_pages: Atomic<usize>,
    /// Machines that cannot be given back.
    lost_machines: Atomic<usize>,
    #[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
    #[pin]
    pub(crate) spy: crate::tests::spy::Spy,
}

impl Manager {
    /// Finds out whether somebody is there, and talks to us.
    ///
    /// # Context
    ///
    /// May sleep, for a second if nobody is there.
    ///
    /// # Errors
    ///
    /// - [`ETIMEDOUT`]: nobody answers.
    /// - [`ENODEV`]: we may not make machines.
    pub(crate) fn probe(
        rpc: Arc<Rpc>,
        hypervisor: Arc<dyn Hypervisor>,
        limits: Limits,
    ) -> Result<Arc<Self>> {
        if rpc.own_vmid()? != HOST {
            return Err(ENODEV);
        }

        Arc::pin_init(
            pin_init!(Self {
                rpc,
                hypervisor,
                batch: limits.batch,
                budget <- new_mutex!(Budget::new(limits), "gunyah_budget"),
                lost_pages: Atomic::new(0),
                lost_machines: Atomic::new(0),
                #[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
                spy <- crate::tests::spy::Spy::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Counts, and reports, memory that is lost until the next boot.
    pub(crate) fn lose_pages(&self, vmid: Vmid, pages: usize) {
        self.lost_pages.add(pages, Relaxed);
        pr_warn!("machine {}: {pages} pages did not come back\n", vmid.0);
    }

    /// Counts, and reports, a machine that can be neither used nor given back.
    pub(crate) fn lose_machine(&self, vmid: Vmid) {
        self.lost_machines.add(1, Relaxed);
        pr_warn!("machine {}: cannot be given back\n", vmid.0);
    }

    /// Returns the number of pages, and that of machines, that are lost.
    #[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
    pub(crate) fn losses(&self) -> (usize, usize) {
        (
            self.lost_pages.load(Relaxed),
            self.lost_machines.load(Relaxed),
        )
    }
}
