// SPDX-License-Identifier: GPL-2.0

//! What user space sees: /dev/gunyah, and a file for each machine and each virtual processor.
//!
//! The file of a processor keeps its machine alive, so it does not matter which one is closed last,
//! or by whom: the end of the last one is that of the machine, also if a process was killed.

use kernel::{
    fs::{
        anon::{
            self,
            AnonFile, //
        },
        File,
        LocalFile, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceRegistration, //
    },
    new_mutex,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        Arc,
        ArcBorrow,
        Mutex, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

use core::ops::Range;

use crate::{
    ffi::MANAGER,
    image::Image,
    machine::Machine,
    manager::Manager,
    uapi,
    vcpu::{
        Exit,
        Vcpu, //
    },
};

/// What the resource manager rounds the place of a machine's memory up to.
const BASE_ALIGN: u64 = 2 << 20;

/// A resource manager that was found is what the device makes machines with, until this is dropped.
/// There is one hypervisor at most, so one at a time.
pub(crate) struct Found(());

impl Found {
    /// Offers `manager` to whoever opens the device from now on.
    pub(crate) fn new(manager: Arc<Manager>) -> Self {
        *MANAGER.lock() = Some(manager);
        Self(())
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        // Not under the lock: it may be the last reference.
        let manager = MANAGER.lock().take();
        drop(manager);
    }
}

/// An open file of the device.
pub(crate) struct Device(Arc<Manager>);

#[vtable]
impl MiscDevice for Device {
    type Ptr = KBox<Self>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Self::Ptr> {
        let manager = MANAGER.lock().clone().ok_or(ENODEV)?;

        Ok(KBox::new(Self(manager), GFP_KERNEL)?)
    }

    fn ioctl(device: &Self, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        match (cmd, arg) {
            (uapi::CREATE_VM, 0) => {
                let vm = Vm::new(Machine::new(&device.0)?)?;
                anon::open_fd::<Vm>(vm).map(|fd| fd as isize)
            }
            (uapi::CREATE_VM, _) => Err(EINVAL),
            _ => Err(ENOTTY),
        }
    }
}

/// A machine with a descriptor.
#[pin_data]
struct Vm {
    machine: Arc<Machine>,
    /// Where it sees its memory. Held while that is set.
    #[pin]
    base: Mutex<u64>,
}

#[vtable]
impl AnonFile for Vm {
    const NAME: &'static CStr = c"[gunyah-vm]";
    type Ptr = Arc<Self>;

    fn ioctl(vm: ArcBorrow<'_, Self>, cmd: u32, arg: usize) -> Result<isize> {
        match cmd {
            uapi::VM_START | uapi::VM_STOP | uapi::VM_RESET if arg != 0 => return Err(EINVAL),
            uapi::VM_SET_MEMORY => vm.set_memory(&read(arg)?)?,
            uapi::VM_CONFIGURE => vm.configure(&read(arg)?)?,
            uapi::VM_START => vm.machine.start()?,
            uapi::VM_STOP => vm.machine.stop()?,
            uapi::VM_RESET => vm.machine.reset()?,
            uapi::VM_CREATE_VCPU => {
                let id = arg.try_into().map_err(|_| ENOENT)?;
                let vcpu = Vcpu::new(&vm.machine, id)?;
                return anon::open_fd::<Vcpu>(vcpu).map(|fd| fd as isize);
            }
            _ => return Err(ENOTTY),
        }
        Ok(0)
    }
}

impl Vm {
    fn new(machine: Arc<Machine>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                machine,
                base <- new_mutex!(0, "gunyah_vm"),
            }),
            GFP_KERNEL,
        )
    }

    fn set_memory(&self, memory: &uapi::Memory) -> Result {
        let base = memory.guest_phys_addr;
        let range = pages(memory.offset, memory.size)?;

        if memory.flags != 0 || base % BASE_ALIGN != 0 || base.checked_add(memory.size).is_none() {
            return Err(EINVAL);
        }
        let fd = memory.fd.try_into().map_err(|_| EBADF)?;
        let file = LocalFile::fget(fd)?;
        let mut known = self.base.lock();

        self.machine.set_memory(&file, range)?;
        *known = base;
        Ok(())
    }

    /// Says where it begins, and makes what it needs in the hypervisor.
    fn configure(&self, config: &uapi::Config) -> Result {
        let base = *self.base.lock();
        let part = |addr: u64, size: u64| -> Result<Range<u64>> {
            let start = addr.checked_sub(base).ok_or(EINVAL)?;

            Ok(start..start.checked_add(size).ok_or(EINVAL)?)
        };

        if config.flags != 0 {
            return Err(EINVAL);
        }
        let image = Image {
            image: part(config.image_addr, config.image_size)?,
            device_tree: part(config.dtb_addr, config.dtb_size)?,
        };
        self.machine.configure(&image)?;
        self.machine.init()
    }
}

#[vtable]
impl AnonFile for Vcpu {
    const NAME: &'static CStr = c"[gunyah-vcpu]";
    type Ptr = Arc<Self>;

    fn ioctl(vcpu: ArcBorrow<'_, Self>, cmd: u32, arg: usize) -> Result<isize> {
        if cmd != uapi::VCPU_RUN {
            return Err(ENOTTY);
        }

        let mut run: uapi::Run = read(arg)?;
        if run.reserved != 0 || run.reserved2 != 0 {
            return Err(EINVAL);
        }
        if run.immediate_exit != 0 {
            return Err(EINTR);
        }
        tell(vcpu.run(run.mmio_data)?, &mut run);
        UserSlice::new(UserPtr::from_addr(arg), size_of::<uapi::Run>())
            .writer()
            .write_slice(run.as_mut_bytes())?;
        Ok(0)
    }
}

/// Writes down why a processor does not run any more.
fn tell(exit: Exit, run: &mut uapi::Run) {
    match exit {
        Exit::Read(access) => {
            run.exit_reason = uapi::EXIT_MMIO;
            run.mmio_is_write = 0;
            run.mmio_len = access.len;
            run.mmio_addr = access.address;
        }
        Exit::Write(access, value) => {
            run.exit_reason = uapi::EXIT_MMIO;
            run.mmio_is_write = 1;
            run.mmio_len = access.len;
            run.mmio_addr = access.address;
            run.mmio_data = value;
        }
        Exit::Fault => run.exit_reason = uapi::EXIT_FAULT,
        Exit::Over(ending) => {
            run.exit_reason = uapi::EXIT_STATUS;
            run.status = ending.0.into();
        }
    }
}

/// Converts a range of bytes to pages.
fn pages(offset: u64, size: u64) -> Result<Range<usize>> {
    let end = offset.checked_add(size).ok_or(EINVAL)?;

    if size == 0 || (offset | size) % PAGE_SIZE as u64 != 0 {
        return Err(EINVAL);
    }
    Ok((offset >> PAGE_SHIFT) as usize..(end >> PAGE_SHIFT) as usize)
}

/// Reads the argument of an ioctl.
fn read<T: FromBytes + IntoBytes>(arg: usize) -> Result<T> {
    let mut value = T::new_zeroed();

    UserSlice::new(UserPtr::from_addr(arg), size_of::<T>())
        .reader()
        .read_slice(value.as_mut_bytes())?;
    Ok(value)
}
