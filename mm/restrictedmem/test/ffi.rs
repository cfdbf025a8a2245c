// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.

use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Completion, //
    },
    task::Task, //
};
use pin_init::stack_pin_init;

/// What a thread does, and how it tells that it has.
struct Job<'a, W> {
    work: W,
    done: &'a Completion,
}

/// Does work in a new kernel thread, and waits for it.
///
/// Not in that of a workqueue: nobody can tell when one has left the code of this module.
///
/// # Context
///
/// May sleep, for as long as the work takes.
pub(crate) fn in_kernel_thread<W: FnMut() -> Result + Send>(work: W) -> Result {
    stack_pin_init!(let done = Completion::new());
    let mut job = Job { work, done: &done };

    // SAFETY: `run` gets the `Job` that it wants. It is on our stack, and nobody but the thread
    // uses it until kthread_stop() below has seen the thread end. The name is nul-terminated, and
    // has no arguments.
    let task = from_err_ptr(unsafe {
        bindings::kthread_create_on_node(
            Some(run::<W>),
            (&raw mut job).cast(),
            bindings::NUMA_NO_NODE,
            c"restrictedmem_test".as_char_ptr(),
        )
    })?;
    // SAFETY: Nobody has started the thread, so it has not ended, and its task is there until we
    // have a reference of our own.
    let task: ARef<Task> = unsafe { &*task.cast::<Task>() }.into();

    task.wake_up();
    // It would not run at all if it was stopped before it does.
    done.wait_for_completion();
    // SAFETY: It is a kernel thread, and our reference keeps its task, also when it has ended.
    to_result(unsafe { bindings::kthread_stop(task.as_ptr()) })
}

/// What a thread runs.
///
/// # Safety
///
/// `job` points to a `Job<'_, W>` that nobody else uses until the thread has ended.
unsafe extern "C" fn run<W: FnMut() -> Result + Send>(job: *mut c_void) -> c_int {
    // SAFETY: Promised by the caller: it is ours until we return.
    let job = unsafe { &mut *job.cast::<Job<'_, W>>() };
    let result = (job.work)();

    job.done.complete_all();
    result.map_or_else(|e| e.to_errno(), |()| 0)
}
