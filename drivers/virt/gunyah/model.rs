// SPDX-License-Identifier: GPL-2.0

//! A model of the resource manager: two queues, and behind them somebody who answers. And one of
//! the hypervisor: its virtual processors run the program in [`processors`].
//!
//! It behaves as the public resource manager was seen to, including what kills it, what makes it
//! fall silent, and what it tells before it answers. Tests tell it to misbehave, see [`fault`].

use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    rbtree::RBTree,
    sync::{
        Arc,
        CondVar,
        CondVarTimeoutResult,
        Mutex, //
    },
    time::{
        msecs_to_jiffies,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

use crate::{
    bell::Bell,
    error::Code,
    message::{
        self,
        Assembler,
        Header,
        Kind,
        FRAGMENT, //
    },
    rpc::Rpc,
    transport::{
        Sent,
        Transport, //
    },
    wire::{
        Reader,
        Writer, //
    },
};

#[cfg(CONFIG_GUNYAH_MODEL)]
pub(crate) mod device;
pub(super) mod fault;
pub(crate) mod link;
pub(super) mod machines;
pub(super) mod memory;
pub(super) mod processors;
pub(crate) mod thread;

use fault::{
    Fault,
    Plan, //
};
use machines::Machine;
use memory::Parcel;
use processors::Ears;

/// Fragments that a queue holds.
const DEPTH: usize = 8;
/// Requests that are remembered.
const LOG: usize = 4096;
/// How long a test waits for something that must happen.
const PATIENCE_MSECS: u32 = 60_000;
/// How often somebody looks at the clock.
const TICK_MSECS: u32 = 1000;

pub(super) const VM_GET_VMID: u32 = 0x5600_0024;

pub(super) const MSG_INVALID: Code = Code(4);

/// What the resource manager does with a request.
pub(super) enum Answer {
    /// It is done, and this is the result.
    Done(Writer),
    /// It is refused.
    Refuse(Code),
    /// It is dropped.
    Nothing,
}

/// The answer to most requests.
pub(super) fn done() -> Result<Answer> {
    Ok(Answer::Done(Writer::new()))
}

/// What is to be done after the lock was released.
#[derive(Default)]
struct Bells {
    room: bool,
    received: bool,
    hang_up: bool,
    /// That of a virtual processor.
    wake: Option<Arc<Bell>>,
}

/// A request that is answered later.
struct Late {
    header: Header,
    payload: KVec<u8>,
}

/// All that the resource manager knows.
pub(super) struct Firmware {
    to_us: KVec<KVec<u8>>,
    /// Fragments that do not fit into the queue yet.
    written: KVec<KVec<u8>>,
    from_us: KVec<KVec<u8>>,
    /// We were told that the queue is full.
    was_full: bool,
    assembler: Assembler,
    notifications: u16,
    pub(super) machines: RBTree<u16, Machine>,
    pub(super) parcels: RBTree<u32, Parcel>,
    next_handle: u32,
    /// Something was asked that it does not survive.
    pub(super) killed: bool,
    /// What was asked for, at first.
    pub(super) log: KVec<u32>,
    /// The last request without its header.
    pub(super) last: KVec<u8>,
    /// Who we are told to be.
    pub(super) host: u32,
    pub(super) plans: KVec<Plan>,
    late: Option<Late>,
    /// Resets do not get on.
    pub(super) hold_resets: bool,
    /// Virtual processors are not woken.
    pub(super) hold_wakes: bool,
    /// Who listens for which interrupt.
    pub(super) ears: Ears,
    /// Nobody looks into the queue.
    pub(super) asleep: bool,
    stopped: bool,
}

impl Firmware {
    /// Does one thing. [`None`] if there is nothing to do.
    fn step(&mut self) -> Result<Option<Bells>> {
        let mut bells = Bells::default();

        if self.to_us.len() < DEPTH && !self.written.is_empty() {
            self.to_us
                .push(take_first(&mut self.written)?, GFP_KERNEL)?;
            bells.received = true;
        } else if !self.asleep && !self.from_us.is_empty() {
            let fragment = take_first(&mut self.from_us)?;
            bells.room = core::mem::take(&mut self.was_full);
            if let Some((header, payload)) = self.assemble(&fragment)? {
                bells.hang_up = self.serve(header, &payload)?;
            }
        } else if let Some(bell) = self.wake_one() {
            bells.wake = Some(bell);
        } else if self.hold_resets || !self.go_on_resetting()? {
            return Ok(None);
        }
        Ok(Some(bells))
    }

    fn assemble(&mut self, fragment: &[u8]) -> Result<Option<(Header, KVec<u8>)>> {
        // What is malformed is dropped.
        let Ok(Some(message)) = self.assembler.add(fragment) else {
            return Ok(None);
        };

        Ok(Some((message.header, copy(message.payload)?)))
    }

    /// Serves a request. Returns whether the connection is to be closed.
    fn serve(&mut self, header: Header, payload: &[u8]) -> Result<bool> {
        if self.killed || header.kind != Kind::Request {
            return Ok(false);
        }
        if self.log.len() < LOG {
            self.log.push(header.id, GFP_KERNEL)?;
        }
        self.last = copy(payload)?;

        match self.fault(header.id) {
            None => {
                let answer = self.handle(header.id, payload)?;
                self.answer(header, answer)?;
                // It would be silent for ever, and the test should come to an end.
                return Ok(self.killed);
            }
            Some(Fault::Refuse(code)) => {
                self.refused(header.id, payload)?;
                self.answer(header, Answer::Refuse(Code(code)))?;
            }
            Some(Fault::Garble(garble)) => {
                let answer = self.handle(header.id, payload)?;
                let fragment = fault::garbled(header, &answer, garble)?;
                self.written.push(fragment, GFP_KERNEL)?;
                return Ok(garble.is_silence());
            }
            Some(Fault::Drop) => return Ok(true),
            Some(Fault::Forget) => {
                self.handle(header.id, payload)?;
                return Ok(true);
            }
            Some(Fault::Late) => {
                self.late = Some(Late {
                    header,
                    payload: copy(payload)?,
                });
            }
        }
        Ok(false)
    }

    fn handle(&mut self, id: u32, payload: &[u8]) -> Result<Answer> {
        if id == VM_GET_VMID {
            let mut writer = Writer::new();
            writer.u32(self.host)?;
            return Ok(Answer::Done(writer));
        }

        let mut reader = Reader::new(payload);
        let answer = if id >> 24 == 0x51 {
            self.handle_memory(id, &mut reader)
        } else {
            self.handle_machine(id, &mut reader, payload.len())
        };

        match answer {
            Err(EBADMSG) => Ok(Answer::Refuse(MSG_INVALID)),
            answer => answer,
        }
    }

    fn answer(&mut self, request: Header, answer: Answer) -> Result {
        let header = Header {
            kind: Kind::Reply,
            ..request
        };
        let mut writer = Writer::new();

        match &answer {
            Answer::Done(result) => {
                writer.u32(Code::OK.0)?;
                for byte in result.bytes() {
                    writer.u8(*byte)?;
                }
            }
            Answer::Refuse(code) => writer.u32(code.0)?,
            Answer::Nothing => return Ok(()),
        }
        self.write(header, &writer)
    }

    /// Tells something unasked.
    fn notify(&mut self, id: u32, writer: &Writer) -> Result {
        let header = Header {
            kind: Kind::Notification,
            sequence: self.notifications,
            id,
        };

        self.notifications = self.notifications.wrapping_add(1);
        self.write(header, writer)
    }

    fn write(&mut self, header: Header, writer: &Writer) -> Result {
        for fragment in message::fragments(header, writer.bytes())? {
            self.written.push(copy(fragment.bytes())?, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Puts bytes into the queue that nobody asked for.
    pub(super) fn write_raw(&mut self, bytes: &[u8]) -> Result {
        Ok(self.written.push(copy(bytes)?, GFP_KERNEL)?)
    }

    /// Answers what waits for it.
    pub(super) fn answer_late(&mut self) -> Result {
        let Late { header, payload } = self.late.take().ok_or(ENOENT)?;
        let answer = self.handle(header.id, &payload)?;

        self.answer(header, answer)
    }

    /// Returns whether a request waits for its answer.
    pub(super) fn is_late(&self) -> bool {
        self.late.is_some()
    }

    /// Returns how often something was asked for.
    pub(super) fn asked(&self, id: u32) -> usize {
        self.log.iter().filter(|asked| **asked == id).count()
    }

    /// Returns whether nobody can send any more.
    pub(super) fn is_full(&self) -> bool {
        self.from_us.len() >= DEPTH
    }
}

fn copy(bytes: &[u8]) -> Result<KVec<u8>> {
    let mut copy = KVec::new();

    copy.extend_from_slice(bytes, GFP_KERNEL)?;
    Ok(copy)
}

fn take_first(queue: &mut KVec<KVec<u8>>) -> Result<KVec<u8>> {
    queue.remove(0).map_err(|_| ENOENT)
}

/// The resource manager, as a transport reaches it.
#[pin_data]
pub(super) struct Model {
    #[pin]
    state: Mutex<Firmware>,
    #[pin]
    changed: CondVar,
}

impl Model {
    pub(super) fn new() -> Result<Arc<Self>> {
        let firmware = Firmware {
            to_us: KVec::new(),
            written: KVec::new(),
            from_us: KVec::new(),
            was_full: false,
            assembler: Assembler::new()?,
            notifications: 0,
            machines: RBTree::new(),
            parcels: RBTree::new(),
            next_handle: 0,
            killed: false,
            log: KVec::new(),
            last: KVec::new(),
            host: 3,
            plans: KVec::new(),
            late: None,
            hold_resets: false,
            hold_wakes: false,
            ears: Ears::new(),
            asleep: false,
            stopped: false,
        };

        Arc::pin_init(
            pin_init!(Self {
                state <- new_mutex!(firmware, "gunyah_model"),
                changed <- new_condvar!("gunyah_model"),
            }),
            GFP_KERNEL,
        )
    }

    /// Works until it is stopped. Hangs up after `patience`: whoever still waits then waits for
    /// something that never comes, and would for ever, as nothing else ends that.
    pub(super) fn run(&self, rpc: &Rpc, mut patience: Option<Delta>) {
        let begun = Instant::<Monotonic>::now();

        loop {
            if patience.is_some_and(|patience| begun.elapsed() > patience) {
                pr_err!("a test takes too long, the resource manager hangs up\n");
                rpc.close();
                patience = None;
            }
            let mut state = self.state.lock();
            if state.stopped {
                return;
            }
            match state.step() {
                Ok(Some(bells)) => {
                    drop(state);
                    self.changed.notify_all();
                    if bells.room {
                        rpc.room();
                    }
                    if bells.received {
                        rpc.received();
                    }
                    if bells.hang_up {
                        rpc.close();
                    }
                    if let Some(bell) = bells.wake {
                        bell.ring();
                    }
                }
                // Not for the signals, of which there are none here: who waits for long should not
                // look as if it hung.
                Ok(None) => {
                    let tick = msecs_to_jiffies(TICK_MSECS);
                    let _ = self.changed.wait_interruptible_timeout(&mut state, tick);
                }
                // Out of memory, most likely.
                Err(_) => {
                    state.killed = true;
                    drop(state);
                    rpc.close();
                }
            }
        }
    }

    pub(super) fn stop(&self) {
        self.with(|state| state.stopped = true);
    }

    /// Looks at it, or changes it.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut Firmware) -> R) -> R {
        let result = f(&mut self.state.lock());

        self.changed.notify_all();
        result
    }

    /// Waits for something that must happen.
    pub(super) fn wait_until(&self, condition: impl Fn(&Firmware) -> bool) -> Result {
        let mut state = self.state.lock();

        while !condition(&state) {
            let jiffies = msecs_to_jiffies(PATIENCE_MSECS);
            if let CondVarTimeoutResult::Timeout =
                self.changed.wait_interruptible_timeout(&mut state, jiffies)
            {
                pr_err!("the resource manager was waited for in vain\n");
                return Err(ETIMEDOUT);
            }
        }
        Ok(())
    }
}

impl Transport for Model {
    fn send(&self, fragment: &[u8], _push: bool) -> Result<Sent> {
        self.with(|state| {
            if state.from_us.len() >= DEPTH {
                state.was_full = true;
                return Ok(Sent::Full);
            }
            state.from_us.push(copy(fragment)?, GFP_KERNEL)?;
            state.was_full = state.from_us.len() == DEPTH;
            Ok(if state.was_full {
                Sent::Last
            } else {
                Sent::Room
            })
        })
    }

    fn receive(&self, buffer: &mut [u8; FRAGMENT]) -> Result<Option<usize>> {
        self.with(|state| {
            if state.to_us.is_empty() {
                return Ok(None);
            }
            let fragment = take_first(&mut state.to_us)?;

            for (to, from) in buffer.iter_mut().zip(&fragment) {
                *to = *from;
            }
            Ok(Some(fragment.len()))
        })
    }
}
