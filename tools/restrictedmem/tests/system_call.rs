// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The library against a kernel that has `memfd_restricted(2)`. README.md says how to run it there;
//! elsewhere these tests are ignored, and fail if they are asked for.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statfs::statfs;
use restrictedmem::{Builder, Error, Flags, Operation, Policy, RestrictedMemory, page_size};

fn memory(pages: u64) -> RestrictedMemory {
    Builder::new()
        .len(pages * page_size())
        .create()
        .expect("this kernel has memfd_restricted")
}

/// Pages of a file, as a range of bytes.
fn pages(range: std::ops::Range<u64>) -> std::ops::Range<u64> {
    range.start * page_size()..range.end * page_size()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, operation: Operation, errno: i32) {
    let error = result.expect_err("refused");
    assert_eq!(
        (error.operation(), error.errno()),
        (operation, errno),
        "{error}"
    );
}

fn is_cloexec(memory: &RestrictedMemory) -> bool {
    let flags = fcntl(memory, FcntlArg::F_GETFD).expect("an open descriptor");
    FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC)
}

#[test]
#[ignore = "needs memfd_restricted"]
fn is_supported() {
    assert!(restrictedmem::is_supported());
}

#[test]
#[ignore = "needs memfd_restricted"]
fn refuses_an_unknown_flag() {
    for bit in 8..32 {
        let flags = Flags::CLOEXEC | Flags::from_bits_retain(1 << bit);
        refused(
            RestrictedMemory::create(flags),
            Operation::Create,
            libc::EINVAL,
        );
    }
}

#[test]
#[ignore = "needs memfd_restricted"]
fn knows_which_flags_there_are() {
    assert!(restrictedmem::supports(Flags::CLOEXEC));
    for bit in 8..32 {
        let unknown = Flags::from_bits_retain(1 << bit);
        assert!(!restrictedmem::supports(Flags::CLOEXEC | unknown));
    }
}

#[test]
#[ignore = "needs memfd_restricted"]
fn comes_from_a_mount() {
    let root = File::open("/tmp").unwrap();
    let on = |mount: &File| {
        Builder::new()
            .mount(mount.as_fd())
            .len(4 * page_size())
            .create()
    };
    let free = || statfs("/tmp").unwrap().blocks_free();
    let before = free();
    let memory = on(&root).unwrap();
    memory.allocate(pages(0..4)).unwrap();
    assert_eq!(before.checked_sub(free()), Some(4));
    drop(memory);

    for (path, errno) in [("/proc/self/exe", libc::ENOTDIR), ("/proc", libc::EINVAL)] {
        let other = File::open(path).unwrap();
        refused(on(&other), Operation::CreateOnMount, errno);
    }
    let nothing = RestrictedMemory::create(Flags::USERMNT);
    refused(nothing, Operation::Create, libc::EBADF);
}

#[test]
#[ignore = "needs memfd_restricted"]
fn is_closed_on_exec_only_if_asked_to() {
    assert!(is_cloexec(
        &RestrictedMemory::create(Flags::CLOEXEC).unwrap()
    ));
    assert!(is_cloexec(&Builder::new().create().unwrap()));
    assert!(!is_cloexec(
        &RestrictedMemory::create(Flags::empty()).unwrap()
    ));
}

#[test]
#[ignore = "needs memfd_restricted"]
fn is_sized_once() {
    let memory = RestrictedMemory::create(Flags::default()).unwrap();
    assert_eq!(memory.stat().unwrap().len, 0);
    refused(memory.set_len(0), Operation::SetLen, libc::EINVAL);
    refused(
        memory.set_len(page_size() + 1),
        Operation::SetLen,
        libc::EINVAL,
    );
    refused(memory.set_len(u64::MAX), Operation::SetLen, libc::EINVAL);

    memory.set_len(2 * page_size()).unwrap(); // a refusal does not count
    for len in [1, 2, 3] {
        refused(
            memory.set_len(len * page_size()),
            Operation::SetLen,
            libc::EPERM,
        );
    }
    assert_eq!(memory.stat().unwrap().len, 2 * page_size());
}

