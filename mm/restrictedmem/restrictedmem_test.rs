// SPDX-License-Identifier: GPL-2.0

//! Test consumer of restricted memory.
//!
//! A character device, /dev/restrictedmem_test. Each open file of it is one consumer that does with
//! restricted memory what a driver would, as told by ioctls of the tests. The interface is
//! described in test_consumer_uapi.h. Everything goes through [`kernel::mm::restrictedmem`], as it
//! would in a driver.
//!
//! A prepare takes as long as the test asked for.

use core::{
    cmp::min,
    ops::{
        ControlFlow,
        Range, //
    }, //
};
use kernel::{
    fs::{
        File,
        LocalFile, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    mm::{
        folio::Folio,
        restrictedmem::{
            Binding,
            Mode,
            Subscriber, //
        }, //
    },
    new_mutex,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    rbtree::RBTreeNode,
    sync::{
        aref::ARef,
        Arc,
        Mutex,
        SetOnce, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

#[path = "test/ffi.rs"]
mod ffi;
#[path = "test/measure.rs"]
mod measure;
#[path = "test/recorder.rs"]
mod recorder;
#[path = "test/uapi.rs"]
mod uapi;

use recorder::{
    Cookie,
    Recorder, //
};

/// A binding that is never dropped. It is here and not simply forgotten so that it is no leak of
/// memory in the eyes of those who look for such leaks.
static LEAKED: SetOnce<Arc<Binding<Recorder>>> = SetOnce::new();

/// Runs that one range get reports at most.
const MAX_RUNS: usize = 65536;

module! {
    type: TestModule,
    name: "restrictedmem_test",
    authors: ["memfd_restricted developers"],
    description: "Test consumer of restricted memory",
    license: "GPL",
}

#[pin_data]
struct TestModule {
    #[pin]
    _device: MiscDeviceRegistration<Device>,
}

impl kernel::InPlaceModule for TestModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _device <- MiscDeviceRegistration::register(MiscDeviceOptions {
                name: c"restrictedmem_test",
            }),
        })
    }
}

/// A reference that outlives its get.
struct Kept {
    id: u32,
    index: usize,
    folio: ARef<Folio>,
}

/// An open file of the device.
#[pin_data]
struct Device {
    subscriber: Arc<Subscriber<Recorder>>,
    #[pin]
    kept: Mutex<VVec<Kept>>,
    #[pin]
    last_id: Mutex<u32>,
}

#[vtable]
impl MiscDevice for Device {
    type Ptr = Pin<KBox<Self>>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Self::Ptr> {
        KBox::try_pin_init(
            try_pin_init!(Self {
                subscriber: Subscriber::new(Recorder::new(), GFP_KERNEL)?,
                kept <- new_mutex!(VVec::new()),
                last_id <- new_mutex!(0),
            }),
            GFP_KERNEL,
        )
    }

    fn release(device: Self::Ptr, _file: &File) {
        loop {
            let mut state = device.subscriber.state.lock();
            let Some(id) = state.bindings.keys().next().copied() else {
                break;
            };
            let binding = state.take(id);
            drop(state);
            drop(binding);
        }
    }

    fn ioctl(device: Pin<&Self>, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        match cmd {
            uapi::BIND => with(arg, |io| device.bind(io)),
            uapi::UNBIND => device.take(arg).map(drop),
            uapi::LEAK => device.leak(arg),
            uapi::GET => with(arg, |io| device.get(io)),
            uapi::PUT => with(arg, |io| device.put(io)),
            uapi::READ => with(arg, |io| device.read(io)),
            uapi::WRITE => with(arg, |io| device.write(io)),
            uapi::GET_RANGE => with(arg, |io| device.get_range(io)),
            uapi::QUARANTINE => with(arg, |io: &mut uapi::Pages| {
                io.pages = device.binding(io.id)?.quarantine(range(io.start, io.end)?) as u64;
                Ok(())
            }),
            uapi::SEQ_BEGIN => with(arg, |io: &mut uapi::Seq| {
                io.seq = device.binding(io.id)?.read_begin();
                Ok(())
            }),
            uapi::SEQ_RETRY => with(arg, |io: &mut uapi::Seq| {
                io.retry = device.binding(io.id)?.read_retry(io.seq).into();
                Ok(())
            }),
            uapi::SET_BEHAVIOUR => with(arg, |io: &mut uapi::Behaviour| {
                device.subscriber.set_behaviour(*io);
                Ok(())
            }),
            uapi::CONTINUE => {
                device.subscriber.end_delays();
                Ok(())
            }
            uapi::COUNTERS => with(arg, |io: &mut uapi::Counters| {
                let kept = device.kept.lock().len();
                *io = device.subscriber.counters(kept);
                Ok(())
            }),
            uapi::EVENTS => with(arg, |io| device.events(io)),
            uapi::RESET => {
                device.subscriber.reset();
                Ok(())
            }
            uapi::BINDING_RANGE => with(arg, |io: &mut uapi::Pages| {
                let range = device.binding(io.id)?.range();
                io.start = range.start as u64;
                io.end = range.end as u64;
                Ok(())
            }),
            uapi::MEASURE => with(arg, |io: &mut uapi::Measure| {
                measure::measure(&*device.binding(io.id)?, io)
            }),
            _ => Err(ENOTTY),
        }
        .map(|()| 0)
    }
}

