// SPDX-License-Identifier: GPL-2.0

//! What the tests have in common: a resource manager at work, files, and consumers beside us.

use kernel::{
    fs::File,
    mm::restrictedmem::{
        Binding,
        Consumer,
        Invalidation,
        Mode,
        Subscriber, //
    },
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        CondVar,
        Mutex, //
    }, //
};

use core::{
    ops::Range,
    panic::Location, //
};

use crate::{
    ffi::file,
    image::{
        Image,
        DEVICE_TREE_MIN, //
    },
    limits::Limits,
    machine::Machine,
    manager::Manager,
    model::Model,
};

pub(super) use crate::model::{
    link::Link,
    thread::Thread, //
};

/// Fails a test without leaving anything behind, which an assertion would.
#[track_caller]
pub(super) fn ensure(condition: bool) -> Result {
    if condition {
        return Ok(());
    }

    let place = Location::caller();
    pr_err!("{}:{}: not so\n", place.file(), place.line());
    Err(EPROTO)
}

/// A resource manager that was found.
pub(super) struct Fixture {
    pub(super) link: Link,
    pub(super) manager: Arc<Manager>,
}

impl Fixture {
    pub(super) fn new() -> Result<Self> {
        Self::with_limits(Limits::PUBLIC)
    }

    pub(super) fn with_limits(limits: Limits) -> Result<Self> {
        let link = Link::new()?;
        let manager = link.probe(limits)?;

        link.model.with(|model| model.log.clear());
        Ok(Self { link, manager })
    }

    pub(super) fn model(&self) -> &Model {
        &self.link.model
    }

    /// Makes sure that nothing is lent, no machine is left and nothing is lost.
    #[track_caller]
    pub(super) fn ensure_clean(&self) -> Result {
        let clean = self
            .model()
            .with(|model| !model.killed && model.parcels.is_empty() && model.machines.is_empty());

        ensure(clean)?;
        ensure(self.manager.losses() == (0, 0))?;
        ensure(self.manager.budget.lock().used() == (0, 0))
    }
}

/// Pages of a machine: enough for a device tree.
pub(super) const PAGES: usize = 20;

/// An image that fits into [`PAGES`].
pub(super) fn image() -> Image {
    const START: u64 = 4096;

    Image {
        image: 0..START,
        device_tree: START..START + DEVICE_TREE_MIN,
    }
}

/// A file as a program has it.
#[derive(Clone)]
pub(super) struct Memory(pub(super) ARef<File>);

impl Memory {
    pub(super) fn new(pages: usize) -> Result<Self> {
        file::create(pages).map(Self)
    }

    pub(super) fn punch(&self, pages: Range<usize>) -> Result {
        file::punch(&self.0, pages)
    }

    pub(super) fn bind<T: Consumer<Cookie = ()>>(
        &self,
        consumer: &Arc<Subscriber<T>>,
        pages: Range<usize>,
    ) -> Result<Binding<T>> {
        Binding::new(&self.0, consumer.clone(), pages, Mode::Exclusive, ())
    }

    /// Calls `f` with the frame of each of `pages`, which are the first [`PAGES`] in some order.
    /// Nobody may have them.
    pub(super) fn for_each_frame(
        &self,
        pages: impl IntoIterator<Item = usize>,
        mut f: impl FnMut(usize) -> Result,
    ) -> Result {
        let binding = self.bind(&Gate::new()?, 0..PAGES)?;

        pages
            .into_iter()
            .try_for_each(|index| f(binding.get(index)?.pfn()))
    }
}

/// What a [`Gate`] does with who comes.
pub(super) enum Door {
    Open,
    Refuse(Error),
    /// Lets them wait until it is open.
    Closed,
    /// Somebody waits.
    Knocked,
}

/// Another consumer, which can be slow or refuse.
#[pin_data]
pub(super) struct Gate {
    #[pin]
    door: Mutex<Door>,
    #[pin]
    changed: CondVar,
}

impl Gate {
    pub(super) fn new() -> Result<Arc<Subscriber<Self>>> {
        Subscriber::new(
            try_pin_init!(Self {
                door <- new_mutex!(Door::Open),
                changed <- new_condvar!(),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn set(&self, door: Door) {
        *self.door.lock() = door;
        self.changed.notify_all();
    }

    pub(super) fn wait_for_knock(&self) {
        let mut door = self.door.lock();

        while !matches!(*door, Door::Knocked) {
            self.changed.wait(&mut door);
        }
    }
}

#[vtable]
impl Consumer for Gate {
    type Cookie = ();
    const NAME: &'static CStr = c"gate";

    fn invalidate_prepare(&self, _invalidation: &Invalidation<'_, Self>) -> Result {
        let mut door = self.door.lock();

        loop {
            match *door {
                Door::Open => return Ok(()),
                Door::Refuse(error) => return Err(error),
                Door::Closed => {
                    *door = Door::Knocked;
                    self.changed.notify_all();
                }
                Door::Knocked => self.changed.wait(&mut door),
            }
        }
    }

    fn invalidate_start(&self, _invalidation: &Invalidation<'_, Self>) {}

    fn invalidate_end(&self, _invalidation: &Invalidation<'_, Self>) {}
}

/// Runs `work` in some threads, which it is told the number of, and waits.
pub(super) fn together<F>(threads: usize, work: F) -> Result
where
    F: Fn(usize) -> Result + Send + Sync + 'static,
{
    let work = Arc::new(work, GFP_KERNEL)?;
    let mut crew = KVec::with_capacity(threads, GFP_KERNEL)?;

    for number in 0..threads {
        let work = work.clone();
        crew.push(Thread::spawn(move || work(number))?, GFP_KERNEL)?;
    }
    drop(work);

    let mut result = Ok(());
    for thread in crew {
        result = result.and(thread.join()?);
    }
    result
}

/// Something that is done with a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    SetMemory,
    Configure,
    Init,
    Start,
    Stop,
    Reset,
}

impl Step {
    /// All of them, in the order of a life.
    pub(super) const LIFE: [Self; 6] = [
        Self::SetMemory,
        Self::Configure,
        Self::Init,
        Self::Start,
        Self::Stop,
        Self::Reset,
    ];

    /// Does it, with the first [`PAGES`] from `at` on.
    pub(super) fn take(self, machine: &Machine, memory: &Memory, at: usize) -> Result {
        match self {
            Self::SetMemory => machine.set_memory(&memory.0, at..at + PAGES),
            Self::Configure => machine.configure(&image()),
            Self::Init => machine.init(),
            Self::Start => machine.start(),
            Self::Stop => machine.stop(),
            Self::Reset => machine.reset(),
        }
    }
}
