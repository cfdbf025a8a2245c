// SPDX-License-Identifier: GPL-2.0

//! Threads, for the model and for those who test it.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Completion,
        Mutex, //
    },
    workqueue::{
        self,
        impl_has_work,
        new_work,
        Work,
        WorkItem, //
    }, //
};

/// Work for a thread. Not that of the workqueue itself, whose lock would have one name here and
/// another one in the next crate, of which lockdep complains.
#[pin_data]
struct Job {
    #[pin]
    work: Work<Self>,
    run: KBox<dyn FnMut() + Send>,
}

impl_has_work! {
    impl HasWork<Self> for Job { self.work }
}

impl Job {
    fn spawn(run: impl FnMut() + Send + 'static) -> Result {
        let run = KBox::new(run, GFP_KERNEL)?;
        let job = KBox::pin_init(
            pin_init!(Self {
                work <- new_work!("gunyah_job"),
                run: run as KBox<dyn FnMut() + Send>,
            }),
            GFP_KERNEL,
        )?;

        workqueue::system_unbound().enqueue(job);
        Ok(())
    }
}

impl WorkItem for Job {
    type Pointer = Pin<KBox<Self>>;

    fn run(mut this: Pin<KBox<Self>>) {
        (this.as_mut().project().run)();
    }
}

/// Something that runs in a thread.
pub(crate) struct Thread<R> {
    shared: Arc<Shared<R>>,
}

#[pin_data]
struct Shared<R> {
    #[pin]
    result: Mutex<Option<R>>,
    #[pin]
    done: Completion,
}

impl<R: Send + Unpin + 'static> Thread<R> {
    pub(crate) fn spawn(work: impl FnOnce() -> R + Send + 'static) -> Result<Self> {
        let shared = Arc::pin_init(
            pin_init!(Shared {
                result <- new_mutex!(None),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let thread = Self {
            shared: shared.clone(),
        };

        let mut work = Some(work);
        Job::spawn(move || {
            if let Some(work) = work.take() {
                // What the work holds is gone before anybody goes on.
                let result = work();
                *shared.result.lock() = Some(result);
                shared.done.complete_all();
            }
        })?;
        Ok(thread)
    }

    /// Returns whether it still runs.
    pub(crate) fn is_running(&self) -> bool {
        self.shared.result.lock().is_none()
    }

    pub(crate) fn join(self) -> Result<R> {
        self.shared.done.wait_for_completion();
        self.shared.result.lock().take().ok_or(EPROTO)
    }
}