impl Device {
    fn bind(&self, io: &mut uapi::Bind) -> Result {
        let loadable = io.mode & uapi::LOADABLE;
        let mode = match io.mode & !loadable {
            uapi::EXCLUSIVE => Mode::Exclusive,
            uapi::SHARED => Mode::Shared,
            _ => return Err(EINVAL),
        };
        let file = LocalFile::fget(io.fd as u32)?;
        let id = {
            let mut last = self.last_id.lock();
            *last = last.checked_add(1).ok_or(EOVERFLOW)?;
            *last
        };

        let cookie = Cookie {
            id,
            cookie: io.cookie,
        };
        let range = io.start as usize..io.end as usize;
        let subscriber = self.subscriber.clone();
        let binding = if loadable != 0 {
            Binding::new_loadable(&file, subscriber, range, mode, cookie)?
        } else {
            Binding::new(&file, subscriber, range, mode, cookie)?
        };
        let node = RBTreeNode::new(id, Arc::new(binding, GFP_KERNEL)?, GFP_KERNEL)?;
        self.subscriber.state.lock().bindings.insert(node);
        io.id = id;

        Ok(())
    }

    fn take(&self, id: usize) -> Result<Arc<Binding<Recorder>>> {
        let id = id.try_into().map_err(|_| ENOENT)?;

        self.subscriber.state.lock().take(id)
    }

    fn leak(&self, id: usize) -> Result {
        if !LEAKED.populate(self.take(id)?) {
            return Err(EBUSY);
        }

        Ok(())
    }

    fn binding(&self, id: u32) -> Result<Arc<Binding<Recorder>>> {
        let state = self.subscriber.state.lock();

        state.bindings.get(&id).cloned().ok_or(ENOENT)
    }

    fn keep(&self, id: u32, index: usize, folio: ARef<Folio>) -> Result {
        let kept = Kept { id, index, folio };

        Ok(self.kept.lock().push(kept, GFP_KERNEL)?)
    }

    fn get(&self, io: &mut uapi::Get) -> Result {
        if io.flags & !(uapi::GET_KEEP | uapi::GET_MAP) != 0 {
            return Err(EINVAL);
        }
        let index = io.index as usize;
        let binding = self.binding(io.id)?;

        io.retries = 0;
        let page = loop {
            let sequence = binding.read_begin();
            let page = binding.get(index)?;

            if io.flags & uapi::GET_MAP == 0
                || self.subscriber.map(io.id, index, page.pfn(), sequence)?
            {
                break page;
            }
            io.retries = io.retries.saturating_add(1);
        };

        io.pfn = page.pfn() as u64;
        io.order = page.order();
        if io.flags & uapi::GET_KEEP != 0 {
            self.keep(io.id, index, page.into_folio())?;
        }

        Ok(())
    }

    fn put(&self, io: &mut uapi::Pages) -> Result {
        let range = range(io.start, io.end)?;
        let mut kept = self.kept.lock();
        let before = kept.len();

        kept.retain(|kept| !range.contains(&kept.index) || (io.id != 0 && kept.id != io.id));
        io.pages = (before - kept.len()) as u64;

        Ok(())
    }

    fn kept(&self, id: u32, index: usize) -> Result<ARef<Folio>> {
        let kept = self.kept.lock();

        kept.iter()
            .find(|kept| kept.id == id && kept.index == index)
            .map(|kept| kept.folio.clone())
            .ok_or(ENOENT)
    }

