// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What was measured: one number a line, and what can be said about many of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The line above the numbers.
pub const HEADER: &str = "work,subject,unit,round,value";

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds of the clock.
    Nanoseconds,
    /// Instructions, all of them: the kernel's too.
    Instructions,
    /// Nanoseconds of the clock, where the processor is a real one.
    NativeNanoseconds,
    /// Events.
    Count,
}

const UNITS: [(Unit, &str); 4] = [
    (Unit::Nanoseconds, "ns"),
    (Unit::Instructions, "instructions"),
    (Unit::NativeNanoseconds, "native-ns"),
    (Unit::Count, "count"),
];

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = UNITS.iter().find(|(unit, _)| unit == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

impl FromStr for Unit {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let unit = UNITS.iter().find(|(_, name)| *name == text);
        unit.map(|(unit, _)| *unit).ok_or(())
    }
}

/// One number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What was done.
    pub work: String,
    /// With which memory, or with how many bindings.
    pub subject: String,
    pub unit: Unit,
    /// In which round, from 0.
    pub round: u32,
    pub value: u64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            work,
            subject,
            unit,
            round,
            value,
        } = self;
        write!(f, "{work},{subject},{unit},{round},{value}")
    }
}

impl FromStr for Sample {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split(',').collect();
        let sample = || {
            let [work, subject, unit, round, value] = fields.as_slice() else {
                return None;
            };
            Some(Self {
                work: (*work).to_owned(),
                subject: (*subject).to_owned(),
                unit: unit.parse().ok()?,
                round: round.parse().ok()?,
                value: value.parse().ok()?,
            })
        };
        sample().ok_or_else(|| format!("no sample: {line}"))
    }
}

/// All numbers of a run, and notes about the run.
#[derive(Default)]
pub struct Samples {
    /// Notes: what about, and what.
    pub notes: Vec<(String, String)>,
    all: Vec<Sample>,
}

impl Samples {
    /// From the lines of a file: notes are `# key: text`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut samples = Self::default();
        for line in text.lines().filter(|line| *line != HEADER) {
            match line.strip_prefix("# ") {
                Some(note) => samples.notes.extend(
                    note.split_once(": ")
                        .map(|(key, text)| (key.to_owned(), text.to_owned())),
                ),
                None => samples.all.push(line.parse()?),
            }
        }
        Ok(samples)
    }

    /// Adds a number.
    pub fn push(&mut self, sample: Sample) {
        self.all.push(sample);
    }

    /// A note.
    pub fn note(&self, key: &str) -> Option<&str> {
        let note = self.notes.iter().find(|(is, _)| is == key);
        note.map(|(_, text)| text.as_str())
    }

    /// Whether there are numbers in this unit.
    pub fn has(&self, unit: Unit) -> bool {
        self.all.iter().any(|sample| sample.unit == unit)
    }

    /// The numbers of each round.
    fn rounds(&self, work: &str, subject: &str, unit: Unit) -> BTreeMap<u32, f64> {
        self.all
            .iter()
            .filter(|is| is.work == work && is.subject == subject && is.unit == unit)
            .map(|sample| (sample.round, sample.value as f64))
            .collect()
    }

    /// How many rounds there were.
    pub fn count(&self, work: &str, subject: &str, unit: Unit) -> usize {
        self.rounds(work, subject, unit).len()
    }

    /// The number in the middle.
    pub fn median(&self, work: &str, subject: &str, unit: Unit) -> Option<f64> {
        median(self.rounds(work, subject, unit).into_values().collect())
    }

    /// How much it is in relation to what the baseline has in the same round; of all rounds the
    /// one in the middle. A machine that is slow for a while makes both slow.
    pub fn ratio(&self, work: &str, subject: &str, baseline: &str, unit: Unit) -> Option<f64> {
        let baseline = self.rounds(work, baseline, unit);
        let ratios = self
            .rounds(work, subject, unit)
            .into_iter()
            .filter_map(|(round, value)| {
                let base = *baseline.get(&round)?;
                (base > 0.0).then(|| value / base)
            });
        median(ratios.collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().checked_sub(1)? / 2)?;
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# kernel: 7.3\n\
                        work,subject,unit,round,value\n\
                        a,x,ns,0,10\n\
                        a,y,ns,0,20\n\
                        a,x,ns,1,1000\n\
                        a,y,ns,1,2000\n\
                        a,x,ns,2,30\n\
                        a,y,ns,2,30\n\
                        a,x,count,0,7\n";

    #[test]
    fn compares_within_a_round() {
        let samples = Samples::parse(TEXT).unwrap();
        assert_eq!(samples.median("a", "x", Unit::Nanoseconds), Some(30.0));
        assert_eq!(
            samples.ratio("a", "x", "y", Unit::Nanoseconds),
            Some(0.5),
            "the slow round is no exception"
        );
        assert_eq!(samples.ratio("a", "x", "y", Unit::Count), None);
        assert_eq!(samples.count("a", "x", Unit::Count), 1);
    }

    #[test]
    fn reads_what_it_writes() {
        let samples = Samples::parse(TEXT).unwrap();
        assert_eq!(samples.note("kernel"), Some("7.3"));
        for (sample, line) in samples.all.iter().zip(TEXT.lines().skip(2)) {
            assert_eq!(sample.to_string(), line);
        }
        assert!(Samples::parse("a,x,ns,0\n").is_err());
        assert!(Samples::parse("a,x,miles,0,1\n").is_err());
    }

    #[test]
    fn the_median_of_two_lies_between_them() {
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
