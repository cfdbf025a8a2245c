// SPDX-License-Identifier: GPL-2.0

//! What user space sees: the inode, and the closed list of its operations.

use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_char,
        c_int,
        c_long,
        c_uint, //
    },
    fs::{
        pseudo::{
            Mount,
            PseudoFs,
            Type, //
        },
        File, //
    },
    mm::{
        address_space::InvalidateLocked,
        shmem::ShmemMount, //
    },
    prelude::*,
    seq_file::SeqFile,
    sync::{
        aref::ARef,
        SetOnce, //
    },
};

use core::ptr::NonNull;

use super::{
    ioctl::ioctl,
    state,
    trace,
    WeakFile,
    FILES, //
};
use crate::{
    bindings::Bindings,
    file::RestrictedFile,
    list,
    provider::Provider,
    range,
    registry, //
    tmpfs::{
        Source,
        Tmpfs, //
    },
};

struct RestrictedFs;

impl PseudoFs for RestrictedFs {
    const NAME: &'static CStr = c"restrictedmem";
    const MAGIC: usize = bindings::RESTRICTEDMEM_MAGIC as usize;

    type Data = Pin<KBox<RestrictedFile>>;
}

static FS: Type<RestrictedFs> = Type::new();
static MOUNT: SetOnce<Mount<RestrictedFs>> = SetOnce::new();

/// File operations that never change.
struct FileOps(bindings::file_operations);

// SAFETY: Never written to.
unsafe impl Sync for FileOps {}

/// The closed list of what user space can do with a restricted file. It is a `static` because its
/// address is what tells a restricted file from any other.
static FILE_OPS: FileOps = FileOps(bindings::file_operations {
    llseek: Some(llseek),
    fallocate: Some(fallocate),
    unlocked_ioctl: Some(ioctl),
    #[cfg(CONFIG_COMPAT)]
    compat_ioctl: bindings::compat_ptr_ioctl,
    show_fdinfo: Some(show_fdinfo),
    ..pin_init::zeroed()
});

static INODE_OPS: bindings::inode_operations = bindings::inode_operations {
    getattr: Some(getattr),
    setattr: Some(setattr),
    ..pin_init::zeroed()
};

/// Finds data and holes.
///
/// # Safety
///
/// `file` is a restricted file, open for the duration of the call.
unsafe extern "C" fn llseek(file: *mut bindings::file, offset: i64, whence: c_int) -> i64 {
    // SAFETY: Promised by the caller.
    let state = unsafe { state(bindings::file_inode(file)) };
    let data = match whence as c_uint {
        bindings::SEEK_DATA => true,
        bindings::SEEK_HOLE => false,
        _ => return i64::from(EINVAL.to_errno()),
    };

    match state.memory.seek(offset, data) {
        Ok(found) => found,
        Err(e) => i64::from(e.to_errno()),
    }
}

/// Reserves memory, or punches a hole.
///
/// # Safety
///
/// `file` is a restricted file, open for the duration of the call.
unsafe extern "C" fn fallocate(
    file: *mut bindings::file,
    mode: c_int,
    offset: i64,
    len: i64,
) -> c_long {
    const RESERVE: c_uint = bindings::FALLOC_FL_KEEP_SIZE;
    const PUNCH: c_uint = bindings::FALLOC_FL_KEEP_SIZE | bindings::FALLOC_FL_PUNCH_HOLE;

    from_result(|| {
        // SAFETY: Promised by the caller.
        let state = unsafe { state(bindings::file_inode(file)) };

        match mode as c_uint {
            RESERVE => state.reserve(range::from_bytes(offset, len)?)?,
            PUNCH => state.punch(range::from_bytes(offset, len)?)?,
            _ => return Err(EOPNOTSUPP),
        }
        Ok(0)
    })
}

/// Tells in `/proc` how much memory there is.
///
/// # Safety
///
/// `seq` is ours for the duration of the call; `file` is a restricted file, open meanwhile.
unsafe extern "C" fn show_fdinfo(seq: *mut bindings::seq_file, file: *mut bindings::file) {
    // SAFETY: Promised by the caller.
    let state = unsafe { state(bindings::file_inode(file)) };
    // SAFETY: As above.
    let room = unsafe { (*seq).size.saturating_sub((*seq).count) };

    // What does not fit is thrown away, and we are called again with twice the buffer. Say so at
    // once, before all of the memory was looked at in vain.
    if state.shortest_text() > room {
        // SAFETY: As above. This is how a full buffer looks.
        unsafe { (*seq).count = (*seq).size };
        return;
    }

    // SAFETY: As above.
    state.write_text(unsafe { SeqFile::from_raw(seq) });
}

