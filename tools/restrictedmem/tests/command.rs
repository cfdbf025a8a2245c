// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The command on whatever kernel this is: it works, or says in one sentence why not.

#![cfg(feature = "rmem")]

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
    let output = rmem(&["demo"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => assert!(restrictedmem::is_supported()),
        code => {
            assert_eq!(code, Some(3), "{stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
        }
    }
}

#[test]
fn wrong_usage_is_told_from_failure() {
    assert_eq!(rmem(&[]).status.code(), Some(2));
    assert_eq!(rmem(&["read"]).status.code(), Some(2));
    assert_eq!(rmem(&["--version"]).status.code(), Some(0));
}
