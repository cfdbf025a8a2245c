// SPDX-License-Identifier: GPL-2.0

//! How a call of the resource manager can fail.

use kernel::prelude::*;

/// What the resource manager answered instead of "done".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Code(pub(crate) u32);

impl Code {
    /// The call was carried out.
    pub(crate) const OK: Self = Self(0);
    /// Out of memory.
    pub(crate) const NOMEM: Self = Self(1);
    /// Out of something else, such as entries of a message.
    pub(crate) const NORESOURCE: Self = Self(2);
    /// Not allowed.
    pub(crate) const DENIED: Self = Self(3);
    /// Not now.
    pub(crate) const BUSY: Self = Self(5);
    /// A borrower has the memory in use.
    pub(crate) const MEM_INUSE: Self = Self(0xb);
    /// Somebody has the interrupt in use.
    pub(crate) const IRQ_INUSE: Self = Self(0x10);
    /// Something else is in use.
    pub(crate) const IN_USE: Self = Self(0x12);
    /// The last one that is known: not in this state of the machine.
    pub(crate) const VM_STATE: Self = Self(0x14);
    /// The resource manager does not know such a call.
    pub(crate) const UNIMPLEMENTED: Self = Self(u32::MAX);
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        match code {
            Code::UNIMPLEMENTED => EOPNOTSUPP,
            Code::NOMEM => ENOMEM,
            Code::NORESOURCE => ENODEV,
            Code::DENIED => EPERM,
            Code::BUSY | Code::MEM_INUSE | Code::IRQ_INUSE | Code::IN_USE => EBUSY,
            Code(code) if code <= Code::VM_STATE.0 => EINVAL,
            _ => EBADMSG,
        }
    }
}

/// Why a call failed. The difference decides who owns memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The resource manager never got the message, so nothing has changed.
    NotSent(Error),
    /// It refused.
    Refused(Code),
    /// It got the message, and what it made of it is not known.
    Unknown(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(error) | Failure::Unknown(error) => error,
            Failure::Refused(code) => code.into(),
        }
    }
}

#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
#[kunit_tests(gunyah_error)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_an_errno() {
        let cases = [
            (1, ENOMEM),
            (2, ENODEV),
            (3, EPERM),
            (4, EINVAL),
            (5, EBUSY),
            (6, EINVAL),
            (7, EINVAL),
            (0xa, EINVAL),
            (0xb, EBUSY),
            (0xd, EINVAL),
            (0x10, EBUSY),
            (0x12, EBUSY),
            (0x14, EINVAL),
            (0x15, EBADMSG),
            (0xffff_fffe, EBADMSG),
            (0xffff_ffff, EOPNOTSUPP),
        ];

        for (code, errno) in cases {
            let same = Error::from(Code(code)) == errno;
            assert!(same);
        }
    }
}
