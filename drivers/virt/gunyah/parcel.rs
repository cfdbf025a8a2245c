// SPDX-License-Identifier: GPL-2.0

//! Memory that is lent, as one.

use kernel::prelude::*;

use crate::{
    call::Handle,
    error::Failure,
    manager::Manager,
    runs::Runs,
    status::Vmid, //
};

/// Memory that is lent to a machine.
///
/// There is one of it for each machine: the resource manager, when it starts a machine that has
/// two, adds the size of the second to its idea of the first, and fails. It cannot take a part of
/// it back.
pub(crate) struct Parcel {
    handle: Handle,
    /// What it costs, see [`Budget`](crate::limits::Budget).
    entries: usize,
}

/// Why memory was not lent.
#[derive(Debug)]
pub(crate) enum LendError {
    /// It is ours as before.
    Ours(Error),
    /// Some or all of it may be lent, and there is no way to take it back.
    Lost(Error),
}

/// Why memory was not taken back.
pub(crate) enum ReclaimError {
    /// It is lent as before.
    Lent(Parcel, Error),
    /// It may be lent or ours.
    Lost(Error),
}

impl Parcel {
    /// Lends memory to a machine.
    ///
    /// # Context
    ///
    /// May sleep, until the resource manager answers. It takes about a millisecond for four pieces
    /// of memory, however large they are.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: there is no memory.
    /// - [`ERANGE`]: it is too far up.
    /// - [`ENOSPC`], [`E2BIG`]: the resource manager could not take it, see
    ///   [`Budget::take`](crate::limits::Budget::take).
    /// - [`ENOMEM`], [`ENODEV`], or what the resource manager answers.
    pub(crate) fn lend(manager: &Manager, vmid: Vmid, runs: &Runs) -> Result<Self, LendError> {
        let all = runs.entries().map_err(LendError::Ours)?;
        let mut batches = all.chunks(manager.batch);
        let first = batches.next().ok_or(LendError::Ours(EINVAL))?;
        let entries = all.len();

        manager
            .budget
            .lock()
            .take(entries)
            .map_err(LendError::Ours)?;
        let lent = manager
            .rpc
            .lend(vmid, first.iter(), batches.len() != 0)
            .map_err(|failure| match failure {
                Failure::Unknown(error) => LendError::Lost(error),
                failure => {
                    manager.budget.lock().give_back(entries);
                    LendError::Ours(failure.into())
                }
            });
        let parcel = Self {
            handle: lent?,
            entries,
        };

        while let Some(batch) = batches.next() {
            let more = batches.len() != 0;

            if let Err(failure) = manager.rpc.append(parcel.handle, batch.iter(), more) {
                // What came before stays lent.
                return Err(match parcel.reclaim(manager) {
                    Ok(()) => LendError::Ours(failure.into()),
                    Err(_) => LendError::Lost(failure.into()),
                });
            }
        }
        Ok(parcel)
    }

    /// Returns its name.
    pub(crate) fn handle(&self) -> Handle {
        self.handle
    }

    /// Takes the memory back.
    ///
    /// # Context
    ///
    /// May sleep, until the resource manager answers. It takes about as long as to lend it.
    pub(crate) fn reclaim(self, manager: &Manager) -> Result<(), ReclaimError> {
        match manager.rpc.reclaim(self.handle) {
            Ok(()) => {
                manager.budget.lock().give_back(self.entries);
                Ok(())
            }
            Err(Failure::Unknown(error)) => Err(ReclaimError::Lost(error)),
            Err(failure) => Err(ReclaimError::Lent(self, failure.into())),
        }
    }
}
