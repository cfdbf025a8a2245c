// SPDX-License-Identifier: GPL-2.0

//! A consumer that writes down what it is told and behaves as a test asks for.

use crate::uapi::{
    self,
    Behaviour,
    Counters,
    Event, //
};
use core::{
    cmp::min,
    ops::{
        ControlFlow,
        Range, //
    }, //
};
use kernel::{
    current,
    fs::LocalFile,
    mm::{
        folio::Folio,
        restrictedmem::{
            Binding,
            Consumer,
            Invalidation,
            Mode,
            Span, //
        }, //
    },
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    rbtree::RBTree,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// Position of the next event among those of all consumers.
static SEQUENCE: Atomic<u64> = Atomic::new(0);

/// Events that a log holds at most.
const MAX_EVENTS: usize = 65536;

/// Names a binding in events.
pub(crate) struct Cookie {
    pub(crate) id: u32,
    pub(crate) cookie: u64,
}

/// Everything about one consumer that changes.
///
/// The lock is a leaf of the locks of the file: it is taken in callbacks, so no binding is made,
/// used or dropped under it.
pub(crate) struct State {
    behaviour: Behaviour,
    counters: Counters,
    events: VVec<Event>,
    dropped: u32,
    prepares: u32,
    populates: u32,
    /// Counts the requests to end delays.
    continued: u64,
    /// Taken out when the device is closed, because they refer to this object in turn.
    pub(crate) bindings: RBTree<u32, Arc<Binding<Recorder>>>,
    /// Frame of each page, by id and index, that a device would have mapped.
    mapped: RBTree<(u32, usize), usize>,
    mapped_pages: u64,
}

impl State {
    fn record(&mut self, kind: u32, cookie: Option<&Cookie>, range: Range<usize>, value: u64) {
        let event = Event {
            seq: SEQUENCE.fetch_add(1, Relaxed),
            kind,
            id: cookie.map_or(0, |cookie| cookie.id),
            cookie: cookie.map_or(0, |cookie| cookie.cookie),
            start: range.start as u64,
            end: range.end as u64,
            value,
        };

        if self.events.len() >= MAX_EVENTS || self.events.push(event, GFP_KERNEL).is_err() {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn record_operation(
        &mut self,
        kind: u32,
        invalidation: &Invalidation<'_, Recorder>,
    ) -> (u64, u64) {
        let mut spans = 0;
        let mut pages = 0;

        for span in invalidation.spans() {
            spans += 1;
            pages += present(&span);
        }
        self.record(kind, None, invalidation.range(), pages);

        (spans, pages)
    }

    /// Writes down each span, with what is present in it or with its first byte.
    fn record_spans(&mut self, invalidation: &Invalidation<'_, Recorder>) {
        for span in invalidation.spans() {
            let value = if self.behaviour.flags & uapi::SAMPLE != 0 {
                sample(&span)
            } else {
                present(&span)
            };

            self.record(uapi::SPAN, Some(span.cookie()), span.range(), value);
        }
    }

    /// Counts the spans whose sequence does not say that an invalidation is in progress.
    fn quiet(&self, invalidation: &Invalidation<'_, Recorder>) -> u64 {
        let is_quiet = |span: &Span<'_, Recorder>| {
            // A binding that is being made may not be in the table yet.
            self.bindings
                .get(&span.cookie().id)
                .is_some_and(|binding| !binding.read_retry(binding.read_begin()))
        };

        invalidation.spans().filter(is_quiet).count() as u64
    }

    /// Takes pages out of the map and returns how many there were.
    fn unmap(&mut self, id: u32, range: Range<usize>) -> u64 {
        let mut pages = 0;

        while let Some(cursor) = self.mapped.cursor_lower_bound_mut(&(id, range.start)) {
            if *cursor.current().0 >= (id, range.end) {
                break;
            }
            cursor.remove_current();
            pages += 1;
        }
        self.mapped_pages -= pages;

        pages
    }

    /// Takes a binding out of the table. The caller drops it without the lock.
    pub(crate) fn take(&mut self, id: u32) -> Result<Arc<Binding<Recorder>>> {
        let binding = self.bindings.remove(&id).ok_or(ENOENT)?;
        self.unmap(id, 0..usize::MAX);

        Ok(binding)
    }
}

/// The consumer.
#[pin_data]
pub(crate) struct Recorder {
    #[pin]
    pub(crate) state: Mutex<State>,
}

impl Recorder {
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            state <- new_mutex!(State {
                behaviour: Behaviour::default(),
                counters: Counters::default(),
                events: VVec::new(),
                dropped: 0,
                prepares: 0,
                populates: 0,
                continued: 0,
                bindings: RBTree::new(),
                mapped: RBTree::new(),
                mapped_pages: 0,
            }),
        })
    }

    pub(crate) fn set_behaviour(&self, behaviour: Behaviour) {
        let mut state = self.state.lock();

        state.behaviour = behaviour;
        state.prepares = 0;
        state.populates = 0;
    }

    pub(crate) fn end_delays(&self) {
        let mut state = self.state.lock();

        state.continued = state.continued.wrapping_add(1);
    }

    pub(crate) fn counters(&self, kept: usize) -> Counters {
        let state = self.state.lock();

        Counters {
            bindings: state.bindings.keys().count() as u64,
            kept: kept as u64,
            mapped: state.mapped_pages,
            ..state.counters
        }
    }

    /// Takes the oldest events, as many as fit, and tells how many were lost.
    pub(crate) fn events(&self, capacity: usize) -> Result<(VVec<Event>, u32)> {
        let mut taken = VVec::new();
        let mut state = self.state.lock();

        let count = min(capacity, state.events.len());
        let mut rest = VVec::with_capacity(state.events.len() - count, GFP_KERNEL)?;
        taken.reserve(count, GFP_KERNEL)?;
        for (i, event) in state.events.iter().enumerate() {
            if i < count {
                taken.push(*event, GFP_KERNEL)?;
            } else {
                rest.push(*event, GFP_KERNEL)?;
            }
        }
        state.events = rest;

        Ok((taken, state.dropped))
    }

    pub(crate) fn reset(&self) {
        let mut state = self.state.lock();
        let active = state.counters.active;

        state.behaviour = Behaviour::default();
        state.counters = Counters {
            active,
            max_active: active,
            ..Counters::default()
        };
        state.events = VVec::new();
        state.dropped = 0;
    }

    /// Does what a device does that maps the page: installs it, under the lock of
    /// `invalidate_start`, unless the sequence has moved. Returns whether it did.
    pub(crate) fn map(&self, id: u32, index: usize, pfn: usize, sequence: u64) -> Result<bool> {
        let mut state = self.state.lock();

        let binding = state.bindings.get(&id).ok_or(ENOENT)?;
        if binding.read_retry(sequence) {
            return Ok(false);
        }
        if state
            .mapped
            .try_create_and_insert((id, index), pfn, GFP_KERNEL)?
            .is_none()
        {
            state.mapped_pages += 1;
        }

        Ok(true)
    }

    /// Waits in a callback whose event was recorded when `continued` had this value.
    fn delay(&self, ms: u32, continued: u64, interruptible: bool) -> Result {
        const STEP: u32 = 2;
        let mut left = ms;

        while left > 0 && self.state.lock().continued == continued {
            if interruptible && current!().signal_pending() {
                return Err(EINTR);
            }
            let step = min(left, STEP);
            fsleep(Delta::from_millis(step.into()));
            left -= step;
        }

        Ok(())
    }

    /// Makes the call that is forbidden in a callback, if the behaviour says so for this one.
    fn break_rules(&self, callback: u32, index: usize) {
        let mut state = self.state.lock();
        let Behaviour {
            flags, break_fd, ..
        } = state.behaviour;
        if flags & callback == 0 {
            return;
        }
        let Some((id, binding)) = state.bindings.iter().next().map(|(k, v)| (*k, v.clone())) else {
            return;
        };
        state.behaviour.flags &= !callback;
        // To drop this, without the lock, is the forbidden unbind.
        let taken = (flags & uapi::BREAK_UNBIND != 0).then(|| state.take(id));
        drop(state);

        if flags & uapi::BREAK_GET != 0 {
            let _ = binding.get(index);
        }
        if flags & uapi::BREAK_GET_RANGE != 0 {
            let _ = binding.get_range(index..index.saturating_add(1), |_| {
                Ok(ControlFlow::Break(()))
            });
        }
        if flags & uapi::BREAK_QUARANTINE != 0 {
            let _ = binding.quarantine(index..index.saturating_add(1));
        }
        if flags & uapi::BREAK_BIND != 0 {
            if let Ok(file) = LocalFile::fget(break_fd as u32) {
                let cookie = Cookie { id: 0, cookie: 0 };
                let _ = Binding::new(
                    &file,
                    binding.subscriber().clone(),
                    index..index.saturating_add(1),
                    Mode::Shared,
                    cookie,
                );
            }
        }
        drop(binding);
        drop(taken);
    }
}

