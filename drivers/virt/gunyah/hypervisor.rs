// SPDX-License-Identifier: GPL-2.0

//! The hypervisor itself, as far as it does not carry messages: it runs virtual processors.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::bell::Bell;

/// Names something in the hypervisor that we may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Capability(pub(crate) u64);

/// What a call leaves in the registers: a code, and results if that is zero.
pub(crate) type Registers = [u64; 5];

/// Somebody listens for an interrupt until this is dropped.
pub(crate) trait Listener: Send + Sync {}

/// Runs virtual processors.
///
/// # Context
///
/// Methods are called in process context and may sleep.
pub(crate) trait Hypervisor: Send + Sync {
    /// Runs a virtual processor until something happens. `resume` is the value that it reads, if it
    /// waits for one.
    fn run(&self, processor: Capability, resume: u64) -> Registers;

    /// Rings `bell` whenever there is an interrupt, given by its number in the interrupt
    /// controller.
    fn listen(&self, interrupt: u32, bell: Arc<Bell>) -> Result<KBox<dyn Listener>>;
}

/// The call was carried out.
const OK: u64 = 0;
/// It was not, and should be made again.
const RETRY: u64 = -2_i64 as u64;
/// There is no such call.
const UNIMPLEMENTED: u64 = u64::MAX;

/// Memory that is a device, and that a virtual processor reads or writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Access {
    /// Where the machine sees it.
    pub(crate) address: u64,
    /// Bytes: 1, 2, 4 or 8.
    pub(crate) len: u8,
}

impl Access {
    fn new(address: u64, len: u64) -> Result<Self> {
        match len {
            1 | 2 | 4 | 8 => Ok(Self {
                address,
                len: len as u8,
            }),
            _ => Err(EIO),
        }
    }

    /// Returns what of `value` fits into it.
    pub(crate) fn clip(self, value: u64) -> u64 {
        let unused = 64_u32.saturating_sub(u32::from(self.len) * 8);

        (value << unused) >> unused
    }
}

/// Why a virtual processor does not run any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// It has not begun to run, and does not know what it was to read.
    Retry,
    /// Its time is over, or we have an interrupt. It wants to go on.
    Again,
    /// It waits for an interrupt, is off, or turns the machine off. The bell says when there is
    /// more to know.
    Asleep,
    /// It reads from a device.
    Read(Access),
    /// It writes this to a device.
    Write(Access, u64),
    /// It did something that it cannot recover from.
    Fault,
}

impl Stop {
    /// Reads what [`Hypervisor::run`] returned.
    ///
    /// # Errors
    ///
    /// - [`EIO`]: something that we do not know.
    /// - What [`error`] returns.
    pub(crate) fn decode([code, state, data0, data1, data2]: Registers) -> Result<Self> {
        match code {
            OK => {}
            RETRY => return Ok(Self::Retry),
            code => return Err(error(code)),
        }

        match state {
            // Ready, and blocked in the hypervisor for a moment.
            0 | 3 => Ok(Self::Again),
            // It expects to be woken up, is off, or has reset its machine, which is the end of it.
            1 | 2 | 0x100 => Ok(Self::Asleep),
            4 => Ok(Self::Read(Access::new(data0, data1)?)),
            5 => {
                let access = Access::new(data0, data1)?;
                Ok(Self::Write(access, access.clip(data2)))
            }
            6 => Ok(Self::Fault),
            _ => Err(EIO),
        }
    }
}

/// Returns the errno for a code of the hypervisor.
pub(crate) fn error(code: u64) -> Error {
    match code {
        UNIMPLEMENTED => EOPNOTSUPP,
        10 => ENOMEM,
        // Denied, and capabilities that are not what they should be.
        30 | 50..=53 => EACCES,
        // Busy, idle, and no room for a capability.
        31 | 32 | 54 => EBUSY,
        // Interrupts that are bound or not, queues that are full or empty.
        40 | 41 | 60 | 61 => EIO,
        _ => EINVAL,
    }
}

#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
#[kunit_tests(gunyah_hypervisor)]
mod tests {
    use super::*;

    #[test]
    fn each_stop_is_known() {
        let at = |len| Access {
            address: 0x1000,
            len,
        };
        let cases = [
            ([0, 0, 7, 7, 7], Ok(Stop::Again)),
            ([0, 1, 0, 0, 0], Ok(Stop::Asleep)),
            ([0, 2, 1, 0, 0], Ok(Stop::Asleep)),
            ([0, 3, 0, 0, 0], Ok(Stop::Again)),
            ([0, 4, 0x1000, 4, 0], Ok(Stop::Read(at(4)))),
            (
                [0, 5, 0x1000, 8, u64::MAX],
                Ok(Stop::Write(at(8), u64::MAX)),
            ),
            ([0, 5, 0x1000, 2, u64::MAX], Ok(Stop::Write(at(2), 0xffff))),
            ([0, 6, 0, 0, 0], Ok(Stop::Fault)),
            ([0, 0x100, 0, 0, 0], Ok(Stop::Asleep)),
            ([RETRY, 4, 0x1000, 4, 0], Ok(Stop::Retry)),
            // A page that is missing, of which the public hypervisor does not tell.
            ([0, 7, 0x1000, 0, 0], Err(EIO)),
            ([0, u64::MAX, 0, 0, 0], Err(EIO)),
            ([0, 4, 0x1000, 0, 0], Err(EIO)),
            ([0, 4, 0x1000, 3, 0], Err(EIO)),
            ([0, 5, 0x1000, 16, 0], Err(EIO)),
            ([0, 5, 0x1000, 1 << 32 | 4, 0], Err(EIO)),
            ([31, 4, 0x1000, 4, 0], Err(EBUSY)),
        ];

        for (registers, expected) in cases {
            let same = Stop::decode(registers) == expected;
            assert!(same);
        }
    }

    #[test]
    fn each_code_is_an_errno() {
        let cases = [
            (1, EINVAL),
            (10, ENOMEM),
            (11, EINVAL),
            (30, EACCES),
            (31, EBUSY),
            (32, EBUSY),
            (33, EINVAL),
            (40, EIO),
            (50, EACCES),
            (53, EACCES),
            (54, EBUSY),
            (60, EIO),
            (200, EINVAL),
            (u64::MAX, EOPNOTSUPP),
        ];

        for (code, errno) in cases {
            let same = error(code) == errno;
            assert!(same);
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_off() {
        let clip = |len| Access { address: 0, len }.clip(0x1122_3344_5566_7788);

        assert_eq!(clip(1), 0x88);
        assert_eq!(clip(2), 0x7788);
        assert_eq!(clip(4), 0x5566_7788);
        assert_eq!(clip(8), 0x1122_3344_5566_7788);
    }
}
