// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the kernel tells of a restricted file in `/proc/PID/fdinfo/FD`.

use std::collections::BTreeMap;

use serde::Serialize;

/// Lines that give an amount of memory.
pub const AMOUNTS: &[&str] = &[
    "size",
    "memory",
    "present",
    "reserved",
    "quarantined",
    "poisoned",
];
/// Lines that count what happened.
pub const EVENTS: &[&str] = &["populates", "loads", "punches", "refusals"];
/// Lines about the descriptor, not about the file.
const DESCRIPTOR: &[&str] = &["pos", "flags", "mnt_id"];

/// What one text says. What it does not say is not here: it is unknown, not zero.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Info {
    /// The number of the inode.
    #[serde(skip)]
    pub inode: Option<u64>,
    /// Some of [`AMOUNTS`], in bytes.
    #[serde(flatten)]
    pub amounts: BTreeMap<&'static str, u64>,
    /// Bytes that are present in pages of 2^n base pages, by n.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub present_by_order: BTreeMap<u32, u64>,
    /// Bytes that are present, by NUMA node.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub present_by_node: BTreeMap<u32, u64>,
    /// Some of [`EVENTS`].
    #[serde(flatten)]
    pub events: BTreeMap<&'static str, u64>,
    /// Whether the kernel could not tell of bindings just then, as somebody worked on the file.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub busy: bool,
    /// Who uses which part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Binding>,
    /// Lines that this program does not know, or cannot read: the values of each key, in order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, Vec<String>>,
}

/// A part of the file that someone in the kernel uses.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// The first byte.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
    /// Whether others may use the part, too.
    pub mode: Mode,
    /// The kind of consumer.
    pub consumer: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Exclusive,
    Shared,
}

/// Reads the text.
pub fn parse(text: &str) -> Info {
    let mut info = Info::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if !DESCRIPTOR.contains(&key) && info.take(key, value).is_none() {
            let values = info.other.entry(key.to_owned()).or_default();
            values.push(value.to_owned());
        }
    }
    info
}

impl Info {
    /// Takes a line in; `None` if it is not understood.
    fn take(&mut self, key: &str, value: &str) -> Option<()> {
        if let Some(known) = AMOUNTS.iter().find(|known| **known == key) {
            self.amounts.insert(known, bytes(value)?);
        } else if let Some(known) = EVENTS.iter().find(|known| **known == key) {
            self.events.insert(known, value.parse().ok()?);
        } else if let Some(order) = key.strip_prefix("present-order-") {
            self.present_by_order
                .insert(order.parse().ok()?, bytes(value)?);
        } else if let Some(node) = key.strip_prefix("present-node-") {
            self.present_by_node
                .insert(node.parse().ok()?, bytes(value)?);
        } else if key == "binding" {
            self.bindings.push(binding(value)?);
        } else if key == "busy" {
            self.busy = value == "1";
        } else if key == "ino" {
            self.inode = Some(value.parse().ok()?);
        } else {
            return None;
        }
        Some(())
    }
}

