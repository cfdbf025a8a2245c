// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What machines of every architecture want of KVM.

use kvm_ioctls::{Cap, Kvm};
use nix::errno::Errno;

use crate::Failure;

/// What `kvm-bindings` has no name for yet.
const KVM_CAP_RESTRICTEDMEM: std::ffi::c_ulong = 252;

/// What went wrong with a machine.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// KVM is not here or has not what is needed.
    #[error("{0}")]
    Unavailable(String),
    /// KVM refused something.
    #[error("KVM cannot {what}: {errno:?}, {}", .errno.desc())]
    Refused {
        /// What it was asked for.
        what: &'static str,
        /// Its answer.
        errno: Errno,
    },
    /// The program of the machine did something that it should not.
    #[error("the machine went astray: {0}")]
    Astray(String),
}

impl From<MachineError> for Failure {
    fn from(error: MachineError) -> Self {
        match error {
            MachineError::Unavailable(sentence) => Failure::Unavailable(sentence),
            other => Failure::Broken(other.to_string()),
        }
    }
}

pub type Result<T> = std::result::Result<T, MachineError>;

/// Turns an error of an ioctl into one of ours.
pub fn refused(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> MachineError {
    move |error| MachineError::Refused {
        what,
        errno: Errno::from_raw(error.errno()),
    }
}

/// Opens `/dev/kvm`.
pub fn open() -> Result<Kvm> {
    Kvm::new().map_err(|error| {
        let errno = Errno::from_raw(error.errno());
        let sentence = format!("/dev/kvm cannot be opened: {errno:?}, {}", errno.desc());
        MachineError::Unavailable(sentence)
    })
}

/// Whether KVM takes restricted memory.
pub fn takes_restricted_memory(kvm: &Kvm) -> Result<()> {
    if kvm.check_extension(Cap::UserMemory2) && kvm.check_extension_raw(KVM_CAP_RESTRICTEDMEM) > 0 {
        return Ok(());
    }
    Err(MachineError::Unavailable(
        "KVM here does not take restricted memory (CONFIG_KVM_RESTRICTEDMEM)".into(),
    ))
}
