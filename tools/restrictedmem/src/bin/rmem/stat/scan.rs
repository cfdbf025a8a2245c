// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Which restricted files there are: those that a process has a descriptor of.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::str::FromStr;

use nix::sys::statfs::{FsType, statfs};
use restrictedmem::MAGIC;
use serde::Serialize;

use super::fdinfo::{self, Info};

/// All restricted files that could be seen.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    /// By device and inode.
    pub files: Vec<File>,
    /// Processes whose descriptors this user may not see.
    pub unreadable: usize,
}

/// A restricted file, however many descriptors it has.
#[derive(Debug, Serialize)]
pub struct File {
    /// The name that it has in `/proc`.
    pub name: String,
    pub device: u64,
    pub inode: u64,
    #[serde(flatten)]
    pub info: Info,
    pub holders: Vec<Holder>,
}

/// A process that has descriptors of a file.
#[derive(Debug, Serialize)]
pub struct Holder {
    pub pid: u32,
    /// The name of the process.
    pub command: String,
    /// The numbers of the descriptors.
    pub fds: Vec<RawFd>,
}

impl Snapshot {
    /// Looks at all processes. Those that end meanwhile are as good as gone before.
    pub fn take() -> io::Result<Self> {
        let mut files = BTreeMap::new();
        let mut unreadable = 0;
        for pid in numbers("/proc".into())? {
            match descriptors(pid) {
                Ok(fds) => fds.into_iter().for_each(|fd| note(&mut files, pid, fd)),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => unreadable += 1,
                Err(_) => {}
            }
        }
        Ok(Self {
            files: files.into_values().collect(),
            unreadable,
        })
    }

    /// Keeps what a process holds, by this descriptor if one is named.
    pub fn keep(&mut self, pid: u32, fd: Option<RawFd>) {
        self.files.retain(|file| {
            file.holders
                .iter()
                .any(|holder| holder.pid == pid && fd.is_none_or(|fd| holder.fds.contains(&fd)))
        });
    }
}

/// The numbers of the descriptors of a process.
pub fn descriptors(pid: u32) -> io::Result<Vec<RawFd>> {
    numbers(format!("/proc/{pid}/fd").into())
}

/// The names in a folder that are numbers, in order.
fn numbers<N: FromStr + Ord>(folder: PathBuf) -> io::Result<Vec<N>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse().ok()));
    }
    numbers.sort();
    Ok(numbers)
}

/// Adds a descriptor if it is of a restricted file.
fn note(files: &mut BTreeMap<(u64, u64), File>, pid: u32, fd: RawFd) {
    let Some(found) = look(pid, fd) else {
        return;
    };
    let file = match files.entry((found.device, found.inode)) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => place.insert(found),
    };
    match file.holders.last_mut() {
        Some(holder) if holder.pid == pid => holder.fds.push(fd),
        _ => file.holders.push(Holder {
            pid,
            command: fs::read_to_string(format!("/proc/{pid}/comm"))
                .map(|name| name.trim_end().to_owned())
                .unwrap_or_default(),
            fds: vec![fd],
        }),
    }
}

/// The file of a descriptor, if it is a restricted one, without its holders.
///
/// Questions that can wait for ever, on a network filesystem whose server is gone, are asked last,
/// when it is all but certain what the file is.
fn look(pid: u32, fd: RawFd) -> Option<File> {
    let link = format!("/proc/{pid}/fd/{fd}");
    // A file without a place in the tree: "/NAME (deleted)".
    let target = fs::read_link(&link).ok()?;
    let name = target.to_string_lossy();
    let name = name.strip_prefix('/')?.strip_suffix(" (deleted)")?;

    let info = fdinfo::parse(&fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?);
    if !info.amounts.contains_key("size") {
        return None;
    }
    let metadata = confirm(&link, info.inode)?;
    Some(File {
        name: name.to_owned(),
        device: metadata.dev(),
        inode: metadata.ino(),
        info,
        holders: Vec::new(),
    })
}

/// Makes sure that a path leads to this inode and that it is a restricted file. The number of the
/// descriptor may be that of another file by now.
fn confirm(path: &str, inode: Option<u64>) -> Option<Metadata> {
    let FsType(magic) = statfs(path).ok()?.filesystem_type();
    let metadata = fs::metadata(path).ok()?;
    (magic as u32 == MAGIC && inode == Some(metadata.ino())).then_some(metadata)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use nix::sys::memfd::{MFdFlags, memfd_create};

    use super::*;

    fn file(inode: u64, holders: &[(u32, &[RawFd])]) -> File {
        File {
            name: "restrictedmem".into(),
            device: 15,
            inode,
            info: Info::default(),
            holders: holders
                .iter()
                .map(|(pid, fds)| Holder {
                    pid: *pid,
                    command: "a".into(),
                    fds: fds.to_vec(),
                })
                .collect(),
        }
    }

    fn kept(pid: u32, fd: Option<RawFd>) -> Vec<u64> {
        let mut snapshot = Snapshot {
            files: vec![
                file(1, &[(7, &[3, 5])]),
                file(2, &[(7, &[4]), (8, &[3])]),
                file(3, &[(9, &[3])]),
            ],
            unreadable: 0,
        };
        snapshot.keep(pid, fd);
        snapshot.files.iter().map(|file| file.inode).collect()
    }

    #[test]
    fn keeps_what_a_process_holds() {
        assert_eq!(kept(7, None), [1, 2]);
        assert_eq!(kept(7, Some(5)), [1]);
        assert_eq!(kept(8, Some(3)), [2]);
        assert!(kept(8, Some(4)).is_empty());
        assert!(kept(10, None).is_empty());
    }

    #[test]
    fn an_ordinary_file_is_not_restricted() {
        let file = fs::File::from(memfd_create("x", MFdFlags::MFD_CLOEXEC).unwrap());
        let (pid, fd) = (std::process::id(), file.as_raw_fd());
        assert!(descriptors(pid).unwrap().contains(&fd));
        assert!(look(pid, fd).is_none());

        let inode = file.metadata().unwrap().ino();
        assert!(confirm(&format!("/proc/self/fd/{fd}"), Some(inode)).is_none());
    }
}
