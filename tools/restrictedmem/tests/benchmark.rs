// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The results in the documentation are what the samples beside them say.

#![cfg(all(feature = "rmem", target_arch = "x86_64"))]

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

const RESULTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../Documentation/mm/restrictedmem-benchmark"
);

#[test]
fn page_and_plots_come_from_the_samples() {
    let results = Path::new(RESULTS);
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("benchmark");
    let _ = fs::remove_dir_all(&made);
    let status = Command::new(env!("CARGO_BIN_EXE_rmem"))
        .arg("bench")
        .arg("--from")
        .arg(results.join("samples.csv"))
        .arg("--into")
        .arg(&made)
        .status()
        .expect("rmem can be run");
    assert!(status.success(), "there are samples of everything");

    for entry in fs::read_dir(results).expect("there are results") {
        let name = entry.expect("a file").file_name();
        if name != OsStr::new("samples.csv") {
            let is = fs::read_to_string(results.join(&name)).expect("text");
            let should_be = fs::read_to_string(made.join(&name)).unwrap_or_default();
            assert!(
                is == should_be,
                "{} was not made from the samples",
                name.to_string_lossy()
            );
        }
    }
}
