// SPDX-License-Identifier: GPL-2.0

//! Everything that is unsafe: the interface to consumers, and the tables of the inode.
//!
//! C headers: [`include/linux/restrictedmem.h`](srctree/include/linux/restrictedmem.h),
//! `mm/restrictedmem/internal.h`

use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_void, //
    },
    fs::{
        inode::{
            INode,
            WeakINode, //
        },
        pseudo::{
            Mount,
            PseudoFs,
            Type, //
        },
        File, //
    },
    mm::{
        address_space::InvalidateLocked,
        folio::Folio, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        SetOnce, //
    },
    types::ForeignOwnable,
    workqueue,
};

use core::{
    ops::Deref,
    ptr::NonNull, //
};

use crate::{
    bind,
    bindings::{
        Binding,
        Bindings,
        Link,
        Mode, //
    },
    file::RestrictedFile,
    provider::Provider,
    range::{
        self,
        Pages, //
    },
    registry,
    sequence::{
        Sample,
        Sequence, //
    },
};

/// No folio is larger than two to this power of pages.
pub(crate) const MAX_ORDER: u32 = bindings::RESTRICTEDMEM_MAX_ORDER;

/// A subscriber, by the address that is its identity.
///
/// # Invariants
///
/// Valid while it has a binding: whoever calls `restrictedmem_bind()` promises to keep it until
/// `restrictedmem_unbind()` has returned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Consumer(NonNull<bindings::restrictedmem_consumer>);

// SAFETY: The contract of the C interface lets callbacks come from any thread.
unsafe impl Send for Consumer {}
// SAFETY: As above.
unsafe impl Sync for Consumer {}

impl Consumer {
    fn ops(&self) -> &bindings::restrictedmem_ops {
        // SAFETY: By the type invariants the consumer is valid, and its operations are constant.
        unsafe { &*(*self.0.as_ptr()).ops }
    }

    /// Returns the name that the consumer gives itself.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: The operations have a name, which is nul-terminated.
        unsafe { CStr::from_char_ptr(self.ops().name) }
    }

    pub(crate) fn populate(&self, binding: &Arc<Binding>, span: &Pages, folio: &Folio) -> Result {
        let Some(populate) = self.ops().populate else {
            return Ok(());
        };
        let span = bindings::restrictedmem_span {
            binding: handle(binding),
            start: span.start,
            end: span.end,
        };

        // SAFETY: The binding lives until after the callback, and the folio is referenced.
        to_result(calling_back(|| unsafe { populate(&span, folio.as_ptr()) }))
    }

    pub(crate) fn invalidate_prepare(&self, link: &Link, range: &Pages) -> Result {
        let Some(prepare) = self.ops().invalidate_prepare else {
            return Ok(());
        };

        // SAFETY: The link is borrowed for the duration of the callback.
        to_result(calling_back(|| unsafe {
            prepare(link.as_raw(), range.start, range.end)
        }))
    }

    pub(crate) fn invalidate_abort(&self, link: &Link, range: &Pages) {
        self.tell(self.ops().invalidate_abort, link, range);
    }

    pub(crate) fn invalidate_start(&self, link: &Link, range: &Pages) {
        self.tell(self.ops().invalidate_start, link, range);
    }

    pub(crate) fn invalidate_end(&self, link: &Link, range: &Pages) {
        self.tell(self.ops().invalidate_end, link, range);
    }

    pub(crate) fn error(&self, link: &Link, range: &Pages) {
        self.tell(self.ops().error, link, range);
    }

    fn tell(
        &self,
        callback: Option<
            unsafe extern "C" fn(*mut bindings::restrictedmem_link, usize, usize), //
        >,
        link: &Link,
        range: &Pages,
    ) {
        if let Some(callback) = callback {
            // SAFETY: The link is borrowed for the duration of the callback.
            calling_back(|| unsafe { callback(link.as_raw(), range.start, range.end) });
        }
    }
}