    /// Calls `f` with folio, index, offset in the page and length for each page of an access.
    fn access(
        &self,
        io: &uapi::Io,
        mut f: impl FnMut(&Folio, usize, usize, usize) -> Result,
    ) -> Result {
        let mut at = io.offset as usize;
        let end = at.checked_add(io.len as usize).ok_or(EINVAL)?;
        let binding = if io.flags & uapi::IO_KEPT != 0 {
            None
        } else {
            Some(self.binding(io.id)?)
        };

        while at < end {
            let index = at >> PAGE_SHIFT;
            let offset = at & (PAGE_SIZE - 1);
            let len = min(end - at, PAGE_SIZE - offset);
            let folio = match &binding {
                Some(binding) => binding.get(index)?.into_folio(),
                None => self.kept(io.id, index)?,
            };

            f(&folio, index, offset, len)?;
            at += len;
        }

        Ok(())
    }

    fn read(&self, io: &mut uapi::Io) -> Result {
        let addr = UserPtr::from_addr(io.addr as usize);
        let mut user = UserSlice::new(addr, io.len as usize).writer();
        let mut page = KVec::from_elem(0u8, PAGE_SIZE, GFP_KERNEL)?;

        self.access(io, |folio, index, offset, len| {
            let bytes = page.get_mut(..len).ok_or(EINVAL)?;

            folio.read_bytes(index, offset, bytes)?;
            user.write_slice(bytes)
        })
    }

    fn write(&self, io: &mut uapi::Io) -> Result {
        let addr = UserPtr::from_addr(io.addr as usize);
        let mut user = UserSlice::new(addr, io.len as usize).reader();
        let mut page = KVec::from_elem(0u8, PAGE_SIZE, GFP_KERNEL)?;

        self.access(io, |folio, index, offset, len| {
            let bytes = page.get_mut(..len).ok_or(EINVAL)?;

            user.read_slice(bytes)?;
            folio.write_bytes(index, offset, bytes)
        })
    }

    fn get_range(&self, io: &mut uapi::GetRange) -> Result {
        let capacity = min(io.capacity as usize, MAX_RUNS);
        let mut list = VVec::with_capacity(capacity, GFP_KERNEL)?;
        let (id, flags, stop_after) = (io.id, io.flags, io.stop_after);
        let (mut runs, mut pages) = (0, 0);

        let range = io.start as usize..io.end as usize;
        let binding = self.binding(id)?;
        let mut walk = || {
            let walk = binding.get_range(range.clone(), |run| {
                runs += 1;
                pages += run.range.len() as u64;
                if list.len() < capacity {
                    let run = uapi::Run {
                        start: run.range.start as u64,
                        end: run.range.end as u64,
                        pfn: run.pfn as u64,
                        folio_order: run.folio.order().into(),
                    };
                    list.push(run, GFP_KERNEL)?;
                }
                if flags & uapi::GET_KEEP != 0 {
                    for index in run.range.clone() {
                        self.keep(id, index, run.folio.into())?;
                    }
                }

                Ok(if runs == stop_after {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            });
            walk.map(|_| ())
        };
        let result = if flags & uapi::GET_IN_THREAD != 0 {
            ffi::in_kernel_thread(walk)
        } else {
            walk()
        };

        io.runs = runs;
        io.pages = pages;
        io.error = result.err().map_or(0, |err| err.to_errno().unsigned_abs());
        write_all(io.addr, &mut list)
    }

    fn events(&self, io: &mut uapi::Events) -> Result {
        let (mut events, dropped) = self.subscriber.events(io.capacity as usize)?;

        io.count = events.len() as u32;
        io.dropped = dropped;
        write_all(io.addr, &mut events)
    }
}

/// Makes a range of pages of what the user gave.
fn range(start: u64, end: u64) -> Result<Range<usize>> {
    if start > end {
        return Err(EINVAL);
    }

    Ok(start as usize..end as usize)
}

/// Reads the argument of an ioctl, and writes it back if all went well.
fn with<T: FromBytes + IntoBytes>(arg: usize, f: impl FnOnce(&mut T) -> Result) -> Result {
    let user = UserSlice::new(UserPtr::from_addr(arg), size_of::<T>());
    let (mut reader, mut writer) = user.reader_writer();
    let mut io = T::new_zeroed();

    reader.read_slice(io.as_mut_bytes())?;
    f(&mut io)?;
    writer.write_slice(io.as_mut_bytes())
}

/// Writes a list to the user.
fn write_all<T: FromBytes + IntoBytes>(addr: u64, list: &mut VVec<T>) -> Result {
    let len = list.len().checked_mul(size_of::<T>()).ok_or(EOVERFLOW)?;
    let mut user = UserSlice::new(UserPtr::from_addr(addr as usize), len).writer();

    for item in list.as_mut_slice() {
        user.write_slice(item.as_mut_bytes())?;
    }
    Ok(())
}