/// Counts what is present in a span.
fn present(span: &Span<'_, Recorder>) -> u64 {
    let mut pages = 0;
    let walk = span.for_each_present(|run| {
        pages += run.range.len() as u64;
        Ok(ControlFlow::Continue(()))
    });
    debug_assert!(walk.is_ok());

    pages
}

/// Returns the first byte of what is present in a span.
fn sample(span: &Span<'_, Recorder>) -> u64 {
    let mut value = uapi::NO_SAMPLE;
    let walk = span.for_each_present(|run| {
        let mut bytes = [0];

        run.folio.read_bytes(run.range.start, 0, &mut bytes)?;
        let [first] = bytes;
        value = first.into();
        Ok(ControlFlow::Break(()))
    });
    debug_assert!(walk.is_ok());

    value
}

/// Counts pages that are not all zero.
fn not_zero(folio: &Folio, range: Range<usize>) -> Result<u64> {
    let mut page = KVec::from_elem(0u8, PAGE_SIZE, GFP_KERNEL)?;
    let mut pages = 0;

    for index in range {
        folio.read_bytes(index, 0, &mut page)?;
        if page.iter().any(|byte| *byte != 0) {
            pages += 1;
        }
    }

    Ok(pages)
}

/// Makes an error of a positive errno.
fn error(errno: u32) -> Error {
    i32::try_from(errno).map_or(EINVAL, |errno| Error::from_errno(-errno))
}

