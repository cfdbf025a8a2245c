// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The command on whatever kernel this is: it works, or says in one sentence why not.

#![cfg(feature = "rmem")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn rmem(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rmem"))
        .args(arguments)
        .output()
        .expect("rmem can be run")
}

#[test]
fn probe_agrees_with_the_library() {
    let output = rmem(&["probe"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if restrictedmem::is_supported() {
        assert_eq!(output.status.code(), Some(0), "{stderr}");
    } else {
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains("ENOSYS"), "{stderr}");
    }
}

#[test]
fn demo_says_what_is_missing() {
    let linux = ["demo", "--linux=/no-such-file", "--initramfs=/no-such-file"];
    for arguments in [["demo"].as_slice(), &["demo", "--gunyah"], &linux] {
        let output = rmem(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => assert!(restrictedmem::is_supported()),
            code => {
                assert_eq!(code, Some(3), "{stderr}");
                assert_eq!(stderr.lines().count(), 1, "{stderr}");
            }
        }
    }
}

#[test]
fn run_and_stat_say_what_is_missing() {
    for arguments in [["run", "--size=4K", "true"].as_slice(), &["stat"]] {
        let output = rmem(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        if restrictedmem::is_supported() {
            assert_eq!(output.status.code(), Some(0), "{stderr}");
        } else {
            assert_eq!(output.status.code(), Some(3), "{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
            assert!(stderr.contains("ENOSYS"), "{stderr}");
        }
    }
}

#[test]
fn bench_says_what_is_missing() {
    if restrictedmem::is_supported() {
        return; // It would take a while; the test machine has a short one.
    }
    let output = rmem(&["bench"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn wrong_usage_is_told_from_failure() {
    for arguments in [
        [].as_slice(),
        &["read"],
        &["run", "--size=4K"],
        &["run", "true"],
        &["run", "--size=4Q", "true"],
        &["run", "--size=4K", "--fd=-1", "true"],
        &["run", "--size=4K", "--hugepage", "--mount=/tmp", "true"],
        &["punch", "--pid=1", "--fd=0", "--offset=0"],
        &["punch", "--pid=1", "--offset=0", "--length=4K"],
        &["load", "--pid=1", "--fd=0"],
        &["stat", "--fd=0"],
        &["demo", "--linux=Image"],
        &["demo", "--initramfs=initramfs"],
        &["demo", "--gunyah", "--linux=Image", "--initramfs=initramfs"],
        &["stat", "--watch=0"],
    ] {
        assert_eq!(rmem(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(rmem(&["--version"]).status.code(), Some(0));
}

/// The subcommands that a reader of the help sees.
const COMMANDS: &[&str] = &[
    "bench", "collapse", "demo", "load", "probe", "punch", "run", "stat",
];

#[test]
fn has_a_manual_page_for_each_command() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    let _ = fs::remove_dir_all(&folder);
    let output = rmem(&["man", folder.to_str().unwrap()]);
    assert!(output.status.success());

    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected: Vec<_> = COMMANDS
        .iter()
        .map(|name| format!("rmem-{name}.1"))
        .collect();
    expected.push("rmem.1".into());
    assert_eq!(names, expected);
    for name in names {
        let page = fs::read_to_string(folder.join(name)).unwrap();
        for macros in [".TH rmem", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"] {
            assert!(page.contains(macros), "{page}");
        }
    }
    let inside = folder.join("rmem.1").join("inside a file");
    assert_eq!(
        rmem(&["man", inside.to_str().unwrap()]).status.code(),
        Some(1)
    );
}

#[test]
fn completes_each_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = rmem(&["completions", shell]);
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).unwrap();
        for word in COMMANDS.iter().chain(&["reserve", "length", "watch"]) {
            assert!(script.contains(word), "{word} in {script}");
        }
    }
}
