// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What can go wrong, in words.

use std::fmt;
use std::io;

/// The operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Making the file: `memfd_restricted(2)`.
    Create,
    /// Making the file on a mount of the caller's: `memfd_restricted(2)` with `RMFD_USERMNT`.
    CreateOnMount,
    /// Taking a descriptor of another process: `pidfd_getfd(2)`.
    Take,
    /// Giving it its size: `ftruncate(2)`.
    SetLen,
    /// Reserving memory: `fallocate(2)`.
    Allocate,
    /// Giving memory back: `fallocate(2)` with `FALLOC_FL_PUNCH_HOLE`.
    Punch,
    /// Loading initial contents: `ioctl(2)` with `RMFD_LOAD` or `RMFD_LOAD_FD`.
    Load,
    /// Making memory large again: `ioctl(2)` with `RMFD_COLLAPSE`.
    Collapse,
    /// Setting where memory is allocated: `ioctl(2)` with `RMFD_MBIND`.
    SetPolicy,
    /// Asking where memory is present: `lseek(2)` with `SEEK_DATA` or `SEEK_HOLE`.
    Seek,
    /// Asking how large it is: `fstat(2)`.
    Stat,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Create => "cannot make restricted memory",
            Operation::CreateOnMount => "cannot make restricted memory on that mount",
            Operation::Take => "cannot take restricted memory of another process",
            Operation::SetLen => "cannot set the size of restricted memory",
            Operation::Allocate => "cannot reserve restricted memory",
            Operation::Punch => "cannot punch a hole in restricted memory",
            Operation::Load => "cannot load contents into restricted memory",
            Operation::Collapse => "cannot make restricted memory large",
            Operation::SetPolicy => "cannot set a policy for restricted memory",
            Operation::Seek => "cannot look for data in restricted memory",
            Operation::Stat => "cannot ask for the size of restricted memory",
        })
    }
}

/// A refusal by the kernel: which operation, which errno, and what that errno means there.
///
/// An error never changes the file, but for what [`Error::done`] tells.
///
/// | operation | errno | meaning |
/// |---|---|---|
/// | create | `ENOSYS` | the kernel does not have the call |
/// | create | `EINVAL` | the kernel does not know one of the flags |
/// | create | `EMFILE`, `ENFILE` | too many open files, in the process or in the system |
/// | create on a mount | `EBADF`, `ENOTDIR` | the mount is no open descriptor, or not one of a directory |
/// | create on a mount | `EINVAL` | it is not the root of a tmpfs, or it is idmapped, or the kernel does not know one of the flags |
/// | create on a mount | `ENOENT` | it was unmounted |
/// | create on a mount | `EROFS`, `EACCES` | it is read-only, or the caller may not create files there |
/// | create on a mount | `EOVERFLOW` | the caller's user or group does not exist there |
/// | create on a mount | `ENOSPC`, `EDQUOT` | it has no inode left, or none for this user |
/// | take | `ESRCH` | there is no such process |
/// | take | `EBADF` | the process has no descriptor of that number |
/// | take | `EPERM` | this process may not trace the other one |
/// | set the size | `EINVAL` | the size is zero or not a multiple of the page size; it can still be set |
/// | set the size | `EPERM` | it was set before |
/// | set the size | `EFBIG` | it is beyond `RLIMIT_FSIZE` or what a file can have |
/// | reserve | `EINVAL` | the range is empty, not in whole pages, or not inside the size |
/// | punch | `EINVAL` | the range is empty or not in whole pages |
/// | punch | `EBUSY` | a consumer of the memory does not let it go |
/// | punch | `EAGAIN` | a large page at the edge of the hole is in use and cannot be split; try again |
/// | load | `EINVAL` | the range is empty, not in whole pages, or not inside the size; or the source is restricted memory itself |
/// | load | `EBUSY` | a consumer uses the memory |
/// | load | `EFAULT` | the contents cannot be read |
/// | load | `EBADF`, `EISDIR`, `ESPIPE` | the source is not open for reading, a folder, or cannot be read at an offset |
/// | load | `ENODATA` | the source ends too early |
/// | load | `EHWPOISON` | the memory is broken |
/// | collapse | `EINVAL` | there is no whole large page in the range, or it is not in whole pages or not inside the size; or large pages are denied |
/// | collapse | `EBUSY` | a consumer refuses, or has a range that ends inside a large page |
/// | collapse | `EAGAIN` | some of it is in use |
/// | collapse | `EHWPOISON` | some of it is broken |
/// | collapse | `EOPNOTSUPP` | the kernel has no large pages |
/// | set a policy | `EINVAL` | the range is empty, not in whole pages, or not inside the size; or there are no nodes, or none that may be used |
/// | set a policy | `EOPNOTSUPP` | the kernel has no policies |
/// | reserve, punch, load, collapse | `EINTR` | a signal came first |
/// | any | `ENOMEM`, `ENOSPC` | out of memory, or at the limit of the memory cgroup that made the file |
/// | any but create | `EOPNOTSUPP`, `ESPIPE`, `ENOTTY` | the descriptor is not restricted memory |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{operation}: {}", Meaning(*.operation, *.errno))]
pub struct Error {
    operation: Operation,
    errno: i32,
    done: u64,
}

