// SPDX-License-Identifier: GPL-2.0

//! Restricted memory for those who use it: consumers and their bindings.
//!
//! A file of memfd_restricted(2) is memory that user space owns but cannot touch. Kernel code that
//! has a use for it implements [`Consumer`], makes itself a [`Subscriber`], and holds a [`Binding`]
//! for each range of a file that it works with. It is told when memory appears in a binding and
//! before memory goes away, and it may ask for the memory at a page, or at all pages of a range.
//!
//! # Ownership
//!
//! Everything points one way: a [`Binding`] owns a reference to its file, to its [`Subscriber`] and
//! to the module that implements it, and the file only knows its bindings. Closing the last file
//! descriptor takes nothing away; dropping the [`Binding`] ends the subscription. A [`Subscriber`]
//! that keeps its own bindings in its data is a cycle that never dies: keep them beside it.
//!
//! A [`Binding`] that is leaked stays bound for ever, and keeps alive all that its callbacks use.
//!
//! # Callbacks
//!
//! They run in process context, may sleep, and are called with `&self` from any task, several at a
//! time. The bindings of a file are held still from the first to the last callback of an operation.
//! So a callback must not make or drop a [`Binding`] of that file, call [`Binding::get`] or its
//! relatives, or wait for anybody who does. None of this is unsound; it deadlocks, and lockdep
//! reports it.
//!
//! C header: [`include/linux/restrictedmem.h`](srctree/include/linux/restrictedmem.h)
//!
//! # Examples
//!
//! A consumer that counts the pages it had to give back.
//!
//! ```
//! use kernel::{
//!     fs::LocalFile,
//!     mm::restrictedmem::{Binding, Consumer, Invalidation, Mode, Subscriber},
//!     prelude::*,
//!     sync::{
//!         atomic::{Atomic, Relaxed},
//!         Arc,
//!     },
//! };
//!
//! struct Counter {
//!     pages: Atomic<u64>,
//! }
//!
//! #[vtable]
//! impl Consumer for Counter {
//!     type Cookie = u32;
//!     const NAME: &'static CStr = c"counter";
//!
//!     fn invalidate_start(&self, invalidation: &Invalidation<'_, Self>) {
//!         for span in invalidation.spans() {
//!             self.pages.add(span.range().len() as u64, Relaxed);
//!         }
//!     }
//!
//!     fn invalidate_end(&self, _invalidation: &Invalidation<'_, Self>) {}
//! }
//!
//! fn attach(counter: &Arc<Subscriber<Counter>>, fd: u32) -> Result<Binding<Counter>> {
//!     let file = LocalFile::fget(fd)?;
//!
//!     Binding::new(&file, counter.clone(), 0..16, Mode::Exclusive, 42)
//! }
//!
//! let counter = Subscriber::new(
//!     try_init!(Counter {
//!         pages: Atomic::new(0),
//!     }),
//!     GFP_KERNEL,
//! )?;
//!
//! // There is no such descriptor.
//! assert_eq!(attach(&counter, u32::MAX).err(), Some(EBADF));
//! assert_eq!(counter.pages.load(Relaxed), 0);
//! # Ok::<(), Error>(())
//! ```

use crate::{
    error::VTABLE_DEFAULT_ERROR,
    mm::folio::Folio,
    prelude::*, //
};

mod binding;
mod callback;
mod memory;

pub use self::{
    binding::{
        Binding,
        Mode,
        Subscriber, //
    },
    callback::{
        Invalidation,
        Span,
        Spans, //
    },
    memory::{
        Page,
        Run, //
    },
};

/// Uses restricted memory.
///
/// See the [module documentation](self) for what all callbacks have in common. An operation calls
/// each `invalidate_` callback once, however many bindings it reaches; [`Invalidation::spans`]
/// lists them. Consumers are called in the order of their first binding in the range, and for
/// [`invalidate_abort`](Self::invalidate_abort) and [`invalidate_end`](Self::invalidate_end) in
/// reverse.
#[vtable]
pub trait Consumer: Send + Sync + Sized + 'static {
    /// What the consumer wants to know of each binding, such as where it mapped it.
    type Cookie: Send + Sync + 'static;

    /// Short name for statistics and messages.
    const NAME: &'static CStr;

    /// Memory becomes present in a bound range.
    ///
    /// Called before anybody can use the memory, exactly once for each time it becomes present and
    /// each binding that it lies in. `span` lies within `folio`. An error leaves the memory not
    /// present, those who were told already get [`invalidate_start`](Self::invalidate_start) and
    /// [`invalidate_end`](Self::invalidate_end), and whoever touched the memory gets the error.
    fn populate(&self, _span: &Span<'_, Self>, _folio: &Folio) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// May this memory go?
    ///
    /// The only place for slow work and the only callback that can refuse an invalidation. On an
    /// error nothing changes and the error reaches user space. State in the documentation how long
    /// this may take: whoever punches a hole waits that long, and so do all who bind or unbind.
    fn invalidate_prepare(&self, _invalidation: &Invalidation<'_, Self>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Another consumer refused after this one had agreed.
    fn invalidate_abort(&self, _invalidation: &Invalidation<'_, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// This memory goes away.
    ///
    /// On return the consumer does not use it, and does not begin to until
    /// [`invalidate_end`](Self::invalidate_end). Not preceded by
    /// [`invalidate_prepare`](Self::invalidate_prepare) for a memory error or a populate that
    /// failed. A second start may come before the first end, so count. A lock that is taken here
    /// must not be held until the end.
    fn invalidate_start(&self, invalidation: &Invalidation<'_, Self>);

    /// It is over, whether or not the operation succeeded.
    ///
    /// Exactly one for each [`invalidate_start`](Self::invalidate_start).
    fn invalidate_end(&self, invalidation: &Invalidation<'_, Self>);

    /// An uncorrectable memory error at exactly these pages.
    ///
    /// Between [`invalidate_start`](Self::invalidate_start) and
    /// [`invalidate_end`](Self::invalidate_end).
    fn error(&self, _invalidation: &Invalidation<'_, Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
