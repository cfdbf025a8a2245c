// SPDX-License-Identifier: GPL-2.0

//! A model at work.

use kernel::{
    prelude::*,
    sync::Arc,
    time::Delta, //
};

use crate::{
    limits::Limits,
    manager::Manager,
    rpc::Rpc, //
};

use super::{
    processors::Cores,
    thread::Thread,
    Model, //
};

/// How long a test may take, on a slow machine.
#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
const LONGEST: Delta = Delta::from_secs(120);

/// A connection to a model that is at work.
pub(crate) struct Link {
    pub(crate) model: Arc<Model>,
    pub(crate) rpc: Arc<Rpc>,
    /// Taken when it is over.
    at_work: Option<Thread<()>>,
}

impl Link {
    /// Makes one for a test.
    #[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
    pub(crate) fn new() -> Result<Self> {
        Self::with_patience(Some(LONGEST))
    }

    /// Makes one that lasts until it is dropped.
    #[cfg(CONFIG_GUNYAH_MODEL)]
    pub(crate) fn patient() -> Result<Self> {
        Self::with_patience(None)
    }

    fn with_patience(patience: Option<Delta>) -> Result<Self> {
        let model = Model::new()?;
        let rpc = Rpc::new(model.clone())?;
        let (ours, theirs) = (model.clone(), rpc.clone());
        let at_work = Some(Thread::spawn(move || ours.run(&theirs, patience))?);

        Ok(Self {
            model,
            rpc,
            at_work,
        })
    }

    /// Finds the resource manager.
    pub(crate) fn probe(&self, limits: Limits) -> Result<Arc<Manager>> {
        let cores = Arc::new(Cores(self.model.clone()), GFP_KERNEL)?;

        Manager::probe(self.rpc.clone(), cores, limits)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.model.stop();
        if let Some(thread) = self.at_work.take() {
            let _ = thread.join();
        }
    }
}
