// SPDX-License-Identifier: GPL-2.0

//! A machine, from its first message to its last.
//!
//! What has to be done at the end depends on how far it got, and is done when the machine is
//! dropped, in this order: stop it, reset it, take its memory back, bury what did not come back,
//! give the machine back. A machine whose memory did not come back is not given back: its name
//! would be used again, and the next machine would own that memory.

use kernel::{
    fs::LocalFile,
    mm::restrictedmem::{
        Binding,
        Mode, //
    },
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use core::ops::Range;

use crate::{
    bell::Bell,
    call::Resource,
    error::Failure,
    hypervisor::Hypervisor,
    image::Image,
    life::{
        Action,
        Life, //
    },
    manager::Manager,
    memory::Memory,
    runs,
    status::{
        Ending,
        Status,
        Vmid, //
    },
};

struct State {
    life: Life,
    binding: Option<Binding<Memory>>,
    /// Virtual processors that somebody has or had.
    taken: KVec<u32>,
}

/// A machine.
///
/// # Context
///
/// All methods, and dropping it, may sleep until the resource manager has answered. Not from a
/// callback of its file.
#[pin_data(PinnedDrop)]
pub(crate) struct Machine {
    manager: Arc<Manager>,
    vmid: Vmid,
    /// Held throughout each operation. Never taken by a callback.
    #[pin]
    state: Mutex<State>,
}

impl Machine {
    /// Makes a machine.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`], [`ENODEV`], or what the resource manager answers.
    pub(crate) fn new(manager: &Arc<Manager>) -> Result<Arc<Self>> {
        let vmid = manager.rpc.alloc_vmid()?;

        if let Err(error) = manager.rpc.watch(vmid) {
            Self::give_back(manager, vmid);
            return Err(error);
        }
        let machine = Arc::pin_init(
            pin_init!(Self {
                manager: manager.clone(),
                vmid,
                state <- new_mutex!(State {
                    life: Life::Loading,
                    binding: None,
                    taken: KVec::new(),
                }, "gunyah_machine"),
            }),
            GFP_KERNEL,
        );
        if machine.is_err() {
            Self::give_back(manager, vmid);
        }
        machine
    }

    /// Gives it memory: `range`, in pages, of `file`. It is lent at once.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: it is too late, or the memory is somebody else's.
    /// - [`EEXIST`]: it has memory already. The resource manager cannot start a machine that has
    ///   two parcels.
    /// - Those of [`Binding::new`] and [`Memory::lend`].
    pub(crate) fn set_memory(&self, file: &LocalFile, range: Range<usize>) -> Result {
        let mut state = self.state.lock();

        if state.life != Life::Loading {
            return Err(EBUSY);
        }
        if state.binding.is_some() {
            return Err(EEXIST);
        }

        let memory = Memory::new(&self.manager, self.vmid)?;
        let binding = Binding::new(file, memory, range, Mode::Exclusive, ())?;
        let lent = binding.subscriber().lend(&binding);
        // Whether it was lent or not: who has it is decided at the end.
        if lent.is_ok() || !binding.subscriber().take_back() {
            state.binding = Some(binding);
        }
        lent
    }

    /// Says where in its memory its image is. From here on it has its memory for good.
    ///
    /// # Errors
    ///
    /// - [`EINVAL`]: see [`Image::check`].
    /// - [`EBUSY`]: it was configured before.
    /// - [`ENXIO`]: it has no memory.
    /// - Those of [`Memory::lend`], or what the resource manager answers. After that it can only be
    ///   dropped.
    pub(crate) fn configure(&self, image: &Image) -> Result {
        let mut state = self.state.lock();
        let life = state.life;
        life.after(Action::Configure)?;

        let binding = state.binding.as_ref().ok_or(ENXIO)?;
        let memory = binding.subscriber();
        image.check(runs::bytes(binding.range().len())?)?;
        let handle = memory.hand_over(binding)?;

        let result = self.manager.rpc.config_image(self.vmid, handle, image);
        if matches!(result, Err(Failure::NotSent(_) | Failure::Refused(_))) {
            memory.not_configured();
        }
        state.life = life.asked(Action::Configure, result)?;
        Ok(result?)
    }

    /// Makes what the machine needs in the hypervisor.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: it is not configured, or was initialised before.
    /// - What the resource manager answers. After that it can only be dropped.
    pub(crate) fn init(&self) -> Result {
        self.ask(&mut self.state.lock(), Action::Init)
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: it is not initialised, or was started before.
    /// - What the resource manager answers. After that it can only be dropped.
    pub(crate) fn start(&self) -> Result {
        self.ask(&mut self.state.lock(), Action::Start)
    }

    /// Stops it, unless it has stopped by itself. It cannot go on after that.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: it was not started.
    /// - What the resource manager answers.
    pub(crate) fn stop(&self) -> Result {
        let mut state = self.state.lock();

        self.observe(&mut state);
        let result = self.ask(&mut state, Action::Stop);
        // It may have been faster than we were.
        self.observe(&mut state);
        if state.life == Life::Exited {
            return Ok(());
        }
        result
    }

    /// Takes everything away from it. Its memory stays bound, and is ours after that.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: it has nothing yet, or it runs.
    /// - [`EIO`]: its memory did not come back.
    /// - What the resource manager answers.
    pub(crate) fn reset(&self) -> Result {
        let mut state = self.state.lock();

        self.observe(&mut state);
        self.ask(&mut state, Action::Reset)?;
        match &state.binding {
            Some(binding) if !binding.subscriber().take_back() => Err(EIO),
            _ => Ok(()),
        }
    }

    /// Returns what runs its virtual processors.
    pub(crate) fn hypervisor(&self) -> &dyn Hypervisor {
        &*self.manager.hypervisor
    }

    /// Gives a virtual processor to one who wants to run it. Nobody else gets it, then or later:
    /// who had it may have left it waiting for something that it reads.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: the machine is not initialised, or is over.
    /// - [`EEXIST`]: somebody has it or had it.
    /// - [`ENOENT`]: there is no such processor.
    /// - [`ENOMEM`], or what the resource manager answers.
    pub(crate) fn take_processor(&self, id: u32) -> Result<Resource> {
        let mut state = self.state.lock();

        if !matches!(state.life, Life::Ready | Life::Running) {
            return Err(EBUSY);
        }
        if state.taken.contains(&id) {
            return Err(EEXIST);
        }
        let resource = self.manager.rpc.vcpu(self.vmid, id)?.ok_or(ENOENT)?;
        state.taken.push(id, GFP_KERNEL)?;
        Ok(resource)
    }

    /// A virtual processor was taken and will never run.
    pub(crate) fn give_processor(&self, id: u32) {
        self.state.lock().taken.retain(|taken| *taken != id);
    }

    /// Rings `bell` whenever something is told of the machine.
    pub(crate) fn attach(&self, bell: Arc<Bell>) -> Result {
        self.manager.rpc.attach(self.vmid, bell)
    }

    /// Does not ring `bell` any more.
    pub(crate) fn detach(&self, bell: &Arc<Bell>) {
        self.manager.rpc.detach(self.vmid, bell);
    }

    /// Makes sure that its virtual processors can run, or could before it was over.
    ///
    /// # Errors
    ///
    /// - [`EBUSY`]: it was not started.
    /// - [`EINTR`]: there is a signal.
    pub(crate) fn may_run(&self) -> Result {
        match self.state.lock_interruptible()?.life {
            Life::Running | Life::Exited | Life::Reset => Ok(()),
            _ => Err(EBUSY),
        }
    }

    /// Returns how it came to its end. [`None`] if it did not yet.
    ///
    /// # Errors
    ///
    /// - [`ENODEV`]: nobody will tell any more.
    pub(crate) fn ending(&self) -> Result<Option<Ending>> {
        self.manager.rpc.ending(self.vmid)
    }

    /// A machine may stop by itself.
    fn observe(&self, state: &mut State) {
        if state.life == Life::Running && self.manager.rpc.status(self.vmid) == Some(Status::EXITED)
        {
            state.life = Life::Exited;
        }
    }

    /// Asks the resource manager for something other than a configuration.
    fn ask(&self, state: &mut State, action: Action) -> Result {
        let rpc = &self.manager.rpc;
        state.life.after(action)?;

        let result = match action {
            Action::Configure => Err(Failure::NotSent(EINVAL)),
            Action::Init => rpc.init(self.vmid),
            Action::Start => rpc.start(self.vmid),
            Action::Stop => rpc.stop(self.vmid).and_then(|()| {
                rpc.wait_for(self.vmid, Status::EXITED)
                    .map_err(Failure::Unknown)
            }),
            // That it was done means that it has begun.
            Action::Reset => rpc.reset(self.vmid).and_then(|()| {
                rpc.wait_for(self.vmid, Status::RESET)
                    .map_err(Failure::Unknown)
            }),
        };
        state.life = state.life.asked(action, result)?;
        Ok(result?)
    }

    /// Does all that can be done for a machine that nobody wants any more.
    fn end(&self) {
        let mut state = self.state.lock();

        loop {
            self.observe(&mut state);
            let life = state.life;
            let Some(action) = life.way_out() else {
                break;
            };
            // What it becomes says it all.
            let _ = self.ask(&mut state, action);
            self.observe(&mut state);
            if state.life == life {
                break;
            }
        }

        let mut ours = true;
        if let Some(binding) = state.binding.take() {
            ours = binding.subscriber().take_back();
            if !ours {
                let pages = binding.quarantine(binding.range());
                self.manager.lose_pages(self.vmid, pages);
            }
        }
        if ours && state.life.is_over() {
            Self::give_back(&self.manager, self.vmid);
        } else {
            self.manager.rpc.forget(self.vmid);
            self.manager.lose_machine(self.vmid);
        }
    }

    fn give_back(manager: &Manager, vmid: Vmid) {
        manager.rpc.forget(vmid);
        if manager.rpc.dealloc_vmid(vmid).is_err() {
            manager.lose_machine(vmid);
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Machine {
    fn drop(self: Pin<&mut Self>) {
        self.end();
    }
}
