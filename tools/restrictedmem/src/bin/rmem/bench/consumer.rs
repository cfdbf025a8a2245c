// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The test consumer of the kernel, as far as it is needed: see
//! `mm/restrictedmem/test_consumer_uapi.h`.

use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::{self, c_ulong};

use crate::Failure;

const DEVICE: &str = "/dev/restrictedmem_test";

/// Others may bind the same pages, if they are shared for them, too.
const SHARED: u32 = 1;

#[repr(C)]
#[derive(Default)]
struct Bind {
    start: u64,
    end: u64,
    cookie: u64,
    fd: i32,
    mode: u32,
    id: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Default)]
struct Get {
    index: u64,
    pfn: u64,
    order: u32,
    id: u32,
    flags: u32,
    retries: u32,
}

/// See `struct rmtest_measure`.
#[repr(C)]
#[derive(Default)]
struct Measure {
    index: u64,
    get: u64,
    shmem: u64,
    id: u32,
    calls: u32,
}

#[repr(C)]
#[derive(Default)]
struct Sequence {
    value: u64,
    id: u32,
    retry: u32,
}

/// An ioctl that reads and writes a `T`.
struct Call<T>(c_ulong, PhantomData<T>);

impl<T> Call<T> {
    const fn new(number: c_ulong) -> Self {
        const READ_AND_WRITE: c_ulong = 3 << 30;
        const LETTER: c_ulong = 0xb9 << 8;
        let size = (size_of::<T>() as c_ulong) << 16;
        Self(READ_AND_WRITE | size | LETTER | number, PhantomData)
    }
}

const BIND: Call<Bind> = Call::new(0x01);
const UNBIND: c_ulong = 0xb902;
const GET: Call<Get> = Call::new(0x03);
const SEQ_BEGIN: Call<Sequence> = Call::new(0x09);
const MEASURE: Call<Measure> = Call::new(0x12);

/// One consumer. Its bindings end with it.
pub struct Consumer(File);

impl Consumer {
    /// A new one.
    pub fn new() -> Result<Self, Failure> {
        let device = OpenOptions::new().read(true).write(true).open(DEVICE);
        device.map(Self).map_err(|error| {
            Failure::Unavailable(format!(
                "{DEVICE} cannot be opened (CONFIG_RESTRICTEDMEM_TEST): {error}"
            ))
        })
    }

    fn call<T>(&self, call: &Call<T>, argument: &mut T) -> io::Result<()> {
        // SAFETY: The request says how large its argument is, and that is what we have there.
        let result =
            unsafe { libc::ioctl(self.0.as_raw_fd(), call.0, std::ptr::from_mut(argument)) };
        Ok(Errno::result(result).map(drop)?)
    }

    /// Binds pages of a file, and returns the number of the binding.
    pub fn bind(&self, file: BorrowedFd<'_>, pages: Range<u64>) -> io::Result<u32> {
        let mut bind = Bind {
            start: pages.start,
            end: pages.end,
            fd: file.as_raw_fd(),
            mode: SHARED,
            ..Default::default()
        };
        self.call(&BIND, &mut bind)?;
        Ok(bind.id)
    }

    /// Ends a binding.
    pub fn unbind(&self, id: u32) -> io::Result<()> {
        // SAFETY: This request takes an integer.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), UNBIND, c_ulong::from(id)) };
        Ok(Errno::result(result).map(drop)?)
    }

    /// Gets a page through a binding.
    pub fn get(&self, id: u32, index: u64) -> io::Result<()> {
        let mut get = Get {
            index,
            id,
            ..Default::default()
        };
        self.call(&GET, &mut get)
    }

    /// Reads the sequence of a binding: about what a get costs besides the get.
    pub fn sequence(&self, id: u32) -> io::Result<()> {
        let mut sequence = Sequence {
            id,
            ..Default::default()
        };
        self.call(&SEQ_BEGIN, &mut sequence)
    }

    /// Has the kernel get a page so many times, and look up one of tmpfs as often. Returns how long
    /// both took.
    pub fn measure(&self, id: u32, index: u64, calls: u32) -> io::Result<[Duration; 2]> {
        let mut measure = Measure {
            index,
            id,
            calls,
            ..Default::default()
        };
        self.call(&MEASURE, &mut measure)?;
        Ok([measure.get, measure.shmem].map(Duration::from_nanos))
    }
}