impl Error {
    pub(crate) fn new(operation: Operation, errno: i32) -> Self {
        Self {
            operation,
            errno,
            done: 0,
        }
    }

    pub(crate) fn of_part(operation: Operation, (errno, done): (i32, u64)) -> Self {
        Self {
            operation,
            errno,
            done,
        }
    }

    /// The operation that failed.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The errno, as a number of `<errno.h>`.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// How many bytes, which are whole pages, a load had brought before it failed; it can go on
    /// there. Or how many bytes are in large pages after a collapse.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Whether the kernel does not have `memfd_restricted(2)` at all.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.operation, Operation::Create | Operation::CreateOnMount)
            && self.errno == libc::ENOSYS
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(io::Error::from_raw_os_error(error.errno).kind(), error)
    }
}

/// Writes an errno in the words of its operation, else in the words of the C library.
struct Meaning(Operation, i32);

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Operation::*;
        let Meaning(operation, errno) = *self;
        f.write_str(match (operation, errno) {
            (Create | CreateOnMount, libc::ENOSYS) => {
                "this kernel does not have the system call memfd_restricted (ENOSYS)"
            }
            (Create, libc::EINVAL) => "this kernel does not know one of the flags (EINVAL)",
            (Create | CreateOnMount, libc::EMFILE) => {
                "this process has too many open files (EMFILE)"
            }
            (Create | CreateOnMount, libc::ENFILE) => {
                "the system has too many open files (ENFILE)"
            }
            (CreateOnMount, libc::EINVAL) => {
                "it is not the root of a tmpfs, or this kernel does not know one of the flags (EINVAL)"
            }
            (CreateOnMount, libc::EBADF) => "its descriptor is not open (EBADF)",
            (CreateOnMount, libc::ENOTDIR) => "it is not a directory (ENOTDIR)",
            (CreateOnMount, libc::ENOENT) => "it was unmounted (ENOENT)",
            (CreateOnMount, libc::EROFS) => "it is read-only (EROFS)",
            (CreateOnMount, libc::EACCES) => "this user may not create files there (EACCES)",
            (CreateOnMount, libc::EOVERFLOW) => {
                "this user or group does not exist there (EOVERFLOW)"
            }
            (CreateOnMount, libc::ENOSPC) => "it has no inode left (ENOSPC)",
            (CreateOnMount, libc::EDQUOT) => "it has no inode left for this user (EDQUOT)",
            (Take, libc::ESRCH) => "there is no such process (ESRCH)",
            (Take, libc::EBADF) => "the process has no descriptor of that number (EBADF)",
            (Take, libc::EPERM) => {
                "that takes the right to trace the process, as for ptrace(2) (EPERM)"
            }
            (SetLen, libc::EINVAL) => {
                "the size must be a multiple of the page size and not zero (EINVAL)"
            }
            (SetLen, libc::EPERM) => "it is set once, and was set before (EPERM)",
            (SetLen, libc::EFBIG) => "it is beyond the limit for files, RLIMIT_FSIZE (EFBIG)",
            (Allocate, libc::EINVAL) => {
                "the range must be whole pages, not empty, and inside the size (EINVAL)"
            }
            (Punch, libc::EINVAL) => "the range must be whole pages and not empty (EINVAL)",
            (Punch, libc::EBUSY) => "someone who uses the memory does not let it go (EBUSY)",
            (Punch, libc::EAGAIN) => {
                "a large page at the edge of the hole is in use, try again (EAGAIN)"
            }
            (Load, libc::EINVAL) => {
                "the range must be whole pages, not empty, and inside the size, \
                 and the source not restricted memory itself (EINVAL)"
            }
            (Load, libc::EBUSY) => "someone uses the memory (EBUSY)",
            (Load, libc::EFAULT) => "the contents cannot be read (EFAULT)",
            (Load, libc::EBADF) => "the source is not open for reading (EBADF)",
            (Load, libc::EISDIR) => "the source is a folder (EISDIR)",
            (Load, libc::ESPIPE) => "the source cannot be read at an offset (ESPIPE)",
            (Load, libc::ENODATA) => "the source ends too early (ENODATA)",
            (Load, libc::EHWPOISON) => "the memory is broken (EHWPOISON)",
            (Collapse, libc::EINVAL) => {
                "the range must have a whole large page, be in whole pages and inside the size, \
                 and large pages not be denied (EINVAL)"
            }
            (Collapse, libc::EBUSY) => {
                "someone who uses the memory refuses, or uses a part of a large page (EBUSY)"
            }
            (Collapse, libc::EAGAIN) => "some of it is in use, try again (EAGAIN)",
            (Collapse, libc::EHWPOISON) => "some of it is broken (EHWPOISON)",
            (Collapse, libc::EOPNOTSUPP) => "this kernel has no large pages (EOPNOTSUPP)",
            (SetPolicy, libc::EINVAL) => {
                "the range must be whole pages, not empty, and inside the size, \
                 and the nodes some that may be used (EINVAL)"
            }
            (SetPolicy, libc::EOPNOTSUPP) => "this kernel has no policies (EOPNOTSUPP)",
            (Allocate | Punch | Load | Collapse, libc::EINTR) => "a signal came first (EINTR)",
            (_, libc::ENOMEM) => "out of memory, or at the limit of the memory cgroup (ENOMEM)",
            (_, libc::ENOSPC) => "no space left where the memory comes from (ENOSPC)",
            (_, libc::EOPNOTSUPP) => "the descriptor is not restricted memory (EOPNOTSUPP)",
            (_, libc::ESPIPE) => "the descriptor is not restricted memory (ESPIPE)",
            (_, libc::ENOTTY) => "the descriptor is not restricted memory (ENOTTY)",
            (_, errno) => return write!(f, "{}", io::Error::from_raw_os_error(errno)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_errno_means_here() {
        let error = Error::new(Operation::SetLen, libc::EPERM);
        assert_eq!(
            error.to_string(),
            "cannot set the size of restricted memory: it is set once, and was set before (EPERM)"
        );
    }

    #[test]
    fn falls_back_to_the_words_of_the_c_library() {
        let error = Error::new(Operation::Stat, libc::EBADF);
        assert!(error.to_string().contains("os error 9"), "{error}");
    }

    #[test]
    fn keeps_its_kind_as_an_io_error() {
        let error = io::Error::from(Error::new(Operation::Punch, libc::EINTR));
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn only_a_missing_call_is_unsupported() {
        assert!(Error::new(Operation::Create, libc::ENOSYS).is_unsupported());
        assert!(Error::new(Operation::CreateOnMount, libc::ENOSYS).is_unsupported());
        assert!(!Error::new(Operation::Create, libc::EINVAL).is_unsupported());
        assert!(!Error::new(Operation::Stat, libc::ENOSYS).is_unsupported());
    }
}
