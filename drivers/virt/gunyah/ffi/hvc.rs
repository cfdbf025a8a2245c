// SPDX-License-Identifier: GPL-2.0

//! Calls of the hypervisor, and its interrupts. See hvc.c.

use kernel::{
    bindings,
    device::Device,
    error::to_result,
    irq::{
        Flags,
        IrqRequest,
        ThreadedHandler,
        ThreadedRegistration, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    types::ForeignOwnable, //
};

use crate::{
    bell::Bell,
    hypervisor::{
        Capability,
        Listener,
        Registers, //
    }, //
};

type Handler = unsafe extern "C" fn(c_int, *mut c_void) -> bindings::irqreturn_t;

// As in hvc.h.
unsafe extern "C" {
    fn gunyah_is_there() -> bool;
    fn gunyah_call(number: u32, args: *const [u64; 4], results: *mut Registers);
    fn gunyah_irq_request(
        dev: *mut c_void,
        number: u32,
        thread: Handler,
        cookie: *mut c_void,
    ) -> c_int;
    fn gunyah_irq_free(irq: c_uint, cookie: *mut c_void);
}

// Numbers of calls.
const IDENTIFY: u32 = 0x00;
const MSGQUEUE_SEND: u32 = 0x1b;
const MSGQUEUE_RECEIVE: u32 = 0x1c;
const VCPU_RUN: u32 = 0x65;

/// Sending: the receiver should look at once.
const PUSH: u64 = 1 << 0;

/// That there is a hypervisor that can be called.
#[derive(Clone, Copy)]
pub(crate) struct Hvc(());

impl Hvc {
    /// Finds out whether there is one. [`None`] if not.
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: It may be asked anywhere.
        unsafe { gunyah_is_there() }.then_some(Self(()))
    }

    fn call(self, number: u32, args: [u64; 4]) -> Registers {
        let mut results = [0; 5];

        // SAFETY: There is somebody to call, since we are there. Both arrays are of the length that
        // is expected.
        unsafe { gunyah_call(number, &args, &mut results) };
        results
    }

    /// Asks which version of the interface it has, and what of it: returns a word for the version
    /// and one of flags.
    pub(crate) fn identify(self) -> (u64, u64) {
        let [version, flags, ..] = self.call(IDENTIFY, [0; 4]);

        (version, flags)
    }

    /// Sends a message. Returns a code, and whether there is room for another one.
    pub(crate) fn send(self, queue: Capability, message: &[u8], push: bool) -> (u64, bool) {
        let flags = if push { PUSH } else { 0 };
        // It only reads what is there.
        let address = message.as_ptr() as u64;
        let [code, room, ..] = self.call(
            MSGQUEUE_SEND,
            [queue.0, message.len() as u64, address, flags],
        );

        (code, room & 1 != 0)
    }

    /// Receives a message. Returns a code, and how long it is.
    pub(crate) fn receive(self, queue: Capability, buffer: &mut [u8]) -> (u64, u64) {
        // It writes no more than there is room for, into what nobody else has.
        let address = buffer.as_mut_ptr() as u64;
        let [code, len, ..] =
            self.call(MSGQUEUE_RECEIVE, [queue.0, address, buffer.len() as u64, 0]);

        (code, len)
    }

    /// Runs a virtual processor. Its memory is not ours, so it changes nothing that we see.
    pub(crate) fn run(self, processor: Capability, resume: u64) -> Registers {
        self.call(VCPU_RUN, [processor.0, resume, 0, 0])
    }
}

/// Listens for an interrupt of a device until what is returned is dropped.
pub(crate) fn listen<'a, T: ThreadedHandler + 'a>(
    request: IrqRequest<'a>,
    handler: T,
) -> Result<Pin<KBox<ThreadedRegistration<'a, T>>>> {
    // SAFETY: It is in a box that the caller owns, and who would forget it would have to say so.
    let registration =
        unsafe { ThreadedRegistration::new(request, Flags::TRIGGER_NONE, c"gunyah", Ok(handler)) };

    KBox::pin_init(registration, GFP_KERNEL)
}

/// An interrupt that rings a bell.
///
/// # Invariants
///
/// The interrupt was requested with a foreign reference to the bell.
pub(crate) struct Ear {
    irq: c_uint,
    bell: *mut c_void,
    _device: ARef<Device>,
}

// SAFETY: An interrupt may be freed on any thread, and so may a bell.
unsafe impl Send for Ear {}
// SAFETY: There is nothing to do with it but drop it.
unsafe impl Sync for Ear {}

impl Listener for Ear {}

impl Ear {
    /// Begins to hear an interrupt that the hypervisor sends to us, and `device` gets its own from
    /// the same controller.
    pub(crate) fn new(device: ARef<Device>, number: u32, bell: Arc<Bell>) -> Result<Self> {
        let bell = bell.into_foreign();
        // That is what a reference to a device is.
        let raw = (&raw const *device).cast_mut().cast();
        // SAFETY: The device is referenced. The bell is there until the interrupt is freed.
        let irq = unsafe { gunyah_irq_request(raw, number, ring, bell) };

        if let Err(error) = to_result(irq) {
            // SAFETY: It comes from `into_foreign()` above, and nobody else has it.
            drop(unsafe { Arc::<Bell>::from_foreign(bell) });
            return Err(error);
        }
        // INVARIANT: Requested right above.
        Ok(Self {
            irq: irq as c_uint,
            bell,
            _device: device,
        })
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it was requested with this cookie.
        unsafe { gunyah_irq_free(self.irq, self.bell) };
        // SAFETY: By the type invariants it is a foreign reference. Nobody rings any more.
        drop(unsafe { Arc::<Bell>::from_foreign(self.bell) });
    }
}

/// # Safety
///
/// `cookie` is that of an [`Ear`], which is not dropped yet.
unsafe extern "C" fn ring(_irq: c_int, cookie: *mut c_void) -> bindings::irqreturn_t {
    // SAFETY: Promised by the caller: a foreign reference, which nobody has changed.
    unsafe { Arc::<Bell>::borrow(cookie) }.ring();
    bindings::irqreturn_t(bindings::irqreturn::IRQ_HANDLED.0)
}