/// Calls a consumer, and lets lockdep know.
fn calling_back<R>(callback: impl FnOnce() -> R) -> R {
    // SAFETY: We are in process context.
    unsafe { bindings::restrictedmem_callback_begin() };
    let result = callback();
    // SAFETY: Begun right above, on the same task.
    unsafe { bindings::restrictedmem_callback_end() };
    result
}

/// Lets lockdep complain if a callback is what brought us here.
fn not_from_a_callback() {
    // SAFETY: We are in process context and may sleep.
    unsafe { bindings::restrictedmem_callback_forbidden() };
}

impl Link {
    /// A link is handed out for the duration of a callback, during which it does not move: the lock
    /// of the file is held.
    fn as_raw(&self) -> *mut bindings::restrictedmem_link {
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

/// What a consumer gave to recognise its binding by. Never looked at.
pub(crate) struct Cookie(*mut c_void);

// SAFETY: Never dereferenced.
unsafe impl Send for Cookie {}
// SAFETY: As above.
unsafe impl Sync for Cookie {}

/// A reference to a module.
///
/// # Invariants
///
/// Null, for code that is built in, or a module with a reference that is ours.
pub(crate) struct ModuleRef(*mut bindings::module);

// SAFETY: A module may be put on any thread.
unsafe impl Send for ModuleRef {}
// SAFETY: Has no methods.
unsafe impl Sync for ModuleRef {}

impl ModuleRef {
    fn of(consumer: &Consumer) -> Result<Self> {
        let module = consumer.ops().owner;

        // SAFETY: The module is that of the caller, who keeps it for the duration of the call.
        if unsafe { bindings::try_module_get(module) } {
            Ok(Self(module))
        } else {
            Err(ENODEV)
        }
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::module_put(self.0) };
    }
}

/// A reference to an open restricted file.
///
/// # Invariants
///
/// The file has our operations, so its inode owns a [`RestrictedFile`].
pub(crate) struct FileRef(ARef<File>);

impl FileRef {
    /// Takes a reference, if the file is a restricted one.
    ///
    /// # Safety
    ///
    /// `file` has a reference for the duration of the call.
    unsafe fn new(file: *mut bindings::file) -> Result<Self> {
        // SAFETY: Promised by the caller.
        if !unsafe { file_is_restrictedmem(file) } {
            return Err(EINVAL);
        }

        // SAFETY: Promised by the caller. Nobody uses the position of a restricted file.
        // INVARIANT: Checked above.
        Ok(Self(unsafe { File::from_raw_file(file) }.into()))
    }
}

impl Deref for FileRef {
    type Target = RestrictedFile;

    #[inline]
    fn deref(&self) -> &RestrictedFile {
        // SAFETY: By the type invariants, and the inode lives as long as the file.
        unsafe { state(bindings::file_inode(self.0.as_ptr())) }
    }
}

/// Returns the state of an inode.
///
/// # Safety
///
/// The inode is one of ours and lives for `'a`.
#[inline]
unsafe fn state<'a>(inode: *mut bindings::inode) -> &'a RestrictedFile {
    // SAFETY: `i_private` of our inodes owns their state from before they are known to anybody
    // until they are evicted.
    unsafe { Pin::<KBox<RestrictedFile>>::borrow((*inode).i_private) }.get_ref()
}

/// Returns whether the current task is about to die.
pub(crate) fn killed() -> bool {
    // SAFETY: Always sound to call.
    unsafe { bindings::restrictedmem_killed() }
}

/// Takes a folio, which has left its file, out of everybody's sight.
pub(crate) fn isolate(folio: &Folio) {
    // SAFETY: The folio is referenced.
    unsafe { bindings::restrictedmem_isolate(folio.as_ptr()) };
}

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
    ..pin_init::zeroed()
});

