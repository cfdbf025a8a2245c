// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! A restricted file and what can be done with it.

use std::iter::FusedIterator;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use crate::{Error, Flags, MAGIC, Operation, Policy, sys};

/// Makes restricted memory: flags and size in one go.
///
/// ```
/// # if !restrictedmem::is_supported() { return Ok(()); }
/// use restrictedmem::{Builder, Flags};
///
/// // A descriptor that a program we execute may inherit.
/// let memory = Builder::new().flags(Flags::empty()).len(64 << 20).create()?;
/// # Ok::<(), restrictedmem::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder makes nothing before `create`"]
pub struct Builder<'fd> {
    flags: Flags,
    mount: Option<BorrowedFd<'fd>>,
    len: Option<u64>,
}

impl<'fd> Builder<'fd> {
    /// Memory with [`Flags::CLOEXEC`] and without a size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses these flags instead of [`Flags::CLOEXEC`].
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Takes the memory from a mount of tmpfs, by its limits and policies, instead of from the
    /// kernel's own. Sets [`Flags::USERMNT`].
    ///
    /// `mount` is the root directory of the mount; one that was opened with `O_PATH` will do.
    pub fn mount(mut self, mount: BorrowedFd<'fd>) -> Self {
        self.mount = Some(mount);
        self
    }

    /// Sets the size, in bytes. It cannot be changed afterwards.
    pub fn len(mut self, len: u64) -> Self {
        self.len = Some(len);
        self
    }

    /// Makes the memory.
    ///
    /// # Errors
    ///
    /// Those of [`RestrictedMemory::create`] and [`RestrictedMemory::set_len`]; with a mount, those
    /// that [`Error`] lists for [`Operation::CreateOnMount`].
    pub fn create(self) -> Result<RestrictedMemory, Error> {
        let memory = match self.mount {
            Some(mount) => RestrictedMemory::create_on(mount, self.flags)?,
            None => RestrictedMemory::create(self.flags)?,
        };
        if let Some(len) = self.len {
            memory.set_len(len)?;
        }
        Ok(memory)
    }
}

/// Memory that its owner cannot touch: an open restricted file.
///
/// The memory lives as long as a descriptor of it or someone in the kernel who uses it. Whoever
/// holds a descriptor may size it, reserve it, punch holes in it, and load what nobody uses yet.
///
/// Memory comes when it is first used or loaded, and holds zeroes where it was not.
#[derive(Debug)]
pub struct RestrictedMemory {
    fd: OwnedFd,
}

impl RestrictedMemory {
    /// Makes a restricted file of size zero.
    ///
    /// ```
    /// use restrictedmem::{Flags, RestrictedMemory};
    ///
    /// match RestrictedMemory::create(Flags::CLOEXEC) {
    ///     Ok(memory) => memory.set_len(2 << 20)?,
    ///     Err(error) => eprintln!("{error}"),
    /// }
    /// # Ok::<(), restrictedmem::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ENOSYS`: the kernel does not have the call. `EINVAL`: it does not know one of the flags.
    /// `EMFILE`, `ENFILE`: too many open files. `ENOMEM`.
    pub fn create(flags: Flags) -> Result<Self, Error> {
        let fd = sys::memfd_restricted(flags.bits(), sys::NO_MOUNT)
            .map_err(|errno| Error::new(Operation::Create, errno))?;
        Ok(Self { fd })
    }

    fn create_on(mount: BorrowedFd<'_>, flags: Flags) -> Result<Self, Error> {
        let flags = flags | Flags::USERMNT;
        let fd = sys::memfd_restricted(flags.bits(), mount.as_raw_fd())
            .map_err(|errno| Error::new(Operation::CreateOnMount, errno))?;
        Ok(Self { fd })
    }

