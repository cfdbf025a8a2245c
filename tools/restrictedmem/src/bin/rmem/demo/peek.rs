// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The ways by which a curious owner would look at an address.

use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::os::unix::fs::FileExt;
use std::process::Command;

use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getpid};

use super::sys::allow_tracing;

/// A way to look at an address of this process.
pub struct Peek {
    /// Who looks.
    pub what: &'static str,
    /// By which call.
    pub how: &'static str,
    /// Whether it takes a call for every word.
    pub is_slow: bool,
    /// Takes an address and a length.
    way: fn(u64, usize) -> io::Result<Vec<u8>>,
}

/// All of them.
pub const PEEKS: &[Peek] = &[
    Peek {
        what: "we look where it should be",
        how: "process_vm_readv()",
        is_slow: false,
        way: peek_process_vm,
    },
    Peek {
        what: "we look where it should be",
        how: "/proc/self/mem",
        is_slow: false,
        way: peek_proc_mem,
    },
    Peek {
        what: "a child looks there",
        how: "ptrace()",
        is_slow: true,
        way: peek_ptrace,
    },
];

impl Peek {
    /// The `len` bytes at an address.
    pub fn look(&self, address: u64, len: u64) -> io::Result<Vec<u8>> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let bytes = (self.way)(address, len)?;
        if bytes.len() != len {
            return Err(io::Error::other(format!(
                "only {} of {len} bytes",
                bytes.len()
            )));
        }
        Ok(bytes)
    }
}

fn peek_process_vm(address: u64, len: usize) -> io::Result<Vec<u8>> {
    let base = usize::try_from(address).map_err(io::Error::other)?;
    let mut bytes = vec![0xff; len];
    let seen = process_vm_readv(
        getpid(),
        &mut [IoSliceMut::new(&mut bytes)],
        &[RemoteIoVec { base, len }],
    )?;
    bytes.truncate(seen);
    Ok(bytes)
}

fn peek_proc_mem(address: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0xff; len];
    File::open("/proc/self/mem")?.read_exact_at(&mut bytes, address)?;
    Ok(bytes)
}

/// Has a child of ours trace us: see [`trace`].
fn peek_ptrace(address: u64, len: usize) -> io::Result<Vec<u8>> {
    allow_tracing();
    let output = Command::new("/proc/self/exe")
        .arg("peek")
        .args([getpid().to_string(), address.to_string(), len.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    Ok(output.stdout)
}

/// The child's side: stops a process, writes `len` of its bytes to our standard output, and lets
/// it go on.
pub fn trace(pid: i32, address: u64, len: u64) -> io::Result<()> {
    let pid = Pid::from_raw(pid);
    ptrace::attach(pid)?;
    waitpid(pid, None)?;
    let words: nix::Result<Vec<_>> = (address..address + len)
        .step_by(size_of::<nix::libc::c_long>())
        .map(|at| ptrace::read(pid, at as ptrace::AddressType))
        .collect();
    ptrace::detach(pid, None)?;
    let bytes: Vec<u8> = words?
        .into_iter()
        .flat_map(nix::libc::c_long::to_ne_bytes)
        .collect();
    io::stdout().write_all(&bytes)
}