#[vtable]
impl Consumer for Recorder {
    type Cookie = Cookie;
    const NAME: &'static CStr = c"test";

    fn populate(&self, span: &Span<'_, Self>, folio: &Folio) -> Result {
        let mut state = self.state.lock();
        let behaviour = state.behaviour;
        let continued = state.continued;

        state.counters.populates += 1;
        state.populates = state.populates.wrapping_add(1);
        let nth = state.populates;
        let pfn = folio.pfn_of(span.range().start) as u64;
        state.record(uapi::POPULATE, Some(span.cookie()), span.range(), pfn);
        if behaviour.flags & uapi::CHECK_ZERO != 0 {
            state.counters.not_zero += not_zero(folio, span.range())?;
        }
        drop(state);

        self.break_rules(uapi::BREAK_IN_POPULATE, span.range().start);
        self.delay(
            behaviour.populate_delay_ms,
            continued,
            behaviour.flags & uapi::DELAY_INTERRUPTIBLE != 0,
        )?;

        if behaviour.populate_errno != 0 && [0, nth].contains(&behaviour.populate_nth) {
            return Err(error(behaviour.populate_errno));
        }
        Ok(())
    }

    fn invalidate_prepare(&self, invalidation: &Invalidation<'_, Self>) -> Result {
        let mut state = self.state.lock();
        let behaviour = state.behaviour;
        let continued = state.continued;

        state.counters.prepares += 1;
        state.prepares = state.prepares.wrapping_add(1);
        let nth = state.prepares;
        state.record_operation(uapi::PREPARE, invalidation);
        drop(state);

        self.break_rules(uapi::BREAK_IN_PREPARE, invalidation.range().start);
        self.delay(
            behaviour.prepare_delay_ms,
            continued,
            behaviour.flags & uapi::DELAY_INTERRUPTIBLE != 0,
        )?;

        if behaviour.prepare_errno != 0 && nth % behaviour.prepare_every.max(1) == 0 {
            return Err(error(behaviour.prepare_errno));
        }
        Ok(())
    }

    fn invalidate_abort(&self, invalidation: &Invalidation<'_, Self>) {
        let mut state = self.state.lock();

        state.counters.aborts += 1;
        state.record_operation(uapi::ABORT, invalidation);
        drop(state);

        self.break_rules(uapi::BREAK_IN_ABORT, invalidation.range().start);
    }

    fn invalidate_start(&self, invalidation: &Invalidation<'_, Self>) {
        let mut state = self.state.lock();
        let behaviour = state.behaviour;
        let continued = state.continued;

        let (spans, walked) = state.record_operation(uapi::START, invalidation);
        state.record_spans(invalidation);
        for span in invalidation.spans() {
            state.counters.unmapped += state.unmap(span.cookie().id, span.range());
        }
        let quiet = state.quiet(invalidation);
        let counters = &mut state.counters;
        counters.broken += quiet;
        counters.starts += 1;
        counters.spans += spans;
        counters.walked += walked;
        counters.active += 1;
        counters.max_active = counters.max_active.max(counters.active);
        drop(state);

        self.break_rules(uapi::BREAK_IN_START, invalidation.range().start);
        let _ = self.delay(behaviour.start_delay_ms, continued, false);
    }

    fn invalidate_end(&self, invalidation: &Invalidation<'_, Self>) {
        let mut state = self.state.lock();

        state.counters.ends += 1;
        state.record_operation(uapi::END, invalidation);
        if state.behaviour.flags & uapi::SAMPLE != 0 {
            state.record_spans(invalidation);
        }
        match state.counters.active.checked_sub(1) {
            Some(active) => state.counters.active = active,
            None => state.counters.broken += 1,
        }
        state.counters.broken += state.quiet(invalidation);
        // What was mapped since the start must not have been.
        for span in invalidation.spans() {
            state.counters.broken += state.unmap(span.cookie().id, span.range());
        }
        drop(state);

        self.break_rules(uapi::BREAK_IN_END, invalidation.range().start);
    }

    fn error(&self, invalidation: &Invalidation<'_, Self>) {
        let mut state = self.state.lock();

        state.counters.errors += 1;
        state.record_operation(uapi::ERROR, invalidation);
        drop(state);

        self.break_rules(uapi::BREAK_IN_ERROR, invalidation.range().start);
    }
}