    /// Takes a copy of a descriptor that another process holds, or this one.
    ///
    /// It refers to the same file. It is closed on exec.
    ///
    /// ```
    /// # if !restrictedmem::is_supported() { return Ok(()); }
    /// # use std::os::fd::AsRawFd;
    /// # let memory = restrictedmem::Builder::new().len(2 << 20).create()?;
    /// # let (pid, fd) = (std::process::id(), memory.as_raw_fd());
    /// use restrictedmem::RestrictedMemory;
    ///
    /// let copy = RestrictedMemory::from_process(pid, fd)?;
    /// assert_eq!(copy.stat()?.len, 2 << 20);
    /// # Ok::<(), restrictedmem::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ESRCH`: there is no such process. `EBADF`: it has no descriptor of that number. `EPERM`:
    /// this process may not trace it, in the sense of `ptrace(2)`. `EOPNOTSUPP`: the descriptor is
    /// not restricted memory.
    pub fn from_process(pid: u32, fd: RawFd) -> Result<Self, Error> {
        let take = || {
            // No process has a number that is zero or does not fit.
            let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
            let fd = sys::take(pid.ok_or(libc::ESRCH)?, fd)?;
            match sys::magic(fd.as_fd())? {
                MAGIC => Ok(Self { fd }),
                _ => Err(libc::EOPNOTSUPP),
            }
        };
        take().map_err(|errno| Error::new(Operation::Take, errno))
    }

    /// Gives the file its size, once and for all.
    ///
    /// ```
    /// # if !restrictedmem::is_supported() { return Ok(()); }
    /// # let memory = restrictedmem::RestrictedMemory::create(Default::default())?;
    /// memory.set_len(2 << 20)?;
    /// let again = memory.set_len(4 << 20).unwrap_err();
    /// assert_eq!(again.errno(), libc::EPERM);
    /// # Ok::<(), restrictedmem::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL`: zero, or not a multiple of the page size; it can still be set. `EPERM`: it was set
    /// before. `EFBIG`: it is beyond `RLIMIT_FSIZE` (then `SIGXFSZ` comes too) or what a file can
    /// have.
    pub fn set_len(&self, len: u64) -> Result<(), Error> {
        sys::set_len(self.as_fd(), len).map_err(|errno| Error::new(Operation::SetLen, errno))
    }

    /// Reserves memory for a range, so that its use cannot run out of memory later.
    ///
    /// Reserved memory is counted by [`RestrictedMemory::stat`], but nobody has seen it yet: it
    /// is still a hole for [`RestrictedMemory::present`].
    ///
    /// # Errors
    ///
    /// `EINVAL`: the range is empty, not in whole pages, or not inside the size. `ENOMEM`,
    /// `ENOSPC`: out of memory, or at the limit of the memory cgroup that made the file. `EINTR`: a
    /// signal came first. What a failed call had added is gone again.
    pub fn allocate(&self, range: Range<u64>) -> Result<(), Error> {
        self.fallocate(Operation::Allocate, libc::FALLOC_FL_KEEP_SIZE, range)
    }

    /// Gives the memory of a range back. Whoever uses it finds zeroes there afterwards.
    ///
    /// Those who use the memory are asked first. What lies beyond the size is ignored.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the range is empty or not in whole pages. `EBUSY`: someone does not let the
    /// memory go. `EAGAIN`: a large page at the edge of the hole is in use and could not be split;
    /// try again. `EINTR`: a signal came first.
    pub fn punch(&self, range: Range<u64>) -> Result<(), Error> {
        let mode = libc::FALLOC_FL_KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE;
        self.fallocate(Operation::Punch, mode, range)
    }

    fn fallocate(
        &self,
        operation: Operation,
        mode: libc::c_int,
        range: Range<u64>,
    ) -> Result<(), Error> {
        // A range that runs backwards is as empty as one of length zero, which the kernel refuses.
        let len = range.end.saturating_sub(range.start);
        sys::fallocate(self.as_fd(), mode, range.start, len)
            .map_err(|errno| Error::new(operation, errno))
    }

