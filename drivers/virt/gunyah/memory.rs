// SPDX-License-Identifier: GPL-2.0

//! The memory of a machine: a consumer of restricted memory.
//!
//! The binding is exclusive, so what is lent is nobody else's. All memory of a machine is one
//! [`Parcel`], which the resource manager lays out without holes and takes back only as a whole:
//!
//! - A hole in memory that is lent, before the machine is configured, takes the whole parcel back,
//!   and lends the rest anew. When the machine is configured, fresh memory fills the hole and all
//!   of it is lent as one.
//! - From then on, until the reset of the machine is complete, memory is refused with [`EBUSY`].
//!
//! References to the memory are not needed: what is in the file stays there until we agree that it
//! goes.
//!
//! # Locks
//!
//! `state` is taken by callbacks, so inside the lock of the file, and held while the resource
//! manager lends or takes back. Memory is collected from the file, and buried in it, without it.

use kernel::{
    current,
    mm::restrictedmem::{
        Binding,
        Consumer,
        Invalidation,
        Subscriber, //
    },
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
        Arc,
        CondVar,
        Mutex, //
    }, //
};

use core::{
    mem,
    ops::{
        ControlFlow,
        Range, //
    }, //
};

use crate::{
    call::Handle,
    manager::Manager,
    parcel::{
        LendError,
        Parcel,
        ReclaimError, //
    },
    runs::Runs,
    status::Vmid,
};

/// Who has the memory.
enum Holder {
    /// We do.
    Us,
    /// It is lent and may be taken back.
    Lent(Parcel, Runs),
    /// It is lent to a machine that is configured.
    Machine(Parcel, Runs),
    /// It is being taken back for good.
    Leaving,
    /// Nobody knows.
    Lost,
}

struct State {
    holder: Holder,
    /// Memory that is going away, with our consent, and was lent when we were asked.
    hole: Option<(Range<usize>, Option<Runs>)>,
}

/// What the resource manager has of a file for one machine.
#[pin_data]
pub(crate) struct Memory {
    manager: Arc<Manager>,
    vmid: Vmid,
    #[pin]
    state: Mutex<State>,
    /// The hole is over.
    #[pin]
    over: CondVar,
}

impl Memory {
    /// Makes a consumer, which has no memory yet.
    pub(crate) fn new(manager: &Arc<Manager>, vmid: Vmid) -> Result<Arc<Subscriber<Self>>> {
        let manager = manager.clone();

        Subscriber::new(
            try_pin_init!(Self {
                manager,
                vmid,
                state <- new_mutex!(State {
                    holder: Holder::Us,
                    hole: None,
                }, "gunyah_memory"),
                over <- new_condvar!("gunyah_memory"),
            }),
            GFP_KERNEL,
        )
    }

    /// Lends all memory of the binding, which must be that of this consumer, as one.
    ///
    /// # Context
    ///
    /// May sleep, and waits for holes that are being punched.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: a machine has it.
    /// - [`EIO`]: nobody knows who has it.
    /// - [`EINTR`], and those of [`Binding::get`] and [`Parcel::lend`]. Unless nobody knows who has
    ///   it now, it is ours.
    pub(crate) fn lend(&self, binding: &Binding<Self>) -> Result {
        self.complete(binding).map(drop)
    }

    /// Gives all memory to a machine that is about to be configured. Returns its name.
    ///
    /// Context and errors are those of [`lend`](Self::lend).
    pub(crate) fn hand_over(&self, binding: &Binding<Self>) -> Result<Handle> {
        let mut state = self.complete(binding)?;

        match mem::replace(&mut state.holder, Holder::Us) {
            Holder::Lent(parcel, runs) => {
                let handle = parcel.handle();
                state.holder = Holder::Machine(parcel, runs);
                Ok(handle)
            }
            other => {
                state.holder = other;
                Err(EBUSY)
            }
        }
    }

    /// The machine was not configured, so it has no claim to the memory.
    pub(crate) fn not_configured(&self) {
        let mut state = self.state.lock();

        match mem::replace(&mut state.holder, Holder::Us) {
            Holder::Machine(parcel, runs) => state.holder = Holder::Lent(parcel, runs),
            other => state.holder = other,
        }
    }

    /// Takes all memory back for good. Returns whether it is ours. If not, it may be worth another
    /// try.
    ///
    /// # Context
    ///
    /// May sleep. Whoever punches a hole meanwhile is refused at once.
    pub(crate) fn take_back(&self) -> bool {
        let mut state = self.without_hole();
        let (parcel, runs) = match mem::replace(&mut state.holder, Holder::Leaving) {
            Holder::Lent(parcel, runs) | Holder::Machine(parcel, runs) => (parcel, runs),
            other => {
                let ours = matches!(other, Holder::Us);
                state.holder = other;
                return ours;
            }
        };
        drop(state);

        let (holder, ours) = match parcel.reclaim(&self.manager) {
            Ok(()) => (Holder::Us, true),
            Err(ReclaimError::Lent(parcel, _)) => (Holder::Machine(parcel, runs), false),
            Err(ReclaimError::Lost(_)) => (Holder::Lost, false),
        };
        self.state.lock().holder = holder;
        ours
    }

