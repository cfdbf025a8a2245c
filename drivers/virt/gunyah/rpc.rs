// SPDX-License-Identifier: GPL-2.0

//! Asking the resource manager, and hearing what it answers and tells.
//!
//! Whoever calls waits for the answer, however long it takes and whatever signals arrive, because
//! the answer decides who owns memory. The exception is the first call, which finds out whether
//! anybody is there. What ends all waits is [`Rpc::close`].
//!
//! Everything that an answer needs is allocated before the request is sent.
//!
//! # Locks
//!
//! 1. `sending`, across all fragments of a message: those of two messages must not mix.
//! 2. `receiving`, by whoever hears the doorbell.
//! 3. `state`.

use kernel::{
    new_condvar,
    new_mutex,
    pr_warn_once,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode,
        RBTreeNodeReservation, //
    },
    sync::{
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
        Arc,
        CondVar,
        CondVarTimeoutResult,
        Mutex, //
    },
    time::Jiffies, //
};

use crate::{
    bell::Bell,
    error::Failure,
    message::{
        self,
        Assembler,
        Fragment,
        Header,
        Kind,
        Message,
        FRAGMENT, //
    },
    status::{
        self,
        Ending,
        Status,
        Told,
        Vmid, //
    },
    transport::{
        Sent,
        Transport, //
    },
};

/// Bytes of the code that an answer begins with.
const CODE: usize = 4;

/// How long a call waits.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    /// Until there is an answer.
    Ever,
    /// So many jiffies. The connection is closed if there is no answer.
    Probe(Jiffies),
}

/// A request that is not answered yet.
struct Call {
    id: u32,
    answered: bool,
    /// With room for the longest answer that makes sense.
    answer: KVVec<u8>,
}

/// What we know of a machine.
struct Watched {
    status: Option<Status>,
    ending: Option<Ending>,
    /// Rung when there is more to know.
    bells: KVec<Arc<Bell>>,
}

struct State {
    closed: bool,
    /// Whether the queue takes a fragment.
    room: bool,
    next: u16,
    calls: RBTree<u16, Call>,
    machines: RBTree<Vmid, Watched>,
}

impl State {
    fn close(&mut self) {
        self.closed = true;
        for machine in self.machines.values() {
            machine.bells.iter().for_each(|bell| bell.ring());
        }
    }
}

struct Receiver {
    buffer: [u8; FRAGMENT],
    assembler: Assembler,
}

/// A connection to the resource manager.
#[pin_data]
pub(crate) struct Rpc {
    transport: Arc<dyn Transport>,
    #[pin]
    sending: Mutex<()>,
    #[pin]
    receiving: Mutex<Receiver>,
    #[pin]
    state: Mutex<State>,
    /// Something in `state` has changed that somebody may wait for.
    #[pin]
    changed: CondVar,
}

impl Rpc {
    /// Makes a connection. Whoever hears the doorbells of `transport` gets a reference to it.
    pub(crate) fn new(transport: Arc<dyn Transport>) -> Result<Arc<Self>> {
        let receiver = Receiver {
            buffer: [0; FRAGMENT],
            assembler: Assembler::new()?,
        };

        Arc::pin_init(
            pin_init!(Self {
                transport,
                sending <- new_mutex!((), "gunyah_sending"),
                receiving <- new_mutex!(receiver, "gunyah_receiving"),
                state <- new_mutex!(State {
                    closed: false,
                    room: true,
                    next: 0,
                    calls: RBTree::new(),
                    machines: RBTree::new(),
                }, "gunyah_rpc"),
                changed <- new_condvar!("gunyah_rpc"),
            }),
            GFP_KERNEL,
        )
    }

