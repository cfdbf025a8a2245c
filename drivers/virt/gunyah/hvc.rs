// SPDX-License-Identifier: GPL-2.0

//! The way to a real hypervisor: calls of it, and the device of the resource manager.
//!
//! The device tree has a node for the resource manager with the names of two message queues, one in
//! each direction, and an interrupt for each: there is room, and there is something.

use kernel::{
    device::{
        Core,
        Device, //
    },
    driver,
    irq::{
        IrqReturn,
        ThreadedHandler,
        ThreadedRegistration, //
    },
    of,
    platform,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

use crate::{
    bell::Bell,
    ffi::hvc::{
        self,
        Ear,
        Hvc, //
    },
    hypervisor::{
        self,
        Capability,
        Hypervisor,
        Listener,
        Registers, //
    },
    limits::Limits,
    manager::Manager,
    message::FRAGMENT,
    rpc::Rpc,
    transport::{
        Sent,
        Transport, //
    },
    user::Found,
};

/// The version of the interface that we speak, and where it is told.
const VERSION: u64 = 1;
const VERSION_MASK: u64 = 0x3fff;
/// What we need of it: message queues and virtual processors.
const FEATURES: u64 = 1 << 2 | 1 << 5;

/// Codes of a queue.
const OK: u64 = 0;
const EMPTY: u64 = 60;
const FULL: u64 = 61;

/// The queues.
struct Queues {
    hvc: Hvc,
    to_it: Capability,
    from_it: Capability,
}

impl Transport for Queues {
    fn send(&self, fragment: &[u8], push: bool) -> Result<Sent> {
        match self.hvc.send(self.to_it, fragment, push) {
            (OK, true) => Ok(Sent::Room),
            (OK, false) => Ok(Sent::Last),
            (FULL, _) => Ok(Sent::Full),
            (code, _) => Err(hypervisor::error(code)),
        }
    }

    fn receive(&self, buffer: &mut [u8; FRAGMENT]) -> Result<Option<usize>> {
        match self.hvc.receive(self.from_it, buffer) {
            (OK, len) => Ok(Some(len as usize)),
            (EMPTY, _) => Ok(None),
            (code, _) => Err(hypervisor::error(code)),
        }
    }
}

/// What runs virtual processors.
struct Cores {
    hvc: Hvc,
    device: ARef<Device>,
}

impl Hypervisor for Cores {
    fn run(&self, processor: Capability, resume: u64) -> Registers {
        self.hvc.run(processor, resume)
    }

    fn listen(&self, interrupt: u32, bell: Arc<Bell>) -> Result<KBox<dyn Listener>> {
        let ear = Ear::new(self.device.clone(), interrupt, bell)?;

        Ok(KBox::new(ear, GFP_KERNEL)? as KBox<dyn Listener>)
    }
}

/// What an interrupt of a queue says.
enum Doorbell {
    Room(Arc<Rpc>),
    Received(Arc<Rpc>),
}

impl ThreadedHandler for Doorbell {
    fn handle_threaded(&self) -> IrqReturn {
        match self {
            Self::Room(rpc) => rpc.room(),
            Self::Received(rpc) => rpc.received(),
        }
        IrqReturn::Handled
    }
}

/// Nobody answers any more when this is dropped, so nobody should wait.
struct Connection(Arc<Rpc>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The resource manager, as a device.
struct ResourceManager;

/// What of it is there while the device is, in the order in which it goes.
struct Attached<'bound> {
    _found: Found,
    _connection: Connection,
    _doorbells: [Pin<KBox<ThreadedRegistration<'bound, Doorbell>>>; 2],
}

kernel::of_device_table!(
    OF_TABLE,
    <ResourceManager as platform::Driver>::IdInfo,
    [(of::DeviceId::new(c"gunyah-resource-manager"), ())]
);

impl platform::Driver for ResourceManager {
    type IdInfo = ();
    type Data<'bound> = Attached<'bound>;
    const OF_ID_TABLE: Option<of::IdTable<Self::IdInfo>> = Some(&OF_TABLE);

    fn probe<'bound>(
        pdev: &'bound platform::Device<Core<'_>>,
        _id_info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Attached<'bound>, Error> + 'bound {
        attach(pdev)
    }
}

fn attach<'bound>(pdev: &'bound platform::Device<Core<'_>>) -> Result<Attached<'bound>> {
    let device: &Device = pdev.as_ref();
    let hvc = Hvc::new().ok_or(ENODEV)?;
    let node = device.fwnode().ok_or(ENODEV)?;
    // Names, which is why they are not looked up as addresses.
    let [to_it, from_it]: [u64; 2] = node.property_read(c"reg").required_by(device)?;

    let queues = Queues {
        hvc,
        to_it: Capability(to_it),
        from_it: Capability(from_it),
    };
    let rpc = Rpc::new(Arc::new(queues, GFP_KERNEL)?)?;
    let doorbells = [
        hvc::listen(pdev.irq_by_index(0)?, Doorbell::Room(rpc.clone()))?,
        hvc::listen(pdev.irq_by_index(1)?, Doorbell::Received(rpc.clone()))?,
    ];
    let cores = Cores {
        hvc,
        device: device.into(),
    };
    let connection = Connection(rpc.clone());
    let manager = Manager::probe(rpc, Arc::new(cores, GFP_KERNEL)?, Limits::PUBLIC)?;

    dev_info!(device, "the resource manager of Gunyah answers\n");
    Ok(Attached {
        _found: Found::new(manager),
        _connection: connection,
        _doorbells: doorbells,
    })
}

/// What the device leads to: the resource manager, when the device tree has it.
#[pin_data]
pub(crate) struct Platform {
    #[pin]
    _driver: driver::Registration<platform::Adapter<ResourceManager>>,
}

impl Platform {
    /// Looks for a hypervisor.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`]: there is none, or none that we know how to speak with.
    pub(crate) fn new(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _: { identify()? },
            _driver <- driver::Registration::new(c"gunyah", module),
        })
    }
}

fn identify() -> Result {
    let Some(hvc) = Hvc::new() else {
        pr_info!("there is no Gunyah below this kernel\n");
        return Err(ENODEV);
    };
    let (version, features) = hvc.identify();

    if version & VERSION_MASK != VERSION || features & FEATURES != FEATURES {
        pr_err!("this Gunyah is none that we know: {version:#x}, {features:#x}\n");
        return Err(ENODEV);
    }
    Ok(())
}
