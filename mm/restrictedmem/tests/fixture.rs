// SPDX-License-Identifier: GPL-2.0

//! A file, and consumers that write down what they are told.

use kernel::{
    fs::File,
    mm::{
        folio::Folio,
        restrictedmem::{
            Binding,
            Consumer,
            Invalidation,
            Mode,
            Span,
            Subscriber, //
        },
    },
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
};

use crate::{
    ffi::{
        self,
        FileRef, //
    },
    provider::Provider,
    range::Pages,
    tmpfs::Source, //
};

/// What a consumer was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Call {
    Populate,
    Prepare,
    Abort,
    Start,
    End,
    Error,
    Dropped,
}

/// Who was told what, about which pages.
pub(super) type Event = (u8, Call, Pages);

/// What all consumers of a test were told, in order.
#[pin_data]
pub(super) struct Journal {
    #[pin]
    events: Mutex<KVec<Event>>,
}

impl Journal {
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                events <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL,
        )
    }

    fn write(&self, event: Event) {
        // A test that cannot write down what happened finds it missing and fails.
        let _ = self.events.lock().push(event, GFP_KERNEL);
    }

    /// Returns what was written since the last time.
    pub(super) fn take(&self) -> KVec<Event> {
        core::mem::take(&mut *self.events.lock())
    }

    /// Checks, and forgets, everything that was written since the last time.
    pub(super) fn expect(&self, expected: &[Event]) -> Result {
        let events = self.take();

        if &events[..] == expected {
            return Ok(());
        }
        for (who, call, pages) in &events {
            pr_info!("consumer {who} was told {call:?} {pages:?}\n");
        }
        Err(EBADMSG)
    }
}

/// A consumer that writes down what it is told, and refuses when told to.
#[pin_data(PinnedDrop)]
pub(super) struct Recorder {
    name: u8,
    journal: Arc<Journal>,
    pub(super) refuse_prepare: Atomic<i32>,
    pub(super) refuse_populate: Atomic<i32>,
}

impl Recorder {
    pub(super) fn new(name: u8, journal: &Arc<Journal>) -> Result<Arc<Subscriber<Self>>> {
        let journal = journal.clone();

        Subscriber::new(
            try_pin_init!(Self {
                name,
                journal,
                refuse_prepare: Atomic::new(0),
                refuse_populate: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    fn answer(errno: &Atomic<i32>) -> Result {
        kernel::error::to_result(-errno.load(Relaxed))
    }
}

#[pinned_drop]
impl PinnedDrop for Recorder {
    fn drop(self: Pin<&mut Self>) {
        self.journal.write((self.name, Call::Dropped, 0..0));
    }
}

#[vtable]
impl Consumer for Recorder {
    type Cookie = ();
    const NAME: &'static CStr = c"recorder";

    fn populate(&self, span: &Span<'_, Self>, _folio: &Folio) -> Result {
        self.journal
            .write((self.name, Call::Populate, span.range()));
        Self::answer(&self.refuse_populate)
    }

    fn invalidate_prepare(&self, invalidation: &Invalidation<'_, Self>) -> Result {
        self.journal
            .write((self.name, Call::Prepare, invalidation.range()));
        Self::answer(&self.refuse_prepare)
    }

    fn invalidate_abort(&self, invalidation: &Invalidation<'_, Self>) {
        self.journal
            .write((self.name, Call::Abort, invalidation.range()));
    }

    fn invalidate_start(&self, invalidation: &Invalidation<'_, Self>) {
        self.journal
            .write((self.name, Call::Start, invalidation.range()));
    }

    fn invalidate_end(&self, invalidation: &Invalidation<'_, Self>) {
        self.journal
            .write((self.name, Call::End, invalidation.range()));
    }

    fn error(&self, invalidation: &Invalidation<'_, Self>) {
        self.journal
            .write((self.name, Call::Error, invalidation.range()));
    }
}

/// A file with a size, as a test has it open.
pub(super) struct Fixture {
    pub(super) open: ARef<File>,
    pub(super) file: FileRef,
}

impl Fixture {
    pub(super) fn new(pages: usize) -> Result<Self> {
        let open = ffi::create(c"restrictedmem", &Source::Default)?;
        let file = FileRef::new(&open)?;

        file.memory.set_size(pages);
        Ok(Self { open, file })
    }

    pub(super) fn bind<T: Consumer<Cookie = ()>>(
        &self,
        consumer: &Arc<Subscriber<T>>,
        range: Pages,
        mode: Mode,
    ) -> Result<Binding<T>> {
        Binding::new(&self.open, consumer.clone(), range, mode, ())
    }

    /// Returns how many pages of memory the file has, present or reserved.
    pub(super) fn pages(&self) -> usize {
        self.file.memory.blocks() as usize / (kernel::page::PAGE_SIZE / 512)
    }

    /// Returns whether a page is present.
    pub(super) fn is_present(&self, index: usize) -> bool {
        self.file
            .memory
            .lookup(index)
            .is_some_and(|folio| folio.is_uptodate())
    }
}
