// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Samples as tables and pictures.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use clap::Parser as _;

use super::chart::{Bar, Chart, Row};
use super::memory::Kind;
use super::plan::{self, Group, Scale, Work};
use super::samples::{Samples, Unit};
use super::targets::{self, Target};

/// The note from which the scale is read.
const SCALE: &str = "scale";

#[derive(clap::Parser)]
#[command(no_binary_name = true)]
struct ScaleNote {
    #[command(flatten)]
    scale: Scale,
}

/// What can be said about samples.
pub struct Report<'a> {
    samples: &'a Samples,
    scale: Scale,
    groups: [Group; 7],
}

impl<'a> Report<'a> {
    /// About these samples.
    pub fn new(samples: &'a Samples) -> Result<Self, String> {
        let note = samples
            .note(SCALE)
            .ok_or("the samples do not say of which scale they are")?;
        let ScaleNote { scale } =
            ScaleNote::try_parse_from(note.split(' ')).map_err(|error| error.to_string())?;
        Ok(Self {
            samples,
            scale,
            groups: plan::groups(&scale),
        })
    }

    /// What should have numbers and does not, or fewer than others.
    pub fn missing(&self) -> Vec<String> {
        let is_native = self.clock() == Unit::NativeNanoseconds;
        let cells = || {
            self.groups.iter().flat_map(move |group| {
                let cells = group
                    .works
                    .iter()
                    .flat_map(|work| work.subjects.iter().map(move |subject| (work, subject)));
                cells.filter(move |(_, subject)| !is_native || group.is_native(subject))
            })
        };
        let count = |(work, subject): (&Work, &String)| {
            let unit = self.unit_of(work);
            self.samples.count(&work.id, subject, unit)
        };
        let rounds = cells().map(count).max().unwrap_or(0).max(1);
        cells()
            .filter(|cell| !self.is_left_out(cell.0) && count(*cell) < rounds)
            .map(|(work, subject)| format!("{} ({subject})", work.id))
            .collect()
    }

    /// Other runs leave some to the one by the clock.
    fn is_left_out(&self, work: &Work) -> bool {
        work.by_clock && !self.samples.has(Unit::Nanoseconds)
    }

    /// The unit of a work in the tables.
    fn unit_of(&self, work: &Work) -> Unit {
        match work.counts {
            true => Unit::Count,
            false => self.clock(),
        }
    }

    /// The unit of the first of the runs that the samples are of.
    fn clock(&self) -> Unit {
        [Unit::Nanoseconds, Unit::Instructions]
            .into_iter()
            .find(|unit| self.samples.has(*unit))
            .unwrap_or(Unit::NativeNanoseconds)
    }

    /// The tables of all groups, and what came of the targets.
    pub fn tables(&self) -> String {
        let tables = self.groups.iter().map(|group| {
            let table = self.table(group, &group.baseline, |work| self.unit_of(work));
            format!("## {}\n\n{}\n{table}\n", group.title, group.about)
        });
        tables.collect::<String>() + "## Targets\n\n" + &self.targets()
    }

