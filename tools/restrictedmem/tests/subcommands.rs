// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The command on restricted files, in a kernel that has `memfd_restricted(2)`. README.md says how
//! to run it there; elsewhere these tests are ignored, and fail if they are asked for.

#![cfg(feature = "rmem")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::memfd::{MFdFlags, memfd_create};
use restrictedmem::RestrictedMemory;
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// The command: the one that cargo has built, or that of the machine that the tests were taken to.
fn rmem(arguments: &[&str]) -> Command {
    let built = env!("CARGO_BIN_EXE_rmem");
    let mut command = Command::new(if Path::new(built).exists() {
        built
    } else {
        "rmem"
    });
    command.args(arguments);
    command
}

#[track_caller]
fn output(arguments: &[&str]) -> Output {
    rmem(arguments).output().expect("rmem can be run")
}

/// What it prints when all is well.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = output(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}

/// It fails, with one sentence that has these words.
#[track_caller]
fn refused(arguments: &[&str], words: &str) {
    let output = output(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(words), "{stderr}");
}

/// A program that `rmem run` has become, which does nothing until it is killed.
struct Holder {
    child: Child,
    pid: String,
    fd: String,
}

impl Holder {
    fn new(options: &[&str]) -> Self {
        let mut child = rmem(&["run"])
            .args(options)
            .args(["--", "sh", "-c", "echo $RMEM_FD; exec cat > /dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("rmem can be run");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe"))
            .read_line(&mut line)
            .expect("the shell speaks");
        Self {
            pid: child.id().to_string(),
            fd: line.trim().to_owned(),
            child,
        }
    }

    fn memory(&self) -> RestrictedMemory {
        let fd = self.fd.parse().expect("RMEM_FD is a number");
        RestrictedMemory::from_process(self.child.id(), fd).expect("it has the descriptor")
    }