/// `N kB`, in bytes.
fn bytes(value: &str) -> Option<u64> {
    let kib: u64 = value.strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

/// `0xSTART-0xEND exclusive|shared NAME`
fn binding(value: &str) -> Option<Binding> {
    let (range, rest) = value.split_once(' ')?;
    let (mode, consumer) = rest.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    Some(Binding {
        start: u64::from_str_radix(start.strip_prefix("0x")?, 16).ok()?,
        end: u64::from_str_radix(end.strip_prefix("0x")?, 16).ok()?,
        mode: match mode {
            "exclusive" => Mode::Exclusive,
            "shared" => Mode::Shared,
            _ => return None,
        },
        consumer: consumer.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "pos:\t0\nflags:\t02000002\nmnt_id:\t12\nino:\t1043\n\
        size:\t65536 kB\nmemory:\t10240 kB\npresent:\t6144 kB\nreserved:\t4096 kB\n\
        present-order-0:\t2048 kB\npresent-order-9:\t4096 kB\npresent-node-1:\t6144 kB\n\
        quarantined:\t0 kB\npoisoned:\t4 kB\n\
        loads:\t1\npunches:\t2\nrefusals:\t3\npopulates:\t4\n\
        binding:\t0x0-0x200000 exclusive kvm\nbinding:\t0x200000-0x300000 shared my device\n";

    #[test]
    fn reads_every_line() {
        let info = parse(ALL);
        assert_eq!(info.inode, Some(1043));
        let amounts = [65536, 10240, 6144, 4096, 0, 4].map(|kib| kib << 10);
        assert_eq!(info.amounts, AMOUNTS.iter().copied().zip(amounts).collect());
        assert_eq!(
            info.events,
            EVENTS.iter().copied().zip([4, 1, 2, 3]).collect()
        );
        assert_eq!(info.present_by_order, [(0, 2 << 20), (9, 4 << 20)].into());
        assert_eq!(info.present_by_node, [(1, 6 << 20)].into());
        let binding = |start, end, mode, consumer: &str| Binding {
            start,
            end,
            mode,
            consumer: consumer.to_owned(),
        };
        assert_eq!(
            info.bindings,
            [
                binding(0, 0x20_0000, Mode::Exclusive, "kvm"),
                binding(0x20_0000, 0x30_0000, Mode::Shared, "my device"),
            ]
        );
        assert!(info.other.is_empty(), "{:?}", info.other);
    }

    #[test]
    fn what_is_not_told_is_not_zero() {
        let info = parse("size:\t64 kB\n");
        assert_eq!(info.amounts, [("size", 64 << 10)].into());
        let json = serde_json::to_value(&info).unwrap();
        assert_eq!(json, serde_json::json!({ "size": 65536 }));
    }

    #[test]
    fn is_busy_if_the_kernel_says_so() {
        assert!(parse("busy:\t1\n").busy);
        assert!(!parse("size:\t64 kB\n").busy);
    }

    #[test]
    fn passes_on_what_it_does_not_know() {
        let text = "stolen:\t4 kB\nlock:\t1: POSIX\nlock:\t2: FLOCK\n";
        let other = parse(text).other;
        assert_eq!(other["stolen"], ["4 kB"]);
        assert_eq!(other["lock"], ["1: POSIX", "2: FLOCK"]);
    }

    #[test]
    fn what_it_cannot_read_is_unknown() {
        for (key, value) in [
            ("size", "64"),
            ("size", "64 MB"),
            ("size", "-1 kB"),
            ("memory", "18446744073709551615 kB"),
            ("present-order-x", "4 kB"),
            ("present-order-9", "large"),
            ("present-node-", "4 kB"),
            ("punches", "many"),
            ("binding", "0x0-0x1000 exclusive"),
            ("binding", "0-0x1000 exclusive kvm"),
            ("binding", "0x0 exclusive kvm"),
            ("binding", "0x0-0x1000 private kvm"),
            ("ino", "none"),
        ] {
            let expected = Info {
                other: [(key.to_owned(), vec![value.to_owned()])].into(),
                ..Info::default()
            };
            assert_eq!(parse(&format!("{key}:\t{value}\n")), expected);
        }
        assert_eq!(parse("no colon\n\n"), Info::default());
    }

    #[test]
    fn is_stable_as_json() {
        assert_eq!(
            serde_json::to_value(parse(ALL)).unwrap(),
            serde_json::json!({
                "size": 67108864, "memory": 10485760, "present": 6291456, "reserved": 4194304,
                "quarantined": 0, "poisoned": 4096,
                "present_by_order": { "0": 2097152, "9": 4194304 },
                "present_by_node": { "1": 6291456 },
                "loads": 1, "punches": 2, "refusals": 3, "populates": 4,
                "bindings": [
                    { "start": 0, "end": 2097152, "mode": "exclusive", "consumer": "kvm" },
                    {
                        "start": 2097152, "end": 3145728,
                        "mode": "shared", "consumer": "my device",
                    },
                ],
            })
        );
    }
}