    /// Loads initial contents from `offset` on. What is there already is replaced.
    ///
    /// Nobody may be using that part of the memory. `contents` is whole pages long, and may begin
    /// anywhere.
    ///
    /// ```
    /// # if !restrictedmem::is_supported() { return Ok(()); }
    /// # let memory = restrictedmem::Builder::new().len(2 << 20).create()?;
    /// # let page = restrictedmem::page_size() as usize;
    /// let mut image = b"what the machine runs first".to_vec();
    /// image.resize(image.len().next_multiple_of(page), 0);
    /// memory.load(1 << 20, &image)?;
    /// # Ok::<(), restrictedmem::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL`: `contents` is empty or not in whole pages, or they do not belong inside the size.
    /// `EBUSY`: someone uses the memory. `EHWPOISON`: it is broken. `ENOMEM`, `ENOSPC`: out of
    /// memory, or at the limit of the memory cgroup that made the file. `EINTR`: a signal came
    /// first. [`Error::done`] says how much was loaded before; all else is as it was.
    pub fn load(&self, offset: u64, contents: &[u8]) -> Result<(), Error> {
        sys::load(self.as_fd(), offset, contents)
            .map_err(|part| Error::of_part(Operation::Load, part))
    }

    /// Loads initial contents for a range from a file, from `source_offset` on, without a detour
    /// through the memory of this program.
    ///
    /// If the file ends inside a page, zeroes follow until the end of that page.
    ///
    /// # Errors
    ///
    /// Those of [`RestrictedMemory::load`]. `EBADF`: the file is not open for reading. `EISDIR`:
    /// it is a folder. `ESPIPE`: it cannot be read at an offset. `EINVAL`: it is restricted memory
    /// itself. `ENODATA`: it ends before the last page of the range. Or whatever error reading it
    /// brings.
    pub fn load_file(
        &self,
        range: Range<u64>,
        source: impl AsFd,
        source_offset: u64,
    ) -> Result<(), Error> {
        let len = range.end.saturating_sub(range.start);
        let source = source.as_fd();
        sys::load_fd(self.as_fd(), range.start, len, source, source_offset)
            .map_err(|part| Error::of_part(Operation::Load, part))
    }

    /// Makes each large page's worth of memory in a range, of which something is present, one large
    /// page. Contents stay; what was not present comes with zeroes.
    ///
    /// Memory is in small pages where a hole was punched, where someone uses a part of it, or where
    /// there was no large free block. Whoever uses the memory is asked, and may refuse.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no whole large page in the range, or it is not in whole pages or not
    /// inside the size; or large pages are denied. `EBUSY`: someone who uses the memory refuses, or
    /// uses a part of a large page. `EAGAIN`: some of it is in use. `EHWPOISON`: some of it is
    /// broken. `ENOMEM`: there is no large free block. `EINTR`: a signal came first.
    /// `EOPNOTSUPP`: the kernel has no large pages. It goes on after the first of these, but for
    /// the signal: [`Error::done`] says how much of the range is in large pages.
    pub fn collapse(&self, range: Range<u64>) -> Result<(), Error> {
        let len = range.end.saturating_sub(range.start);
        sys::collapse(self.as_fd(), range.start, len)
            .map_err(|part| Error::of_part(Operation::Collapse, part))
    }

    /// Sets on which nodes of the machine the memory of a range is allocated, as `mbind(2)` does
    /// for memory that is mapped. What is there already stays where it is.
    ///
    /// ```
    /// # if !restrictedmem::is_supported() { return Ok(()); }
    /// # let memory = restrictedmem::Builder::new().len(2 << 20).create()?;
    /// use restrictedmem::Policy;
    ///
    /// match memory.set_policy(0..1 << 20, Policy::Bind(&[0])) {
    ///     Err(error) if error.errno() == libc::EOPNOTSUPP => println!("one node, no policies"),
    ///     result => result?,
    /// }
    /// # Ok::<(), restrictedmem::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL`: the range is empty, not in whole pages, or not inside the size; or there are no
    /// nodes, or none that this program may use. `EOPNOTSUPP`: the kernel has no policies, because
    /// it was built without NUMA. `ENOTTY`: it does not have this operation.
    pub fn set_policy(&self, range: Range<u64>, policy: Policy<'_>) -> Result<(), Error> {
        let len = range.end.saturating_sub(range.start);
        let nodes = policy.bitmap();
        sys::mbind(self.as_fd(), range.start, len, policy.mode(), &nodes)
            .map_err(|errno| Error::new(Operation::SetPolicy, errno))
    }

