// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The flags of this crate are those of the kernel's header, which lies in the same tree.

use restrictedmem::Flags;

const HEADER: &str = include_str!("../../../include/uapi/linux/restrictedmem.h");

/// The names after `RMFD_` and the values of the lines that define a flag.
fn defined() -> Vec<(&'static str, u32)> {
    HEADER
        .lines()
        .filter_map(|line| {
            let mut words = line.strip_prefix("#define RMFD_")?.split_whitespace();
            let (name, value) = (words.next()?, words.next()?);
            let digits = value.strip_prefix("0x")?.strip_suffix('U')?;
            Some((name, u32::from_str_radix(digits, 16).ok()?))
        })
        .collect()
}

#[test]
fn has_the_flags_of_the_header() {
    let ours: Vec<_> = Flags::all()
        .iter_names()
        .map(|(name, flag)| (name, flag.bits()))
        .collect();
    assert_eq!(ours, defined());
}
