// SPDX-License-Identifier: GPL-2.0

//! Example of a consumer: a device that maps restricted memory on demand.
//!
//! The device is imaginary, so its page table is a tree. `/dev/restrictedmem_example` lets a
//! program attach a file of memfd_restricted(2), make the device touch a page, and ask how many
//! pages the device has mapped.

use kernel::{
    fs::{
        File,
        LocalFile, //
    },
    ioctl::_IO,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    mm::restrictedmem::{
        Binding,
        Consumer,
        Invalidation,
        Mode,
        Subscriber, //
    },
    new_mutex,
    prelude::*,
    rbtree::RBTree,
    sync::{
        Arc,
        Mutex, //
    }, //
};

// The consumer begins here.

/// What the device knows: the frame of each page of the file that it has mapped.
#[pin_data]
struct PageTable {
    #[pin]
    frames: Mutex<RBTree<usize, usize>>,
}

#[vtable]
impl Consumer for PageTable {
    type Cookie = ();
    const NAME: &'static CStr = c"example";

    /// Pages go away: unmap them, and do not map them again before `invalidate_end`.
    fn invalidate_start(&self, invalidation: &Invalidation<'_, Self>) {
        let mut frames = self.frames.lock();

        for index in invalidation.spans().flat_map(|span| span.range()) {
            frames.remove(&index);
        }
    }

    /// `read_retry` knows when it is over; we have nothing to do.
    fn invalidate_end(&self, _invalidation: &Invalidation<'_, Self>) {}
}

/// Subscribes to the first `pages` pages of a file.
fn attach(fd: u32, pages: usize) -> Result<Binding<PageTable>> {
    let table = try_pin_init!(PageTable {
        frames <- new_mutex!(RBTree::new()),
    });
    let table = Subscriber::new(table, GFP_KERNEL)?;

    Binding::new(&*LocalFile::fget(fd)?, table, 0..pages, Mode::Shared, ())
}

/// Maps a page.
fn fault(binding: &Binding<PageTable>, index: usize) -> Result {
    loop {
        let sequence = binding.read_begin();
        let page = binding.get(index)?;
        let mut frames = binding.subscriber().frames.lock();

        // Under the lock that `invalidate_start` takes: did pages go away since we began?
        if !binding.read_retry(sequence) {
            frames.try_create_and_insert(index, page.pfn(), GFP_KERNEL)?;
            return Ok(());
        }
    }
}

// The consumer ends here. What follows is for user space to try it.

/// Attaches the descriptor in the argument.
const ATTACH: u32 = _IO('r' as u32, 0);
/// Makes the device touch the page in the argument.
const FAULT: u32 = _IO('r' as u32, 1);
/// Returns the number of pages mapped.
const MAPPED: u32 = _IO('r' as u32, 2);

/// Pages that the device can address.
const PAGES: usize = 16;

module! {
    type: Example,
    name: "restrictedmem_example",
    authors: ["memfd_restricted developers"],
    description: "Example of a consumer of restricted memory",
    license: "GPL",
}

#[pin_data]
struct Example {
    #[pin]
    _device: MiscDeviceRegistration<Device>,
}

impl kernel::InPlaceModule for Example {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _device <- MiscDeviceRegistration::register(MiscDeviceOptions {
                name: c"restrictedmem_example",
            }),
        })
    }
}

/// An open file of the device.
#[pin_data]
struct Device {
    #[pin]
    binding: Mutex<Option<Arc<Binding<PageTable>>>>,
}

#[vtable]
impl MiscDevice for Device {
    type Ptr = Pin<KBox<Self>>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Self::Ptr> {
        let device = try_pin_init!(Self {
            binding <- new_mutex!(None),
        });

        KBox::try_pin_init(device, GFP_KERNEL)
    }

    fn ioctl(device: Pin<&Self>, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        if cmd == ATTACH {
            let fd = arg.try_into().map_err(|_| EBADF)?;
            let binding = Arc::new(attach(fd, PAGES)?, GFP_KERNEL)?;
            let old = device.binding.lock().replace(binding);
            drop(old);
            return Ok(0);
        }

        let binding = device.binding.lock().clone().ok_or(ENXIO)?;
        match cmd {
            FAULT => fault(&binding, arg).map(|()| 0),
            MAPPED => Ok(binding.subscriber().frames.lock().keys().count() as isize),
            _ => Err(ENOTTY),
        }
    }
}