#[test]
#[ignore = "needs memfd_restricted"]
fn reserves_and_gives_back() {
    let memory = memory(16);
    assert_eq!(memory.stat().unwrap().allocated, 0);
    memory.allocate(pages(4..12)).unwrap();
    memory.allocate(pages(4..12)).unwrap(); // twice is once
    assert_eq!(memory.stat().unwrap().allocated, 8 * page_size());

    memory.punch(pages(6..8)).unwrap();
    assert_eq!(memory.stat().unwrap().allocated, 6 * page_size());
    memory.punch(pages(0..1 << 20)).unwrap(); // what is beyond the size is ignored
    assert_eq!(memory.stat().unwrap().allocated, 0);
    assert_eq!(memory.stat().unwrap().len, 16 * page_size());
}

#[test]
#[ignore = "needs memfd_restricted"]
fn reserves_whole_pages_inside_the_size() {
    let memory = memory(4);
    let page = page_size();
    for range in [
        0..0,
        1..page,
        0..page + 1,
        page / 2..page,
        pages(3..5),
        pages(4..5),
    ] {
        refused(memory.allocate(range), Operation::Allocate, libc::EINVAL);
    }
    refused(
        memory.allocate(0..u64::MAX),
        Operation::Allocate,
        libc::EINVAL,
    );
    #[allow(clippy::reversed_empty_ranges)]
    let backwards = 3 * page..page;
    refused(
        memory.allocate(backwards),
        Operation::Allocate,
        libc::EINVAL,
    );
    assert_eq!(memory.stat().unwrap().allocated, 0);
}

#[test]
#[ignore = "needs memfd_restricted"]
fn punches_whole_pages() {
    let memory = memory(4);
    memory.allocate(pages(0..4)).unwrap();
    let page = page_size();
    for range in [0..0, 1..page, 0..page + 1, page / 2..2 * page] {
        refused(memory.punch(range), Operation::Punch, libc::EINVAL);
    }
    assert_eq!(memory.stat().unwrap().allocated, 4 * page);
}

#[test]
#[ignore = "needs memfd_restricted"]
fn has_no_data_that_nobody_used() {
    let memory = memory(4);
    memory.allocate(pages(0..2)).unwrap();
    assert_eq!(memory.present().count(), 0);
    assert_eq!(memory.seek_data(0), Ok(None));
    assert_eq!(memory.seek_hole(page_size()), Ok(Some(page_size())));
    assert_eq!(memory.seek_hole(4 * page_size()), Ok(None));
}

#[test]
#[ignore = "needs memfd_restricted"]
fn loads_a_slice() {
    let memory = memory(16);
    let page = page_size() as usize;
    let contents = vec![0x5a; 4 * page + 1];
    memory.load(2 * page_size(), &contents[1..]).unwrap(); // of any alignment
    assert_eq!(memory.stat().unwrap().allocated, 4 * page_size());
    let present: Vec<_> = memory.present().map(Result::unwrap).collect();
    assert_eq!(present, [pages(2..6)]);

    for (offset, len) in [(0, 0), (0, 1), (1, page), (0, page + 1)] {
        let result = memory.load(offset, &contents[..len]);
        refused(result, Operation::Load, libc::EINVAL);
    }
    let beyond = memory.load(15 * page_size(), &contents[..2 * page]);
    refused(beyond, Operation::Load, libc::EINVAL);
}