    /// Asks, and returns the answer. It begins with a code, which `room` bytes may follow.
    ///
    /// # Context
    ///
    /// May sleep, until there is an answer.
    pub(crate) fn call(
        &self,
        id: u32,
        payload: &[u8],
        room: usize,
        wait: Wait,
    ) -> Result<KVVec<u8>, Failure> {
        let sequence = self.announce(id, room).map_err(Failure::NotSent)?;

        if let Err(error) = self.send(id, sequence, payload) {
            // What was sent of it is dropped when the next one begins.
            self.state.lock().calls.remove(&sequence);
            return Err(Failure::NotSent(error));
        }
        self.wait(sequence, wait).map_err(Failure::Unknown)
    }

    /// Makes place for an answer. Returns the sequence number of the request.
    fn announce(&self, id: u32, room: usize) -> Result<u16> {
        let room = room.checked_add(CODE).ok_or(EINVAL)?;
        let call = Call {
            id,
            answered: false,
            answer: KVVec::with_capacity(room, GFP_KERNEL)?,
        };
        let place = RBTreeNodeReservation::new(GFP_KERNEL)?;
        let mut state = self.state.lock();
        if state.closed {
            return Err(ENODEV);
        }

        // The number of a call that still waits must not be used twice.
        let first = state.next;
        let mut sequence = first;
        while state.calls.get(&sequence).is_some() {
            sequence = sequence.wrapping_add(1);
            if sequence == first {
                return Err(EBUSY);
            }
        }
        state.next = sequence.wrapping_add(1);
        state.calls.insert(place.into_node(sequence, call));
        Ok(sequence)
    }

    fn send(&self, id: u32, sequence: u16, payload: &[u8]) -> Result {
        let kind = Kind::Request;
        let _sending = self.sending.lock();
        let mut fragments = message::fragments(Header { kind, sequence, id }, payload)?;

        while let Some(fragment) = fragments.next() {
            self.send_fragment(&fragment, fragments.len() == 0)?;
        }
        Ok(())
    }

    fn send_fragment(&self, fragment: &Fragment, last: bool) -> Result {
        loop {
            let mut state = self.state.lock();
            while !state.room && !state.closed {
                self.changed.wait(&mut state);
            }
            if state.closed {
                return Err(ENODEV);
            }
            // Before the queue says that it is full, so that the doorbell, which may ring at once,
            // is not forgotten.
            state.room = false;
            drop(state);

            let sent = self.transport.send(fragment.bytes(), last);
            if !matches!(sent, Ok(Sent::Last | Sent::Full)) {
                self.room();
            }
            if sent? != Sent::Full {
                return Ok(());
            }
        }
    }

    /// Waits for the answer to a request that was sent.
    fn wait(&self, sequence: u16, wait: Wait) -> Result<KVVec<u8>> {
        let mut state = self.state.lock();

        loop {
            let call = state.calls.get(&sequence).ok_or(ENODEV)?;
            if call.answered || state.closed {
                break;
            }
            match wait {
                Wait::Ever => self.changed.wait(&mut state),
                Wait::Probe(jiffies) => self.wait_a_little(&mut state, jiffies)?,
            }
        }

        match state.calls.remove(&sequence) {
            Some(call) if call.answered => Ok(call.answer),
            _ => Err(ENODEV),
        }
    }

    fn wait_a_little(
        &self,
        state: &mut Guard<'_, State, MutexBackend>,
        jiffies: Jiffies,
    ) -> Result {
        let error = match self.changed.wait_interruptible_timeout(state, jiffies) {
            CondVarTimeoutResult::Woken { .. } => return Ok(()),
            CondVarTimeoutResult::Timeout => ETIMEDOUT,
            CondVarTimeoutResult::Signal { .. } => EINTR,
        };

        // An answer may still come, and must not be taken for that of a later request.
        state.close();
        self.changed.notify_all();
        Err(error)
    }

    /// The queue to the resource manager has room again.
    pub(crate) fn room(&self) {
        self.state.lock().room = true;
        self.changed.notify_all();
    }

