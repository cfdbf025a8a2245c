// SPDX-License-Identifier: GPL-2.0

//! Machines of the Gunyah hypervisor, with restricted memory.
//!
//! The hypervisor itself does little. Machines are made, given memory and taken apart by its
//! *resource manager*, which runs in a machine of its own and is asked by messages.
//!
//! | module | what it knows |
//! |---|---|
//! | [`wire`], [`message`] | how messages look |
//! | [`transport`] | what carries them; nothing of what they say |
//! | [`error`], [`rpc`] | requests and answers, and what is told unasked |
//! | [`call`], [`image`], [`status`] | what can be asked for and is told |
//! | [`runs`], [`limits`], [`parcel`] | memory that is lent; nothing of files |
//! | [`memory`] | lends the memory of a file: the consumer |
//! | [`life`] | what may be asked for when |
//! | [`manager`], [`machine`] | who holds all of it |
//! | [`hypervisor`], [`bell`], [`vcpu`] | virtual processors: how they run, sleep and stop |
//! | [`uapi`], [`user`] | what user space has of all that |
//! | `hvc` | the way to a real hypervisor; on arm64 only |
//! | `model` | a resource manager and a hypervisor that are none; for tests |
//! | [`ffi`] | all that is unsafe |
//!
//! The way to a real hypervisor has been tried with the published one only, below QEMU.
//!
//! # Locks
//!
//! Outermost first.
//!
//! 1. Those of [`user`].
//! 2. That of a [`vcpu`], held while it runs.
//! 3. That of a [`machine`], held throughout each of its operations.
//! 4. Those of its restricted file.
//! 5. That of its [`memory`], which callbacks of the file take.
//! 6. Those of [`rpc`], the budget of [`limits`].
//! 7. That of a [`bell`].
//!
//! Who hears the doorbell takes only those of [`rpc`], so whoever holds another one can wait for an
//! answer.

// A panic is an oops of whoever called, with locks held.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod bell;
mod call;
mod error;
mod ffi;
#[cfg(CONFIG_GUNYAH_HVC)]
mod hvc;
mod hypervisor;
mod image;
mod life;
mod limits;
mod machine;
mod manager;
mod memory;
mod message;
// Tests use all of it.
#[cfg(any(CONFIG_GUNYAH_MODEL, CONFIG_GUNYAH_KUNIT_TEST))]
#[cfg_attr(not(CONFIG_GUNYAH_KUNIT_TEST), expect(dead_code))]
mod model;
mod parcel;
mod rpc;
mod runs;
mod status;
#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
mod tests;
mod transport;
mod uapi;
mod user;
mod vcpu;
mod wire;

use kernel::{
    miscdevice::{
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*, //
};

#[cfg(CONFIG_GUNYAH_HVC)]
use hvc::Platform;
#[cfg(CONFIG_GUNYAH_MODEL)]
use model::device::Platform;

module! {
    type: Gunyah,
    name: "gunyah",
    authors: ["memfd_restricted developers"],
    description: "Machines of the Gunyah hypervisor, with restricted memory",
    license: "GPL",
}

#[pin_data]
struct Gunyah {
    #[pin]
    _device: MiscDeviceRegistration<user::Device>,
    #[pin]
    _platform: Platform,
}

impl kernel::InPlaceModule for Gunyah {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        ffi::init();
        try_pin_init!(Self {
            _platform <- Platform::new(module),
            _device <- MiscDeviceRegistration::register(MiscDeviceOptions { name: c"gunyah" }),
        })
    }
}