    /// The first byte at or after `from` that is present, if there is one.
    ///
    /// # Errors
    ///
    /// Only if the descriptor is not restricted memory.
    pub fn seek_data(&self, from: u64) -> Result<Option<u64>, Error> {
        self.seek(from, libc::SEEK_DATA)
    }

    /// The first byte at or after `from` that is not present. The end of the file counts as one;
    /// `None` says that `from` is not inside the file.
    ///
    /// # Errors
    ///
    /// Only if the descriptor is not restricted memory.
    pub fn seek_hole(&self, from: u64) -> Result<Option<u64>, Error> {
        self.seek(from, libc::SEEK_HOLE)
    }

    fn seek(&self, from: u64, whence: libc::c_int) -> Result<Option<u64>, Error> {
        match sys::seek(self.as_fd(), from, whence) {
            Ok(at) => Ok(Some(at)),
            Err(libc::ENXIO) => Ok(None),
            Err(errno) => Err(Error::new(Operation::Seek, errno)),
        }
    }

    /// The ranges that are present, in order: a snapshot, taken range by range.
    ///
    /// ```
    /// # if !restrictedmem::is_supported() { return Ok(()); }
    /// # let memory = restrictedmem::Builder::new().len(2 << 20).create()?;
    /// let mut bytes = 0;
    /// for range in memory.present() {
    ///     let range = range?;
    ///     bytes += range.end - range.start;
    /// }
    /// assert_eq!(bytes, 0); // nobody has used it yet
    /// # Ok::<(), restrictedmem::Error>(())
    /// ```
    pub fn present(&self) -> Present<'_> {
        Present {
            memory: self,
            from: Some(0),
        }
    }

    /// The first range at or after `from` that is present; empty if it went meanwhile.
    fn next_present(&self, from: u64) -> Result<Option<Range<u64>>, Error> {
        let Some(start) = self.seek_data(from)? else {
            return Ok(None);
        };
        Ok(self.seek_hole(start)?.map(|end| start..end))
    }

    /// How large the file is and how much memory it has.
    ///
    /// # Errors
    ///
    /// None that a caller with an open descriptor would see.
    pub fn stat(&self) -> Result<Stat, Error> {
        let stat = sys::stat(self.as_fd()).map_err(|errno| Error::new(Operation::Stat, errno))?;
        Ok(Stat {
            len: u64::try_from(stat.st_size).unwrap_or(0),
            // st_blocks counts in units of 512 bytes, whatever st_blksize says.
            allocated: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
        })
    }
}

/// How large a restricted file is and how much memory it has: see [`RestrictedMemory::stat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Stat {
    /// The size in bytes; zero before it was set.
    pub len: u64,
    /// The bytes that have memory, reserved memory included.
    pub allocated: u64,
}

/// The ranges of a restricted file that are present: see [`RestrictedMemory::present`].
#[derive(Debug, Clone)]
pub struct Present<'a> {
    memory: &'a RestrictedMemory,
    /// Where to look next; nothing after the last range or an error.
    from: Option<u64>,
}

impl Iterator for Present<'_> {
    type Item = Result<Range<u64>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut from = self.from.take()?;
        loop {
            let range = match self.memory.next_present(from) {
                Ok(range) => range?,
                Err(error) => return Some(Err(error)),
            };
            from = range.end;
            // Punched by someone else between the two questions: nothing there any more.
            if range.is_empty() {
                continue;
            }
            self.from = Some(from);
            return Some(Ok(range));
        }
    }
}

impl FusedIterator for Present<'_> {}

impl From<RestrictedMemory> for OwnedFd {
    fn from(memory: RestrictedMemory) -> Self {
        memory.fd
    }
}

/// For a descriptor that came from elsewhere, for instance over a socket. It is not looked at: an
/// operation on something else than restricted memory does there what it does.
impl From<OwnedFd> for RestrictedMemory {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl AsFd for RestrictedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for RestrictedMemory {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl IntoRawFd for RestrictedMemory {
    fn into_raw_fd(self) -> RawFd {
        self.fd.into_raw_fd()
    }
}
