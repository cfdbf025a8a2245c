// SPDX-License-Identifier: GPL-2.0

//! The interface of test_consumer_uapi.h in Rust.
//!
//! A type whose size differs from the one in C gives its ioctl another number, so no call with it
//! arrives.

use kernel::{
    ioctl::{
        _IO,
        _IOR,
        _IOW,
        _IOWR, //
    },
    prelude::*, //
};

const IOC: u32 = 0xb9;

pub(crate) const BIND: u32 = _IOWR::<Bind>(IOC, 0x01);
pub(crate) const UNBIND: u32 = _IO(IOC, 0x02);
pub(crate) const GET: u32 = _IOWR::<Get>(IOC, 0x03);
pub(crate) const PUT: u32 = _IOWR::<Pages>(IOC, 0x04);
pub(crate) const READ: u32 = _IOW::<Io>(IOC, 0x05);
pub(crate) const WRITE: u32 = _IOW::<Io>(IOC, 0x06);
pub(crate) const GET_RANGE: u32 = _IOWR::<GetRange>(IOC, 0x07);
pub(crate) const QUARANTINE: u32 = _IOWR::<Pages>(IOC, 0x08);
pub(crate) const SEQ_BEGIN: u32 = _IOWR::<Seq>(IOC, 0x09);
pub(crate) const SEQ_RETRY: u32 = _IOWR::<Seq>(IOC, 0x0a);
pub(crate) const SET_BEHAVIOUR: u32 = _IOW::<Behaviour>(IOC, 0x0b);
pub(crate) const CONTINUE: u32 = _IO(IOC, 0x0c);
pub(crate) const COUNTERS: u32 = _IOR::<Counters>(IOC, 0x0d);
pub(crate) const EVENTS: u32 = _IOWR::<Events>(IOC, 0x0e);
pub(crate) const RESET: u32 = _IO(IOC, 0x0f);
pub(crate) const BINDING_RANGE: u32 = _IOWR::<Pages>(IOC, 0x10);
pub(crate) const LEAK: u32 = _IO(IOC, 0x11);
pub(crate) const MEASURE: u32 = _IOWR::<Measure>(IOC, 0x12);

pub(crate) const EXCLUSIVE: u32 = 0;
pub(crate) const SHARED: u32 = 1;
pub(crate) const LOADABLE: u32 = 2;

pub(crate) const GET_KEEP: u32 = 1 << 0;
pub(crate) const GET_MAP: u32 = 1 << 1;
pub(crate) const GET_IN_THREAD: u32 = 1 << 2;

pub(crate) const IO_KEPT: u32 = 1 << 0;

pub(crate) const DELAY_INTERRUPTIBLE: u32 = 1 << 0;
pub(crate) const CHECK_ZERO: u32 = 1 << 1;
pub(crate) const SAMPLE: u32 = 1 << 2;
pub(crate) const NO_SAMPLE: u64 = 0x100;
pub(crate) const BREAK_GET: u32 = 1 << 8;
pub(crate) const BREAK_BIND: u32 = 1 << 9;
pub(crate) const BREAK_UNBIND: u32 = 1 << 10;
pub(crate) const BREAK_GET_RANGE: u32 = 1 << 11;
pub(crate) const BREAK_QUARANTINE: u32 = 1 << 12;
pub(crate) const BREAK_IN_POPULATE: u32 = 1 << 16;
pub(crate) const BREAK_IN_PREPARE: u32 = 1 << 17;
pub(crate) const BREAK_IN_START: u32 = 1 << 18;
pub(crate) const BREAK_IN_END: u32 = 1 << 19;
pub(crate) const BREAK_IN_ABORT: u32 = 1 << 20;
pub(crate) const BREAK_IN_ERROR: u32 = 1 << 21;

pub(crate) const POPULATE: u32 = 1;
pub(crate) const PREPARE: u32 = 2;
pub(crate) const ABORT: u32 = 3;
pub(crate) const START: u32 = 4;
pub(crate) const END: u32 = 5;
pub(crate) const ERROR: u32 = 6;
pub(crate) const SPAN: u32 = 7;

/// `struct rmtest_bind`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Bind {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) cookie: u64,
    pub(crate) fd: i32,
    pub(crate) mode: u32,
    pub(crate) id: u32,
    pub(crate) reserved: u32,
}

/// `struct rmtest_range`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Pages {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) pages: u64,
    pub(crate) id: u32,
    pub(crate) reserved: u32,
}

/// `struct rmtest_get`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Get {
    pub(crate) index: u64,
    pub(crate) pfn: u64,
    pub(crate) order: u32,
    pub(crate) id: u32,
    pub(crate) flags: u32,
    pub(crate) retries: u32,
}

/// `struct rmtest_io`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Io {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) addr: u64,
    pub(crate) id: u32,
    pub(crate) flags: u32,
}

/// `struct rmtest_run`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Run {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) pfn: u64,
    pub(crate) folio_order: u64,
}

/// `struct rmtest_get_range`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct GetRange {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) stop_after: u64,
    pub(crate) addr: u64,
    pub(crate) runs: u64,
    pub(crate) pages: u64,
    pub(crate) capacity: u32,
    pub(crate) id: u32,
    pub(crate) flags: u32,
    pub(crate) error: u32,
}

/// `struct rmtest_seq`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Seq {
    pub(crate) seq: u64,
    pub(crate) id: u32,
    pub(crate) retry: u32,
}

/// `struct rmtest_behaviour`
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes)]
pub(crate) struct Behaviour {
    pub(crate) flags: u32,
    pub(crate) prepare_errno: u32,
    pub(crate) prepare_every: u32,
    pub(crate) populate_errno: u32,
    pub(crate) populate_nth: u32,
    pub(crate) populate_delay_ms: u32,
    pub(crate) prepare_delay_ms: u32,
    pub(crate) start_delay_ms: u32,
    pub(crate) break_fd: i32,
    pub(crate) reserved: u32,
}

/// `struct rmtest_counters`
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes)]
pub(crate) struct Counters {
    pub(crate) populates: u64,
    pub(crate) prepares: u64,
    pub(crate) aborts: u64,
    pub(crate) starts: u64,
    pub(crate) ends: u64,
    pub(crate) errors: u64,
    pub(crate) spans: u64,
    pub(crate) walked: u64,
    pub(crate) not_zero: u64,
    pub(crate) unmapped: u64,
    pub(crate) bindings: u64,
    pub(crate) kept: u64,
    pub(crate) mapped: u64,
    pub(crate) active: u64,
    pub(crate) max_active: u64,
    pub(crate) broken: u64,
}

/// `struct rmtest_event`
#[repr(C)]
#[derive(Clone, Copy, Default, FromBytes, IntoBytes)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    pub(crate) kind: u32,
    pub(crate) id: u32,
    pub(crate) cookie: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) value: u64,
}

/// `struct rmtest_events`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Events {
    pub(crate) addr: u64,
    pub(crate) capacity: u32,
    pub(crate) count: u32,
    pub(crate) dropped: u32,
    pub(crate) reserved: u32,
}

/// `struct rmtest_measure`
#[repr(C)]
#[derive(FromBytes, IntoBytes)]
pub(crate) struct Measure {
    pub(crate) index: u64,
    pub(crate) get: u64,
    pub(crate) shmem: u64,
    pub(crate) id: u32,
    pub(crate) calls: u32,
}