    /// What `rmem stat` says of its file, which is the only one that it holds.
    fn stat(&self) -> Value {
        let files = files(&printed(&["stat", "--json", "--pid", &self.pid]));
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn files(text: &str) -> Vec<Value> {
    let snapshot: Value = serde_json::from_str(text).expect("JSON");
    snapshot["files"].as_array().expect("a list").clone()
}

#[test]
#[ignore = "needs memfd_restricted"]
fn probe_knows_the_flag_that_was_there_first() {
    let words: Vec<String> = printed(&["probe"])
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert!(words.contains(&"RMFD_CLOEXEC yes".to_owned()), "{words:?}");
}

#[test]
#[ignore = "needs memfd_restricted"]
fn run_hands_a_file_on() {
    let holder = Holder::new(&["--size", "4M"]);
    let stat = holder.memory().stat().unwrap();
    assert_eq!((stat.len, stat.allocated), (4 * MIB, 0));

    let holder = Holder::new(&["--size", "0x400000", "--reserve"]);
    let stat = holder.memory().stat().unwrap();
    assert_eq!((stat.len, stat.allocated), (4 * MIB, 4 * MIB));
}

#[test]
#[ignore = "needs memfd_restricted"]
fn run_takes_from_a_mount() {
    let run = |folder| ["run", "--size", "4K", "--mount", folder, "true"];
    printed(&run("/tmp"));
    refused(&run("/proc"), "not the root of a tmpfs");
    refused(
        &run("/no such folder"),
        "cannot open /no such folder: No such file",
    );
}

#[test]
#[ignore = "needs memfd_restricted"]
fn run_has_one_descriptor_of_the_number_asked_for() {
    let holder = Holder::new(&["--size", "4K", "--fd", "9"]);
    assert_eq!(holder.fd, "9");
    assert_eq!(holder.stat()["holders"][0]["fds"], json!([9]));

    // The next that is free is one that can be asked for, too.
    let first = Holder::new(&["--size", "4K"]);
    let second = Holder::new(&["--size", "4K", "--fd", &first.fd]);
    assert_eq!(second.fd, first.fd);

    let run = |fd| ["run", "--size", "4K", "--fd", fd, "--", "true"];
    refused(&run("1"), "descriptor 1 is in use");
    refused(&run("2147483647"), "RLIMIT_NOFILE");
}

#[test]
#[ignore = "needs memfd_restricted"]
fn run_ends_as_the_program_does() {
    let run = |size, program| ["run", "--size", size, "sh", "-c", program];
    assert_eq!(output(&run("4K", "exit 42")).status.code(), Some(42));
    assert_eq!(printed(&run("4K", "echo $0")), "sh\n");

    refused(&run("100", "exit 42"), "multiple of the page size");
    refused(&run("0", "exit 42"), "multiple of the page size");
    let words = "cannot run no-such-program: No such file";
    refused(&["run", "--size", "4K", "no-such-program"], words);
}

#[test]
#[ignore = "needs memfd_restricted"]
fn stat_counts_a_file_once() {
    let holder = Holder::new(&["--size", "4M", "--reserve"]);
    let memory = holder.memory();
    let copy = memory.as_fd().try_clone_to_owned().unwrap();
    let file = holder.stat();
    assert_eq!(file["name"], "restrictedmem");
    assert_eq!(file["size"], 4 * MIB);
    assert_eq!(file["memory"], 4 * MIB);
    assert_eq!(file["quarantined"], 0);

    let holders = file["holders"].as_array().unwrap();
    let fds_of = |pid: u32| {
        let holder = holders.iter().find(|holder| holder["pid"] == pid);
        holder.expect("is listed")["fds"].clone()
    };
    let mut ours = [memory.as_raw_fd(), copy.as_raw_fd()];
    ours.sort();
    assert_eq!(holders.len(), 2, "{holders:?}");
    assert_eq!(fds_of(std::process::id()), json!(ours));
    assert_eq!(fds_of(holder.child.id()).as_array().unwrap().len(), 1);

    // Among all files, it is there once, too.
    let all = files(&printed(&["stat", "--json"]));
    let same = |other: &&Value| other["inode"] == file["inode"];
    assert_eq!(all.iter().filter(same).count(), 1, "{all:?}");

    drop((memory, copy));
    assert_eq!(holder.stat()["holders"].as_array().unwrap().len(), 1);
}

#[test]
#[ignore = "needs memfd_restricted"]
fn stat_is_for_people_to_read() {
    let holder = Holder::new(&["--size", "4M", "--reserve"]);
    let text = printed(&["stat", "--pid", &holder.pid, "--fd", &holder.fd]);
    for line in [
        "  size         4 MiB".to_owned(),
        "  memory       4 MiB".to_owned(),
        format!(", fd {}", holder.fd),
        "1 file, 4 MiB of memory".to_owned(),
    ] {
        assert!(text.lines().any(|have| have.ends_with(&line)), "{text}");
    }
}

#[test]
#[ignore = "needs memfd_restricted"]
fn stat_says_why_there_is_nothing() {
    let holder = Holder::new(&["--size", "4K"]);
    let stat = |pid, fd| ["stat", "--pid", pid, "--fd", fd];
    refused(&stat(&holder.pid, "0"), "is not restricted memory");
    refused(&stat(&holder.pid, "99"), "has no descriptor 99");
    refused(&stat("4294967295", "0"), "there is no process");
    refused(&["stat", "--pid", "1"], "holds no restricted memory");
}

#[test]
#[ignore = "needs memfd_restricted"]
fn needs_the_rights_of_a_tracer() {
    const NOBODY: u32 = 65534;
    let holder = Holder::new(&["--size", "4K"]);
    let (pid, fd) = (holder.pid.as_str(), holder.fd.as_str());
    let as_nobody = |arguments: &[&str]| {
        let output = rmem(arguments).uid(NOBODY).gid(NOBODY).output();
        output.expect("this process is root's")
    };

    let all = as_nobody(&["stat", "--json"]);
    let all: Value = serde_json::from_slice(&all.stdout).expect("JSON");
    assert_eq!(all["files"], json!([]));
    assert!(all["unreadable"].as_u64() > Some(0), "{all}");

    let stat = as_nobody(&["stat", "--pid", pid]);
    let stderr = String::from_utf8_lossy(&stat.stderr);
    assert_eq!(stat.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("Permission denied"), "{stderr}");

    let hole = ["--offset", "0", "--length", "4K"];
    let punch = as_nobody(&[["punch", "--pid", pid, "--fd", fd].as_slice(), &hole].concat());
    let stderr = String::from_utf8_lossy(&punch.stderr);
    assert_eq!(punch.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("EPERM"), "{stderr}");
}

#[test]
#[ignore = "needs memfd_restricted"]
fn stat_watches() {
    let holder = Holder::new(&["--size", "4M", "--reserve"]);
    let mut watch = rmem(&["stat", "--json", "--watch", "0.1", "--pid", &holder.pid])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rmem can be run");
    let lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
    let mut memory = lines.map(|line| files(&line.unwrap())[0]["memory"].as_u64().unwrap());
    assert_eq!(memory.next(), Some(4 * MIB));

    holder.memory().punch(0..MIB).unwrap();
    assert_eq!(memory.find(|bytes| *bytes != 4 * MIB), Some(3 * MIB));

    drop(holder);
    memory.for_each(|bytes| assert_eq!(bytes, 3 * MIB));
    let end = watch.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&end.stderr);
    assert_eq!(end.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("process"), "{stderr}");
}

#[test]
#[ignore = "needs memfd_restricted"]
fn load_brings_a_file() {
    let holder = Holder::new(&["--size", "4M"]);
    let page = restrictedmem::page_size();
    let source = File::from(memfd_create("source", MFdFlags::MFD_CLOEXEC).unwrap());
    source.set_len(2 * page + 100).unwrap();
    let path = format!("/proc/{}/fd/{}", std::process::id(), source.as_raw_fd());
    let load = ["load", "--pid", &holder.pid, "--fd", &holder.fd];
    let present = || -> Vec<_> { holder.memory().present().map(Result::unwrap).collect() };

    printed(&[load.as_slice(), &["--offset", "1M", &path]].concat());
    let first = MIB..MIB + 3 * page; // zeroes fill the last page
    assert_eq!(present(), [first.clone()]);

    let length = page.to_string();
    let one = ["--length", &length, "--source-offset", "50", &path];
    printed(&[load.as_slice(), &one].concat());
    assert_eq!(present(), [0..page, first]);

    for (more, words) in [
        (["--offset", "100", &path], "whole pages"),
        (["--offset", "4M", &path], "inside the size"),
        (["--length", "2M", &path], "12 KiB were loaded"),
        (
            ["--offset", "0", "/no such file"],
            "cannot read /no such file",
        ),
    ] {
        refused(&[load.as_slice(), &more].concat(), words);
    }
}

#[test]
#[ignore = "needs memfd_restricted"]
fn punch_gives_memory_back() {
    let holder = Holder::new(&["--size", "4M", "--reserve"]);
    let punch = |offset, length| {
        let (pid, fd) = (holder.pid.as_str(), holder.fd.as_str());
        [
            "punch", "--pid", pid, "--fd", fd, "--offset", offset, "--length", length,
        ]
    };
    assert_eq!(printed(&punch("1M", "0x100000")), "");
    assert_eq!(holder.stat()["memory"], 3 * MIB);

    refused(&punch("100", "4K"), "must be whole pages");
    refused(&punch("0", "100"), "must be whole pages");
    refused(&punch("0", "0"), "must be whole pages");
    refused(&punch("4K", "0xffffffffffffffff"), "no file is that large");
    assert_eq!(holder.stat()["memory"], 3 * MIB);

    printed(&punch("0", "1T")); // what is beyond the size is ignored
    assert_eq!(holder.stat()["memory"], 0);
}

#[test]
#[ignore = "needs memfd_restricted"]
fn collapse_makes_memory_large() {
    let holder = Holder::new(&["--size", "4M"]);
    let collapse = |offset, length| {
        let (pid, fd) = (holder.pid.as_str(), holder.fd.as_str());
        [
            "collapse", "--pid", pid, "--fd", fd, "--offset", offset, "--length", length,
        ]
    };
    let memory = holder.memory();
    memory.load(2 << 20, &[7; 4096]).unwrap();
    assert_eq!(printed(&collapse("0", "4M")), "");
    assert_eq!(holder.stat()["memory"], 2 * MIB);

    refused(&collapse("1M", "2M"), "must have a whole large page");
    refused(&collapse("2M", "4M"), "inside the size");
}

#[test]
#[ignore = "needs memfd_restricted"]
fn punch_touches_nothing_else() {
    let punch = |pid, fd| {
        let hole = ["--offset", "0", "--length", "4K"];
        [["punch", "--pid", pid, "--fd"].as_slice(), &[fd], &hole].concat()
    };
    let ordinary = File::from(memfd_create("ordinary", MFdFlags::MFD_CLOEXEC).unwrap());
    ordinary.write_all_at(&[1; 4096], 0).unwrap();
    let pid = std::process::id().to_string();
    let fd = ordinary.as_raw_fd().to_string();
    refused(&punch(&pid, &fd), "is not restricted memory");
    let mut bytes = [0; 4096];
    ordinary.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [1; 4096]);

    refused(&punch(&pid, "9999"), "has no descriptor of that number");
    refused(&punch("4294967295", "0"), "there is no such process");
    refused(&punch("0", "0"), "there is no such process");
}