#[test]
#[ignore = "needs memfd_restricted"]
fn loads_a_file() {
    let memory = memory(16);
    let path = std::env::temp_dir().join(format!("restrictedmem-{}", std::process::id()));
    let page = page_size();
    std::fs::write(&path, vec![0x5a; 5 * page as usize / 2]).unwrap();
    let file = File::open(&path).unwrap();
    let unreadable = File::options().write(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();

    memory.load_file(pages(1..3), &file, 7).unwrap();
    assert_eq!(memory.stat().unwrap().allocated, 2 * page);
    let short = memory.load_file(pages(4..9), &file, 0).unwrap_err();
    assert_eq!(short.errno(), libc::ENODATA);
    assert_eq!(short.done(), 3 * page); // the half page is one with zeroes
    assert_eq!(memory.stat().unwrap().allocated, 5 * page);

    let result = memory.load_file(pages(0..1), &unreadable, 0);
    refused(result, Operation::Load, libc::EBADF);
    let result = memory.load_file(pages(0..1), &memory, 0);
    refused(result, Operation::Load, libc::EINVAL);
    let result = memory.load_file(pages(0..1), &file, u64::MAX);
    refused(result, Operation::Load, libc::EINVAL);
}

#[test]
#[ignore = "needs memfd_restricted"]
fn becomes_large() {
    let memory = memory(1536);
    memory.load(600 * page_size(), &vec![0x5a; 4096]).unwrap();
    memory.collapse(pages(0..1536)).unwrap();
    let present: Vec<_> = memory.present().map(Result::unwrap).collect();
    assert_eq!(present, [pages(512..1024)]);

    for range in [pages(0..511), pages(1024..2048), pages(3..3)] {
        refused(memory.collapse(range), Operation::Collapse, libc::EINVAL);
    }
}

#[test]
#[ignore = "needs memfd_restricted"]
fn sets_a_policy() {
    let memory = memory(16);
    let first = memory.set_policy(pages(0..16), Policy::Bind(&[0]));
    // A kernel without NUMA knows no nodes, and has no policies.
    if !Path::new("/sys/devices/system/node").exists() {
        refused(first, Operation::SetPolicy, libc::EOPNOTSUPP);
        return;
    }
    first.unwrap();
    memory
        .set_policy(pages(4..8), Policy::Preferred(0))
        .unwrap();
    memory.set_policy(pages(4..8), Policy::Local).unwrap();
    memory.set_policy(pages(0..16), Policy::Default).unwrap();

    for nodes in [&[][..], &[200], &[0, u32::MAX]] {
        let result = memory.set_policy(pages(0..1), Policy::Bind(nodes));
        refused(result, Operation::SetPolicy, libc::EINVAL);
    }
    for range in [pages(16..17), pages(3..3), 1..page_size()] {
        let result = memory.set_policy(range, Policy::Local);
        refused(result, Operation::SetPolicy, libc::EINVAL);
    }
}

#[test]
#[ignore = "needs memfd_restricted"]
fn lives_as_long_as_a_descriptor() {
    let memory = memory(4);
    memory.allocate(pages(0..1)).unwrap();
    let copy = RestrictedMemory::from(memory.as_fd().try_clone_to_owned().unwrap());
    drop(memory);
    assert_eq!(copy.stat().unwrap().allocated, page_size());
    refused(copy.set_len(page_size()), Operation::SetLen, libc::EPERM);
}

#[test]
#[ignore = "needs memfd_restricted"]
fn is_taken_from_a_process() {
    let memory = memory(4);
    let pid = std::process::id();
    let copy = RestrictedMemory::from_process(pid, memory.as_raw_fd()).unwrap();
    assert!(is_cloexec(&copy));
    memory.allocate(pages(0..1)).unwrap();
    assert_eq!(copy.stat(), memory.stat());

    let ordinary = memfd_create("ordinary", MFdFlags::MFD_CLOEXEC).unwrap();
    for (pid, fd, errno) in [
        (pid, ordinary.as_raw_fd(), libc::EOPNOTSUPP),
        (pid, RawFd::MAX, libc::EBADF),
        (pid, -1, libc::EBADF),
        (0, 0, libc::ESRCH),
        (i32::MAX as u32, 0, libc::ESRCH),
        (u32::MAX, 0, libc::ESRCH),
    ] {
        let taken = RestrictedMemory::from_process(pid, fd);
        refused(taken, Operation::Take, errno);
    }
}

#[test]
#[ignore = "needs memfd_restricted"]
fn cannot_be_read_or_written_as_a_file() {
    let mut file = File::from(OwnedFd::from(memory(4)));
    assert!(file.read(&mut [0; 16]).is_err());
    assert!(file.write(&[0; 16]).is_err());
}