    /// Writes a page with everything, and its pictures.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        for group in &self.groups {
            let svg = self.chart(group).svg();
            fs::write(folder.join(format!("{}.svg", group.id.name())), svg)?;
        }
        fs::write(folder.join("README.md"), self.page())
    }

    fn page(&self) -> String {
        let mut page = String::from(
            "<!-- SPDX-License-Identifier: GPL-2.0 -->\n\
             # Restricted memory beside guest_memfd and memfds\n\n\
             `make bench` measures, `rmem bench --from samples.csv --into .` writes this page and its\n\
             pictures from the samples. Nothing here is written by hand.\n\n\
             A number is the median of some rounds. In each round all kinds of memory had their turn,\n\
             one after the other. In parentheses: how much that is in relation to the baseline in the\n\
             same round, again the median. Less is better. An emulated processor takes other times than\n\
             a real one, so look at the ratios, and take small differences for none.\n\n",
        );
        page += "| the machine | |\n|---|---|\n";
        for (key, text) in &self.samples.notes {
            // The line with the licence names no property of the machine.
            if !key.starts_with("SPDX") {
                let _ = writeln!(page, "| {key} | {text} |");
            }
        }
        let _ = write!(
            page,
            "\n## In short\n\n{}\n## Targets\n\n",
            self.headlines()
        );
        page += &self.targets();
        for group in &self.groups {
            let _ = write!(
                page,
                "\n## {}\n\n{}\n\n![{}]({}.svg)\n{}",
                group.title,
                group.about,
                group.title,
                group.id.name(),
                self.table(group, &group.baseline, |work| self.unit_of(work))
            );
        }
        if self.samples.has(Unit::Nanoseconds) && self.samples.has(Unit::NativeNanoseconds) {
            page += "\n## Without emulation\n\n\
                     The same in user-mode Linux, a kernel that is a program of the host: its code runs\n\
                     on the processor of the host. There are no machines in it and no large pages. A\n\
                     system call costs some microseconds more there, whatever it is for, which makes\n\
                     short ones look more alike than they are. A load that acquires is a full barrier\n\
                     there; looking up a page of restricted memory has two of them, where x86 has\n\
                     plain loads.\n";
            for group in &self.groups {
                page += &self.table(group, group.native_baseline(), |_| Unit::NativeNanoseconds);
            }
        }
        if self.samples.has(Unit::Nanoseconds) && self.samples.has(Unit::Instructions) {
            page += "\n## Instructions\n\n\
                     The same in a machine whose clock counts the instructions of its processors, the\n\
                     kernel's included: they do not depend on how busy the host is. While all processors\n\
                     wait, the clock jumps to the next timer. A page that is cleared counts as many\n\
                     instructions as it has words or bytes, which is more than it costs on a real processor.\n";
            for group in &self.groups {
                page += &self.table(group, &group.baseline, |_| Unit::Instructions);
            }
        }
        page
    }

    /// The rows of a group, and the columns, that have numbers in the unit that each row is asked
    /// for in; nothing if there are none.
    fn table(&self, group: &Group, baseline: &str, unit: impl Fn(&Work) -> Unit) -> String {
        let has = |work: &Work, subject| {
            let unit = unit(work);
            self.samples.median(&work.id, subject, unit).is_some()
        };
        let subjects: Vec<&str> = group
            .subjects
            .iter()
            .map(String::as_str)
            .filter(|subject| group.works.iter().any(|work| has(work, subject)))
            .collect();
        if subjects.is_empty() {
            return String::new();
        }

        let mut table = String::from("\n| |");
        for subject in &subjects {
            let _ = write!(table, " {subject}{} |", group.noun);
        }
        let _ = writeln!(table, "\n|---|{}", "---|".repeat(subjects.len()));
        for work in &group.works {
            let cells: Vec<String> = subjects
                .iter()
                .map(|subject| self.cell(work, subject, baseline, unit(work)))
                .collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                let _ = writeln!(table, "| {} | {} |", work.what, cells.join(" | "));
            }
        }
        table
    }

    fn cell(&self, work: &Work, subject: &str, baseline: &str, unit: Unit) -> String {
        let Some(median) = self.samples.median(&work.id, subject, unit) else {
            return String::new();
        };
        let ratio = self.samples.ratio(&work.id, subject, baseline, unit);
        match ratio.filter(|_| subject != baseline) {
            Some(ratio) => format!("{} ({})", amount(median, unit), digits(ratio)),
            None => amount(median, unit),
        }
    }

    fn ratio(&self, group: &Group, work: &Work, subject: &str, unit: Unit) -> Option<f64> {
        self.samples.ratio(&work.id, subject, &group.baseline, unit)
    }

    /// The rows that tell most.
    fn headlines(&self) -> String {
        let [guest, large] = [Kind::GuestMemfd.name(), Kind::RestrictedLarge.name()];
        let mut table = format!("| | {guest} | {large} | |\n|---|---|---|---|\n");
        for group in &self.groups {
            for work in &group.works {
                if !["reserve", "touch", "touch-exits", "again"].contains(&work.id.as_str()) {
                    continue;
                }
                let unit = self.unit_of(work);
                let median = |subject| self.samples.median(&work.id, subject, unit);
                if let (Some(theirs), Some(ours), Some(ratio)) = (
                    median(guest),
                    median(large),
                    self.ratio(group, work, large, unit),
                ) {
                    let _ = writeln!(
                        table,
                        "| {} | {} | {} | {} |",
                        work.what,
                        amount(theirs, unit),
                        amount(ours, unit),
                        factor(ratio)
                    );
                }
            }
        }
        table
    }

    fn targets(&self) -> String {
        let mut table = String::from("| what | target | measured | |\n|---|---|---|---|\n");
        for target in targets::all(self.samples, &self.scale) {
            let _ = writeln!(
                table,
                "| {} | {} | {} | {} |",
                target.what,
                target.wanted,
                measured(&target),
                target.verdict()
            );
        }
        table
    }

    fn chart<'b>(&self, group: &'b Group) -> Chart<'b> {
        let rows = group.works.iter().map(|work| {
            let unit = self.unit_of(work);
            let others = group.subjects.iter().enumerate();
            let bars = others.filter(|(_, name)| **name != group.baseline);
            let bars = bars.filter_map(|(subject, name)| {
                let ratio = self.ratio(group, work, name, unit)?;
                let median = self.samples.median(&work.id, name, unit)?;
                Some(Bar {
                    subject,
                    ratio,
                    text: format!("{}, {}", amount(median, unit), factor(ratio)),
                })
            });
            Row {
                what: work.what.clone(),
                bars: bars.collect(),
            }
        });
        Chart {
            title: group.title,
            baseline: &group.baseline,
            subjects: &group.subjects,
            noun: group.noun,
            rows: rows.filter(|row| !row.bars.is_empty()).collect(),
        }
    }
}

