// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem bench`: restricted memory beside guest_memfd and memfds, in numbers.

mod bindings;
mod chart;
#[allow(unsafe_code)]
mod consumer;
mod files;
mod holes;
mod kernel_memory;
mod lookup;
mod machine;
mod memory;
mod plan;
#[cfg_attr(target_arch = "x86_64", path = "bench/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "bench/arm64.rs")]
#[allow(unsafe_code)]
mod processor;
mod report;
mod samples;
mod sharing;
mod slots;
#[allow(unsafe_code)]
mod sys;
mod targets;
mod touch;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use restrictedmem::{Flags, RestrictedMemory};

use self::plan::{Group, GroupId, Scale};
use self::processor::Hypervisor;
use self::report::Report;
use self::samples::{Sample, Samples, Unit};
use crate::Failure;

/// Size of a page.
const PAGE: u64 = 4096;
const MIB: u64 = 1 << 20;

/// How to run it.
#[derive(clap::Args)]
#[command(args_override_self = true)]
pub struct Options {
    #[command(flatten)]
    scale: Scale,
    /// How often everything is measured, all kinds of memory in turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The clock counts instructions, as that of QEMU with -icount shift=0.
    #[arg(long, hide = true)]
    instructions: bool,
    /// In user-mode Linux, where the processor is a real one, and has no machines.
    #[arg(long, hide = true, conflicts_with = "instructions")]
    native: bool,
    /// Measure nothing, read what was measured from this file.
    #[arg(long, value_name = "FILE", requires = "into")]
    from: Option<PathBuf>,
    /// Write tables and plots of it into this folder.
    #[arg(long, value_name = "FOLDER", requires = "from")]
    into: Option<PathBuf>,
}

/// Measures everything, or shows what was measured. `Ok` if every row of the tables has its numbers.
pub fn run(options: &Options) -> Result<(), Failure> {
    if let (Some(from), Some(into)) = (&options.from, &options.into) {
        let broken =
            |path: &Path, why: String| Failure::Broken(format!("{}: {why}", path.display()));
        let text = fs::read_to_string(from).map_err(|error| broken(from, error.to_string()))?;
        let samples = Samples::parse(&text).map_err(|why| broken(from, why))?;
        let report = Report::new(&samples).map_err(|why| broken(from, why))?;
        report
            .write(into)
            .map_err(|error| broken(into, error.to_string()))?;
        return complete(&report, Vec::new());
    }

    // Without it, there is nothing to measure.
    RestrictedMemory::create(Flags::CLOEXEC)?;
    let mut log = Log::new(match options {
        Options { native: true, .. } => Unit::NativeNanoseconds,
        Options {
            instructions: true, ..
        } => Unit::Instructions,
        _ => Unit::Nanoseconds,
    });
    log.note("kernel", &first_line("/proc/sys/kernel/osrelease")?);
    log.note("processor", &processor()?);
    log.note("memory", &first_line("/proc/meminfo")?);
    log.note("scale", &options.scale.note());
    log.note("rounds", &options.rounds.to_string());
    println!("{}", samples::HEADER);

    let mut troubles = Vec::new();
    for group in plan::groups(&options.scale) {
        // What one group lacks the others may have.
        if let Err(failure) = measure(&group, options, &mut log) {
            troubles.push(format!("{}: {failure}", group.title));
        }
    }
    let report = Report::new(&log.samples).map_err(Failure::Broken)?;
    println!("\n{}", report.tables());
    complete(&report, troubles)
}

/// Fails if there were troubles, or if numbers are missing.
fn complete(report: &Report<'_>, mut troubles: Vec<String>) -> Result<(), Failure> {
    let missing = report.missing();
    if !missing.is_empty() {
        troubles.push(format!("not measured: {}", missing.join(", ")));
    }
    if troubles.is_empty() {
        return Ok(());
    }
    Err(Failure::Broken(troubles.join("; ")))
}

/// Something that is measured for many subjects, in turns.
trait Experiment {
    /// Measures all works of a group once for one subject.
    fn measure(&mut self, subject: &str, log: &mut Log) -> Result<(), Failure>;
}

fn measure(group: &Group, options: &Options, log: &mut Log) -> Result<(), Failure> {
    let scale = &options.scale;
    let can = |subject: &str| !options.native || group.is_native(subject);
    if !group.subjects.iter().any(|subject| can(subject)) {
        return Ok(());
    }
    let mut experiment: Box<dyn Experiment> = match group.id {
        GroupId::Files if options.native => Box::new(files::Files::new(None, scale)?),
        GroupId::Files => Box::new(files::Files::new(Some(&Hypervisor::open()?), scale)?),
        GroupId::Lookup => Box::new(lookup::Lookup::new()?),
        GroupId::Sharing => Box::new(sharing::Sharing::new(plan::PROCESSORS.len())?),
        GroupId::Touch => Box::new(touch::Touch::new(Hypervisor::open()?, scale)),
        GroupId::Holes => Box::new(holes::Holes::new(Hypervisor::open()?, scale)),
        GroupId::Slots => Box::new(slots::Slots::new(&Hypervisor::open()?, scale)?),
        GroupId::Bindings => Box::new(bindings::Bindings::new(scale)?),
    };
    for round in 0..options.rounds {
        for subject in group.subjects.iter().filter(|subject| can(subject)) {
            log.turn(round, subject);
            experiment.measure(subject, log)?;
        }
    }
    Ok(())
}

/// Collects numbers, and prints each as it comes.
struct Log {
    samples: Samples,
    /// What the clock counts.
    clock: Unit,
    round: u32,
    subject: String,
}

impl Log {
    fn new(clock: Unit) -> Self {
        Self {
            samples: Samples::default(),
            clock,
            round: 0,
            subject: String::new(),
        }
    }

    fn note(&mut self, key: &str, text: &str) {
        println!("# {key}: {text}");
        self.samples.notes.push((key.to_owned(), text.to_owned()));
    }

    /// What comes now is of this round and about this subject.
    fn turn(&mut self, round: u32, subject: &str) {
        self.round = round;
        subject.clone_into(&mut self.subject);
    }

    /// How long something took.
    fn time(&mut self, work: &str, took: Duration) {
        let value = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.push(work, self.clock, value);
    }

    /// Whether this is the run by the clock, which alone counts what no clock changes, and does
    /// what takes too long in others.
    fn by_clock(&self) -> bool {
        self.clock == Unit::Nanoseconds
    }

    /// How often something happened, or how large it is.
    fn count(&mut self, work: &str, times: u64) {
        if self.by_clock() {
            self.push(work, Unit::Count, times);
        }
    }

    fn push(&mut self, work: &str, unit: Unit, value: u64) {
        let sample = Sample {
            work: work.to_owned(),
            subject: self.subject.clone(),
            unit,
            round: self.round,
            value,
        };
        println!("{sample}");
        self.samples.push(sample);
    }
}

/// The share of one of so many.
fn per(count: u32, all: Duration) -> Duration {
    all.checked_div(count).unwrap_or_default()
}

fn first_line(path: &str) -> Result<String, Failure> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().next().unwrap_or_default();
    Ok(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The name of the processor, if it tells, and how many there are.
fn processor() -> Result<String, Failure> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let value = |line: &str, key: &str| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    };
    let name = text.lines().find_map(|line| value(line, "model name"));
    let name = name.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let count = text.lines().filter_map(|line| value(line, "processor"));
    Ok(format!("{name}, {} of them", count.count()))
}