/// Tells size and memory.
///
/// # Safety
///
/// `path` leads to one of our inodes, and `stat` is ours for the duration of the call.
unsafe extern "C" fn getattr(
    idmap: *mut bindings::mnt_idmap,
    path: *const bindings::path,
    stat: *mut bindings::kstat,
    mask: u32,
    _flags: c_uint,
) -> c_int {
    // SAFETY: Promised by the caller. The attributes of the tmpfs inode are never asked for with
    // this path: tmpfs would take our inode for its own.
    unsafe {
        let inode = (*(*path).dentry).d_inode;

        bindings::generic_fillattr(idmap, mask, inode, stat);
        (*stat).blocks = state(inode).memory.blocks();
    }
    0
}

/// Sets the size, once.
///
/// # Safety
///
/// `dentry` leads to one of our inodes, which is locked; `attr` is ours for the duration of the
/// call.
unsafe extern "C" fn setattr(
    _idmap: *mut bindings::mnt_idmap,
    dentry: *mut bindings::dentry,
    attr: *mut bindings::iattr,
) -> c_int {
    const OTHERS: c_uint = bindings::ATTR_MODE | bindings::ATTR_UID | bindings::ATTR_GID;

    from_result(|| {
        // SAFETY: Promised by the caller.
        let (inode, valid) = unsafe { ((*dentry).d_inode, (*attr).ia_valid) };
        // SAFETY: As above.
        let state = unsafe { state(inode) };

        if valid & bindings::ATTR_SIZE == 0 || valid & OTHERS != 0 {
            return Err(EPERM);
        }

        // SAFETY: As above.
        let bytes = unsafe { (*attr).ia_size };
        let pages = state.check_size(bytes)?;
        // SAFETY: As above. This applies RLIMIT_FSIZE.
        to_result(unsafe { bindings::inode_newsize_ok(inode, bytes) })?;
        state.set_size(pages)?;
        // SAFETY: As above.
        unsafe { bindings::i_size_write(inode, bytes) };
        Ok(0)
    })
}

// The rest is called from C.

/// Prepares everything, when the kernel starts.
///
/// # Safety
///
/// Called once, before anything else here.
#[export]
pub(crate) unsafe extern "C" fn restrictedmem_init() -> c_int {
    // SAFETY: Called once, before the first use.
    unsafe { FILES.init() };
    registry::init();
    Tmpfs::init();

    from_result(|| {
        MOUNT.populate(FS.mount()?);
        list::init();
        Ok(0)
    })
}

/// Creates a file, with a name for `/proc`.
pub(crate) fn create(name: &CStr, source: &Source) -> Result<ARef<File>> {
    let mount = MOUNT.as_ref().ok_or(ENODEV)?;
    let inode = mount.inode(c"[restrictedmem]", &INODE_OPS, |inode| {
        // SAFETY: The state is owned by the inode, so the lock outlives it. It is the only one.
        let bindings = unsafe {
            let mapping = NonNull::new_unchecked(&raw mut (*inode.as_ptr()).i_data);
            InvalidateLocked::new(mapping, Bindings::new())
        };
        // SAFETY: The inode is alive, and its number was set when it was made.
        RestrictedFile::new(bindings, unsafe { (*inode.as_ptr()).i_ino }, source)
    })?;
    let ptr = NonNull::from(&*inode).cast();
    let file = mount.open(inode, name, &FILE_OPS.0)?;
    // SAFETY: The inode is the one that was made above, and the file keeps it.
    let state = unsafe { state(ptr.as_ptr()) };

    // SAFETY: It is one of ours. The state removes it from the registry when it is dropped, which
    // the eviction of the inode does, before the inode is freed.
    state.register(unsafe { WeakFile::new(ptr) })?;
    trace::create(state.number);
    Ok(file)
}

/// Creates a file for a system call, with flags that were checked.
///
/// # Safety
///
/// In process context. `name` is nul-terminated.
#[export]
pub(crate) unsafe extern "C" fn restrictedmem_create(
    name: *const c_char,
    flags: c_uint,
    mount_fd: c_int,
) -> *mut bindings::file {
    let source = if flags & bindings::RMFD_USERMNT != 0 {
        ShmemMount::from_fd(mount_fd).map(Source::Mount)
    } else if flags & bindings::RMFD_HUGEPAGE != 0 {
        Ok(Source::Large)
    } else {
        Ok(Source::Default)
    };
    // SAFETY: Promised by the caller.
    let name = unsafe { CStr::from_char_ptr(name) };

    match source.and_then(|source| create(name, &source)) {
        Ok(file) => ARef::into_raw(file).as_ptr().cast(),
        Err(e) => e.to_ptr(),
    }
}

/// Returns whether there is memory that must not get into an image of the machine.
///
/// # Safety
///
/// See `include/linux/restrictedmem.h`.
#[export]
pub(crate) unsafe extern "C" fn restrictedmem_active() -> bool {
    registry::has_memory()
}

/// Tells a restricted file from any other.
///
/// # Safety
///
/// See `include/linux/restrictedmem.h`.
#[export]
pub(crate) unsafe extern "C" fn file_is_restrictedmem(file: *const bindings::file) -> bool {
    // SAFETY: The caller has a reference to the file, whose operations never change.
    unsafe { core::ptr::eq((*file).f_op, &FILE_OPS.0) }
}
