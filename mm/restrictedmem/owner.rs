// SPDX-License-Identifier: GPL-2.0

//! Who made a file. It may have passed the file on since, or be gone.

use kernel::{
    current,
    fmt,
    prelude::*,
    task::{
        Kuid,
        Pid, //
    }, //
};

use crate::ffi::{
    self,
    Comm, //
};

/// A process, as it was at one time.
pub(crate) struct Owner {
    uid: Kuid,
    pid: Pid,
    comm: Comm,
}

impl Owner {
    /// Remembers the current process.
    pub(crate) fn current() -> Self {
        Self {
            uid: Kuid::current_euid(),
            pid: current!().tgid(),
            comm: ffi::current_comm(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uid = self.uid.into_uid_in_current_ns();
        let comm = CStr::from_bytes_until_nul(&self.comm).unwrap_or_default();

        f.write_fmt(fmt!("{uid:>10} {:>10} {comm}", self.pid))
    }
}