    /// There may be something in the queue from the resource manager.
    pub(crate) fn received(&self) {
        let mut receiver = self.receiving.lock();
        let Receiver { buffer, assembler } = &mut *receiver;

        while let Ok(Some(len)) = self.transport.receive(buffer) {
            let fragment = buffer.get(..len).unwrap_or_default();

            match assembler.add(fragment) {
                Ok(Some(message)) => self.take(&message),
                Ok(None) => {}
                Err(_) => pr_warn_once!("what the resource manager sent is no message\n"),
            }
        }
    }

    fn take(&self, message: &Message<'_>) {
        let mut state = self.state.lock();

        if message.header.kind == Kind::Reply {
            let Some(call) = state.calls.get_mut(&message.header.sequence) else {
                return;
            };
            if call.id != message.header.id || call.answered {
                return;
            }
            call.answered = true;
            // One that is too long is nothing we know how to read.
            if message.payload.len() <= call.answer.capacity() {
                // There is room, so this does not fail. If it did, the code would be missing.
                let _ = call.answer.extend_from_slice(message.payload, GFP_KERNEL);
            }
        } else if let Some((vmid, told)) = status::decode(message) {
            let Some(known) = state.machines.get_mut(&vmid) else {
                return;
            };
            match told {
                Told::Status(status) => known.status = Some(status),
                Told::Over(ending) => known.ending = Some(ending),
            }
            known.bells.iter().for_each(|bell| bell.ring());
        }
        self.changed.notify_all();
    }

    /// Remembers from now on what is told of a machine.
    pub(crate) fn watch(&self, vmid: Vmid) -> Result {
        let nothing = Watched {
            status: None,
            ending: None,
            bells: KVec::new(),
        };
        let place = RBTreeNode::new(vmid, nothing, GFP_KERNEL)?;

        self.state.lock().machines.insert(place);
        Ok(())
    }

    /// Rings `bell` whenever something is told of a machine that is watched.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`].
    pub(crate) fn attach(&self, vmid: Vmid, bell: Arc<Bell>) -> Result {
        let mut state = self.state.lock();
        let known = state.machines.get_mut(&vmid).ok_or(ENOENT)?;

        Ok(known.bells.push(bell, GFP_KERNEL)?)
    }

    /// Does not ring `bell` any more.
    pub(crate) fn detach(&self, vmid: Vmid, bell: &Arc<Bell>) {
        if let Some(known) = self.state.lock().machines.get_mut(&vmid) {
            known.bells.retain(|other| !Arc::ptr_eq(other, bell));
        }
    }

    /// Forgets a machine.
    pub(crate) fn forget(&self, vmid: Vmid) {
        self.state.lock().machines.remove(&vmid);
    }

    /// Returns what was told last of a machine.
    pub(crate) fn status(&self, vmid: Vmid) -> Option<Status> {
        self.state.lock().machines.get(&vmid)?.status
    }

    /// Returns how a machine came to its end. [`None`] if it did not yet.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`]: nobody will tell any more.
    pub(crate) fn ending(&self, vmid: Vmid) -> Result<Option<Ending>> {
        let state = self.state.lock();

        match state.machines.get(&vmid).and_then(|known| known.ending) {
            None if state.closed => Err(ENODEV),
            ending => Ok(ending),
        }
    }

    /// Waits until a machine is told to be in a state.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`]: nobody will tell any more.
    pub(crate) fn wait_for(&self, vmid: Vmid, status: Status) -> Result {
        let mut state = self.state.lock();

        while state.machines.get(&vmid).and_then(|known| known.status) != Some(status) {
            if state.closed {
                return Err(ENODEV);
            }
            self.changed.wait(&mut state);
        }
        Ok(())
    }

    /// Gives up on the resource manager: those who wait get [`ENODEV`], and so do those who come.
    ///
    /// What was asked for and not answered may have happened.
    pub(crate) fn close(&self) {
        self.state.lock().close();
        self.changed.notify_all();
    }
}