fn measured(target: &Target) -> String {
    let parts = target.parts.iter().map(|part| {
        let value = part.value.map_or_else(|| "?".into(), digits);
        format!("{} {value}", part.what)
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Three digits, or the whole number.
fn digits(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ if value >= 0.1 => format!("{value:.2}"),
        _ if value >= 0.01 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

/// A ratio in words.
fn factor(ratio: f64) -> String {
    if (0.995..1.005).contains(&ratio) {
        "the same".into()
    } else if ratio < 1.0 {
        format!("{} times less", digits(1.0 / ratio))
    } else {
        format!("{} times more", digits(ratio))
    }
}

/// A number with its unit.
fn amount(value: f64, unit: Unit) -> String {
    let scaled = |units: [&str; 4]| {
        let mut value = value;
        let mut name = units[0];
        for next in &units[1..] {
            if value >= 1000.0 {
                value /= 1000.0;
                name = next;
            }
        }
        format!("{} {name}", digits(value)).trim_end().to_owned()
    };
    match unit {
        Unit::Nanoseconds | Unit::NativeNanoseconds => scaled(["ns", "µs", "ms", "s"]),
        Unit::Instructions => scaled(["", "k", "M", "G"]),
        Unit::Count if value.fract() == 0.0 => format!("{value:.0}"),
        Unit::Count => digits(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: &str = "# scale: --mib 16 --teardown 16 --touch 16 --bindings 64 --slots 128\n\
                           reserve,restricted-large,ns,0,1000000\n\
                           reserve,guest_memfd,ns,0,64000000\n\
                           touch-exits,restricted-large,count,0,0\n";

    #[test]
    fn a_row_without_numbers_is_missed() {
        let samples = Samples::parse(SAMPLES).unwrap();
        let report = Report::new(&samples).unwrap();
        let missing = report.missing();
        assert!(missing.contains(&"reserve (memfd)".to_owned()));
        assert!(missing.contains(&"bind (64)".to_owned()));
        assert!(missing.contains(&"lookup (memfd)".to_owned()));
        assert!(!missing.contains(&"reserve (guest_memfd)".to_owned()));
        // It cannot be done.
        assert!(!missing.contains(&"reserve (memfd_secret)".to_owned()));
    }

    #[test]
    fn what_has_no_machine_misses_none() {
        let text = "# scale: --mib 16 --teardown 16 --touch 16 --bindings 64 --slots 128\n\
                    reserve,restricted,native-ns,0,3000\n\
                    reserve,memfd,native-ns,0,2000\n";
        let samples = Samples::parse(text).unwrap();
        let report = Report::new(&samples).unwrap();
        let missing = report.missing();
        assert!(missing.contains(&"punch (restricted)".to_owned()));
        assert!(!missing.iter().any(|what| what.contains("guest_memfd")));
        assert!(!missing.iter().any(|what| what.contains("touch")));
        let files = &report.groups[0];
        let table = report.table(files, files.native_baseline(), |_| Unit::NativeNanoseconds);
        assert!(table.contains("| 3.00 µs (1.50) | 2.00 µs |"), "{table}");
    }

    #[test]
    fn says_how_much_less() {
        let samples = Samples::parse(SAMPLES).unwrap();
        let report = Report::new(&samples).unwrap();
        assert!(
            report
                .headlines()
                .contains("| reserve 16 MiB | 64.0 ms | 1.00 ms | 64.0 times less |"),
            "{}",
            report.headlines()
        );
        assert!(report.tables().contains("| 1.00 ms (0.016) | 64.0 ms |"));
    }

    #[test]
    fn picks_a_unit_that_fits() {
        assert_eq!(amount(999.0, Unit::Nanoseconds), "999 ns");
        assert_eq!(amount(1_250_000_000.0, Unit::Nanoseconds), "1.25 s");
        assert_eq!(amount(65_540.0, Unit::Count), "65540");
        assert_eq!(factor(0.5), "2.00 times less");
        assert_eq!(factor(1.001), "the same");
    }
}