    /// Waits until no hole is being punched. None is for as long as the lock is held.
    fn without_hole(&self) -> Guard<'_, State, MutexBackend> {
        let mut state = self.state.lock();

        while state.hole.is_some() {
            #[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
            self.manager.spy.waits();
            self.over.wait(&mut state);
        }
        state
    }

    /// Makes sure that all memory of the binding is lent. It is for as long as the lock is held.
    fn complete(&self, binding: &Binding<Self>) -> Result<Guard<'_, State, MutexBackend>> {
        loop {
            let mut state = self.without_hole();
            match &state.holder {
                Holder::Us => {}
                Holder::Lent(_, runs) if runs.pages() == binding.range().len() => return Ok(state),
                // There was a hole.
                Holder::Lent(..) => self.reclaim(&mut state).map(drop)?,
                Holder::Machine(..) | Holder::Leaving => return Err(EBUSY),
                Holder::Lost => return Err(EIO),
            }
            drop(state);
            if current!().signal_pending() {
                return Err(EINTR);
            }

            let sequence = binding.read_begin();
            let runs = collect(binding)?;
            #[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
            self.manager.spy.collected();
            let mut state = self.state.lock();
            // From when somebody was asked until it is over, and if it is over already.
            if state.hole.is_none()
                && !binding.read_retry(sequence)
                && matches!(state.holder, Holder::Us)
            {
                self.lend_runs(&mut state, runs)?;
                return Ok(state);
            }
        }
    }

    fn lend_runs(&self, state: &mut State, runs: Runs) -> Result {
        match Parcel::lend(&self.manager, self.vmid, &runs) {
            Ok(parcel) => {
                state.holder = Holder::Lent(parcel, runs);
                Ok(())
            }
            Err(LendError::Ours(error)) => Err(error),
            Err(LendError::Lost(error)) => {
                state.holder = Holder::Lost;
                Err(error)
            }
        }
    }

    /// Takes back what is lent and may be taken back. Returns where it is.
    fn reclaim(&self, state: &mut State) -> Result<Option<Runs>> {
        let (parcel, runs) = match mem::replace(&mut state.holder, Holder::Us) {
            Holder::Us => return Ok(None),
            Holder::Lent(parcel, runs) => (parcel, runs),
            other => {
                state.holder = other;
                return Err(EBUSY);
            }
        };

        match parcel.reclaim(&self.manager) {
            Ok(()) => Ok(Some(runs)),
            Err(ReclaimError::Lent(parcel, error)) => {
                state.holder = Holder::Lent(parcel, runs);
                Err(error)
            }
            Err(ReclaimError::Lost(error)) => {
                state.holder = Holder::Lost;
                Err(error)
            }
        }
    }

    /// The hole that we agreed to is over: lends anew what was lent, without `gone`.
    fn lend_rest(&self, range: &Range<usize>, gone: Range<usize>) {
        let mut state = self.state.lock();
        let runs = match state.hole.take() {
            Some((hole, runs)) if hole == *range => runs,
            // It is about something that we were not asked about.
            other => {
                state.hole = other;
                return;
            }
        };

        if let Some(rest) = runs.map(|runs| runs.without(&gone)) {
            // It is lent anyway before the machine gets it. Until then it is ours.
            match rest.map(|rest| rest.pages() != 0 && self.lend_runs(&mut state, rest).is_err()) {
                Ok(false) => {}
                _ => pr_warn!("machine {}: memory was not lent again\n", self.vmid.0),
            }
        }
        self.over.notify_all();
    }
}

/// Finds all memory of a binding, and makes what is not there.
fn collect(binding: &Binding<Memory>) -> Result<Runs> {
    let mut runs = Runs::new();

    let _ = binding.get_range(binding.range(), |run| {
        runs.push(run.range.clone(), run.pfn)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(runs)
}

#[vtable]
impl Consumer for Memory {
    type Cookie = ();
    const NAME: &'static CStr = c"gunyah";

    /// Takes as long as it takes to lend the memory and take it back: about a millisecond for four
    /// pieces of memory.
    fn invalidate_prepare(&self, invalidation: &Invalidation<'_, Self>) -> Result {
        let mut state = self.state.lock();
        let runs = self.reclaim(&mut state).map_err(|_| EBUSY)?;

        state.hole = Some((invalidation.range(), runs));
        Ok(())
    }

    fn invalidate_abort(&self, invalidation: &Invalidation<'_, Self>) {
        self.lend_rest(&invalidation.range(), 0..0);
    }

    /// Everything has happened before.
    fn invalidate_start(&self, _invalidation: &Invalidation<'_, Self>) {}

    fn invalidate_end(&self, invalidation: &Invalidation<'_, Self>) {
        self.lend_rest(&invalidation.range(), invalidation.range());
    }
}