static INODE_OPS: bindings::inode_operations = bindings::inode_operations {
    getattr: Some(getattr),
    setattr: Some(setattr),
    ..pin_init::zeroed()
};

unsafe extern "C" fn llseek(file: *mut bindings::file, offset: i64, whence: c_int) -> i64 {
    // SAFETY: The file is ours, and open for the duration of the call.
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

unsafe extern "C" fn fallocate(
    file: *mut bindings::file,
    mode: c_int,
    offset: i64,
    len: i64,
) -> c_long {
    const RESERVE: c_uint = bindings::FALLOC_FL_KEEP_SIZE;
    const PUNCH: c_uint = bindings::FALLOC_FL_KEEP_SIZE | bindings::FALLOC_FL_PUNCH_HOLE;

    from_result(|| {
        // SAFETY: The file is ours, and open for the duration of the call.
        let state = unsafe { state(bindings::file_inode(file)) };

        match mode as c_uint {
            RESERVE => state.reserve(range::from_bytes(offset, len)?)?,
            PUNCH => state.punch(range::from_bytes(offset, len)?)?,
            _ => return Err(EOPNOTSUPP),
        }
        Ok(0)
    })
}

unsafe extern "C" fn getattr(
    idmap: *mut bindings::mnt_idmap,
    path: *const bindings::path,
    stat: *mut bindings::kstat,
    mask: u32,
    _flags: c_uint,
) -> c_int {
    // SAFETY: The path leads to one of our inodes, and `stat` is the caller's. The attributes of
    // the tmpfs inode are never asked for with this path: tmpfs would take our inode for its own.
    unsafe {
        let inode = (*(*path).dentry).d_inode;

        bindings::generic_fillattr(idmap, mask, inode, stat);
        (*stat).blocks = state(inode).memory.blocks();
    }
    0
}

unsafe extern "C" fn setattr(
    _idmap: *mut bindings::mnt_idmap,
    dentry: *mut bindings::dentry,
    attr: *mut bindings::iattr,
) -> c_int {
    const OTHERS: c_uint = bindings::ATTR_MODE | bindings::ATTR_UID | bindings::ATTR_GID;

    from_result(|| {
        // SAFETY: The dentry leads to one of our inodes, which the caller has locked, and `attr` is
        // the caller's.
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
        state.memory.set_size(pages);
        // SAFETY: As above.
        unsafe { bindings::i_size_write(inode, bytes) };
        Ok(0)
    })
}

/// Prepares everything, when the kernel starts.
///
/// # Safety
///
/// Called once, before anything else here.
#[export]
pub(crate) unsafe extern "C" fn restrictedmem_init() -> c_int {
    // SAFETY: Called once, before the first use.
    unsafe { registry::FILES.init() };
    registry::init();

    from_result(|| {
        MOUNT.populate(FS.mount()?);
        Ok(0)
    })
}

/// Creates a file.
///
/// # Safety
///
/// In process context.
#[export]
pub(crate) unsafe extern "C" fn restrictedmem_create(_flags: c_uint) -> *mut bindings::file {
    let create = || {
        let mount = MOUNT.as_ref().ok_or(ENODEV)?;
        let inode = mount.inode(c"[restrictedmem]", &INODE_OPS, |inode| {
            // SAFETY: The state is owned by the inode, so the lock outlives it. It is the only one.
            let bindings = unsafe {
                let mapping = NonNull::new_unchecked(&raw mut (*inode.as_ptr()).i_data);
                InvalidateLocked::new(mapping, Bindings::new())
            };
            // SAFETY: The state removes it from the registry when it is dropped, which the eviction
            // of the inode does, before the inode is freed.
            RestrictedFile::new(bindings, unsafe { WeakINode::new(inode) })
        })?;

        mount.open(inode, c"restrictedmem", &FILE_OPS.0)
    };

    match create() {
        Ok(file) => ARef::into_raw(file).as_ptr().cast(),
        Err(e) => e.to_ptr(),
    }
}

// What follows is documented in `include/linux/restrictedmem.h`, with what the callers promise.

#[export]
pub(crate) unsafe extern "C" fn file_is_restrictedmem(file: *const bindings::file) -> bool {
    // SAFETY: The caller has a reference to the file, whose operations never change.
    unsafe { core::ptr::eq((*file).f_op, &FILE_OPS.0) }
}

/// Returns the handle by which the C interface knows a binding.
fn handle(binding: &Arc<Binding>) -> *mut bindings::restrictedmem_binding {
    Arc::as_ptr(binding).cast_mut().cast()
}

/// Returns the binding that a handle stands for.
///
/// # Safety
///
/// The handle comes from `restrictedmem_bind()` and is not given to `restrictedmem_unbind()` during
/// `'a`.
#[inline]
unsafe fn binding<'a>(handle: *const bindings::restrictedmem_binding) -> &'a Binding {
    // SAFETY: Promised by the caller: the reference that `restrictedmem_bind()` gave out lasts.
    unsafe { &*handle.cast::<Binding>() }
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_bind(
    file: *mut bindings::file,
    consumer: *mut bindings::restrictedmem_consumer,
    start: usize,
    end: usize,
    mode: bindings::restrictedmem_mode,
    cookie: *mut c_void,
) -> *mut bindings::restrictedmem_binding {
    not_from_a_callback();

    let bind = || {
        // INVARIANT: The caller keeps the consumer until it has unbound.
        let consumer = Consumer(NonNull::new(consumer).ok_or(EINVAL)?);
        let mode = match mode {
            bindings::restrictedmem_mode_RESTRICTEDMEM_EXCLUSIVE => Mode::Exclusive,
            bindings::restrictedmem_mode_RESTRICTEDMEM_SHARED => Mode::Shared,
            _ => return Err(EINVAL),
        };

        bind::bind(Binding {
            range: start..end,
            mode,
            consumer,
            cookie: Cookie(cookie),
            sequence: Sequence::new(),
            // SAFETY: The caller has a reference to the file.
            file: unsafe { FileRef::new(file)? },
            _module: ModuleRef::of(&consumer)?,
        })
    };

    match bind() {
        Ok(binding) => Arc::into_raw(binding).cast_mut().cast(),
        Err(e) => e.to_ptr(),
    }
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_unbind(handle: *mut bindings::restrictedmem_binding) {
    not_from_a_callback();

    // SAFETY: The handle is a reference that `restrictedmem_bind()` gave out and that the caller
    // gives back.
    bind::unbind(unsafe { Arc::from_raw(handle.cast::<Binding>()) });
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_get(
    handle: *mut bindings::restrictedmem_binding,
    index: usize,
    page: *mut bindings::restrictedmem_page,
) -> c_int {
    not_from_a_callback();

    from_result(|| {
        // SAFETY: The caller does not unbind meanwhile.
        let binding = unsafe { binding(handle) };
        let got = binding.file.get(binding, index)?;

        // SAFETY: The caller owns the result.
        unsafe {
            page.write(bindings::restrictedmem_page {
                pfn: got.pfn,
                order: got.order,
                folio: ARef::into_raw(got.folio).as_ptr().cast(),
            });
        }
        Ok(0)
    })
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_get_range(
    handle: *mut bindings::restrictedmem_binding,
    start: usize,
    end: usize,
    visit: bindings::restrictedmem_visit_t,
    arg: *mut c_void,
) -> c_int {
    not_from_a_callback();

    // SAFETY: The caller does not unbind meanwhile.
    let binding = unsafe { binding(handle) };
    let Some(visit) = visit else {
        return EINVAL.to_errno();
    };
    let mut answer = 0;
    let result = binding.file.get_range(binding, start..end, |run, page| {
        // SAFETY: The folio is referenced during the visit.
        answer = unsafe { visit(arg, run.start, run.end, page.folio.as_ptr(), page.pfn) };
        answer == 0
    });

    result.map_or_else(|e| e.to_errno(), |()| answer)
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_read_begin(
    handle: *const bindings::restrictedmem_binding,
) -> u64 {
    // SAFETY: The caller does not unbind meanwhile.
    unsafe { binding(handle) }.sequence.sample().to_raw()
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_read_retry(
    handle: *const bindings::restrictedmem_binding,
    seq: u64,
) -> bool {
    // SAFETY: The caller does not unbind meanwhile.
    unsafe { binding(handle) }
        .sequence
        .changed_since(Sample::from_raw(seq))
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_quarantine(
    handle: *mut bindings::restrictedmem_binding,
    start: usize,
    end: usize,
) -> usize {
    not_from_a_callback();

    // SAFETY: The caller does not unbind meanwhile.
    let binding = unsafe { binding(handle) };
    binding.file.quarantine(binding, &(start..end))
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_binding_cookie(
    handle: *const bindings::restrictedmem_binding,
) -> *mut c_void {
    // SAFETY: The caller does not unbind meanwhile.
    unsafe { binding(handle) }.cookie.0
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_link_consumer(
    link: *const bindings::restrictedmem_link,
) -> *mut bindings::restrictedmem_consumer {
    // SAFETY: The caller is in a callback, for the duration of which the link is borrowed.
    unsafe { &*link.cast::<Link>() }.consumer.0.as_ptr()
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_next_span(
    link: *const bindings::restrictedmem_link,
    start: usize,
    end: usize,
    span: *mut bindings::restrictedmem_span,
) -> bool {
    // SAFETY: The caller is in a callback, for the duration of which the link is borrowed and the
    // lock of the file is held.
    let link = unsafe { &*link.cast::<Link>() };
    let Some((binding, found)) = link.next_span(start..end) else {
        return false;
    };

    // SAFETY: The caller owns the result.
    unsafe {
        span.write(bindings::restrictedmem_span {
            binding: handle(binding),
            start: found.start,
            end: found.end,
        });
    }
    true
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_walk_present(
    span: *const bindings::restrictedmem_span,
    visit: bindings::restrictedmem_visit_t,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: The caller is in a callback, during which no binding goes away.
    let (binding, span) = unsafe { (binding((*span).binding), (*span).start..(*span).end) };
    let Some(visit) = visit else {
        return EINVAL.to_errno();
    };

    for (block, folio) in binding.file.memory.folios(span.clone()) {
        if !folio.is_uptodate() {
            continue;
        }
        let run = range::intersection(&block, &span);
        let pfn = folio.pfn_of(run.start);
        // SAFETY: The folio is referenced during the visit.
        let answer = unsafe { visit(arg, run.start, run.end, folio.as_ptr(), pfn) };

        if answer != 0 {
            return answer;
        }
    }
    0
}

#[export]
pub(crate) unsafe extern "C" fn restrictedmem_memory_failure(page: *mut bindings::page) {
    // SAFETY: The caller has a reference to the page.
    let folio: ARef<Folio> = unsafe { Folio::containing(page) }.into();
    let folio = folio.lock();
    let found = folio
        .mapping()
        .and_then(|mapping| registry::find(mapping.as_ptr() as usize));
    // SAFETY: The page lies in the folio.
    let index = unsafe { folio.index_of(page) };

    drop(folio);
    let Some(inode) = found else {
        return;
    };
    let report = move || report_error(&inode, index);
    if workqueue::system_unbound()
        .try_spawn(GFP_KERNEL, report)
        .is_err()
    {
        pr_err!("no memory to tell consumers of a memory error at page {index}\n");
    }
}

fn report_error(inode: &INode, index: usize) {
    // SAFETY: The registry lists our inodes only.
    unsafe { state(inode.as_ptr()) }.report_error(index);
}
