// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the project wants to reach, and whether it did.

use super::memory::Kind;
use super::plan::{FEW_BINDINGS, Scale, flushes_work, slots_work};
use super::samples::{Samples, Unit};

/// Something to reach.
pub struct Target {
    pub what: String,
    pub wanted: &'static str,
    /// What was found, part by part.
    pub parts: Vec<Part>,
}

/// A number and its limit.
pub struct Part {
    pub what: &'static str,
    pub value: Option<f64>,
    pub limit: f64,
}

impl Target {
    /// The verdict, in a word or two.
    pub fn verdict(&self) -> &'static str {
        let is_known = self.parts.iter().all(|part| part.value.is_some());
        let is_met = |part: &Part| part.value.is_some_and(|value| value <= part.limit);
        match self.parts.iter().filter(|part| is_met(part)).count() {
            _ if self.parts.is_empty() || !is_known => "not measured",
            met if met == self.parts.len() => "met",
            0 => "missed",
            _ => "missed in part",
        }
    }
}

/// All targets, and what the samples say to them.
pub fn all(samples: &Samples, scale: &Scale) -> Vec<Target> {
    let [small, large] = [Kind::Restricted.name(), Kind::RestrictedLarge.name()];
    let [guest, memfd] = [Kind::GuestMemfd.name(), Kind::Memfd.name()];
    let [few, many] = [FEW_BINDINGS, scale.bindings].map(|count| count.to_string());
    let slots = scale.slots;

    let ratio = |what, unit, work: &str, subject: &str, baseline: &str, limit| Part {
        what,
        value: samples.ratio(work, subject, baseline, unit),
        limit,
    };
    let time = |what, work: &str, subject: &str, baseline: &str, limit| {
        ratio(what, Unit::Nanoseconds, work, subject, baseline, limit)
    };
    let target = |what: String, wanted, parts| Target {
        what,
        wanted,
        parts,
    };
    vec![
        target(
            format!(
                "reserve and punch {} MiB, {large}, against {guest}",
                scale.mib
            ),
            "at least 50 and 10 times faster: 0.02, 0.1",
            vec![
                time("reserve", "reserve", large, guest, 1.0 / 50.0),
                time("punch", "punch", large, guest, 1.0 / 10.0),
            ],
        ),
        target(
            format!(
                "first touch of {} MiB, {large}, against {guest}",
                scale.touch
            ),
            "at least 100 times fewer exits and 8 times less time: 0.01, 0.125",
            vec![
                ratio("exits", Unit::Count, "touch-exits", large, guest, 0.01),
                time("time", "touch", large, guest, 1.0 / 8.0),
            ],
        ),
        target(
            format!(
                "reserve and punch {} MiB, {small}, against {memfd}",
                scale.mib
            ),
            "at most 1.05",
            vec![
                time("reserve", "reserve", small, memfd, 1.05),
                time("punch", "punch", small, memfd, 1.05),
            ],
        ),
        target(
            format!(
                "first touch of {} MiB, {small}, against {guest}",
                scale.touch
            ),
            "at most 1.05",
            vec![time("time", "touch", small, guest, 1.05)],
        ),
        target(
            "get of a present page, in the kernel, against shmem_get_folio() alone".into(),
            "at most 1.0",
            vec![time("time", "lookup", small, memfd, 1.0)],
        ),
        target(
            "get by two processors from one large page, against one".into(),
            "at most 1.0",
            vec![time("time", "lookup-at-once", "2", "1", 1.0)],
        ),
        target(
            format!("with {many} bindings, against {few}"),
            "at most 2",
            vec![
                time("bind", "bind", &many, &few, 2.0),
                time("unbind", "unbind", &many, &few, 2.0),
                time("punch", "punch-bound", &many, &few, 2.0),
                time("populate", "populate", &many, &few, 2.0),
            ],
        ),
        target(
            format!("load, {small}, against mmap and memcpy of {memfd}"),
            "at most 0.8",
            vec![time("time", "load", small, memfd, 0.8)],
        ),
        target(
            format!("one hole across {slots} memory slots, {small}"),
            "one TLB flush, and faster than guest_memfd: below 1.0",
            vec![
                Part {
                    what: "flushes",
                    value: samples.median(&flushes_work(slots), small, Unit::Count),
                    limit: 1.0,
                },
                time("time", &slots_work(slots), small, guest, 1.0),
            ],
        ),
        target(
            format!("create and close, {small}, against {memfd}"),
            "at most 1.5",
            vec![time("time", "create", small, memfd, 1.5)],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(values: &[Option<f64>]) -> &'static str {
        let parts = values.iter().map(|value| Part {
            what: "",
            value: *value,
            limit: 1.0,
        });
        let target = Target {
            what: String::new(),
            wanted: "",
            parts: parts.collect(),
        };
        target.verdict()
    }

    #[test]
    fn nothing_is_met_that_was_not_measured() {
        assert_eq!(verdict(&[Some(1.0), Some(0.5)]), "met");
        assert_eq!(verdict(&[Some(1.01), Some(0.5)]), "missed in part");
        assert_eq!(verdict(&[Some(1.01)]), "missed");
        assert_eq!(verdict(&[Some(0.5), None]), "not measured");
        assert_eq!(verdict(&[]), "not measured");
    }
}
