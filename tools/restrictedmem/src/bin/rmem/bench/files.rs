// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Files that nobody uses: made, reserved, punched and closed.

use std::fs;
use std::time::{Duration, Instant};

use kvm_ioctls::VmFd;

use super::memory::{Kind, load, punch, reserve};
use super::plan::Scale;
use super::processor::Hypervisor;
use super::{Experiment, Log, MIB, PAGE, kernel_memory, per};
use crate::Failure;

/// How often a file is made and closed for one number.
const CREATIONS: u32 = 200;
/// How many files are open at a time, to see how much one takes.
const OPEN_FILES: u64 = 800;
/// In how many MiB, at most, single pages are punched.
pub const PAGES_MIB: u64 = 128;
/// How many MiB, at most, are loaded.
pub const LOAD_MIB: u64 = 64;
/// How often they are for one number.
const LOADS: u32 = 4;
/// One page is punched in so many bytes: a large page has to be split for each.
const STRIDE: u64 = 2 * MIB;

/// Files of one size.
pub struct Files {
    /// The machine that each `guest_memfd` belongs to, where there are machines.
    vm: Option<VmFd>,
    len: u64,
    /// The size of one that is only closed.
    large_len: u64,
    /// What is loaded.
    image: Vec<u8>,
}

impl Files {
    /// For files of that size.
    pub fn new(hypervisor: Option<&Hypervisor>, scale: &Scale) -> Result<Self, Failure> {
        Ok(Self {
            vm: hypervisor.map(Hypervisor::machine).transpose()?,
            len: scale.mib * MIB,
            large_len: scale.teardown * MIB,
            image: vec![0xa5; usize::try_from(scale.mib.min(LOAD_MIB) * MIB).unwrap_or(0)],
        })
    }

    fn create_and_close(&self, kind: Kind) -> Result<Duration, Failure> {
        let start = Instant::now();
        for _ in 0..CREATIONS {
            drop(kind.create(self.vm.as_ref(), PAGE)?);
        }
        Ok(per(CREATIONS, start.elapsed()))
    }

    fn bytes_of_one(&self, kind: Kind) -> Result<u64, Failure> {
        let make = |_| kind.create(self.vm.as_ref(), PAGE);
        kernel_memory::of_one(OPEN_FILES, || {
            (0..OPEN_FILES).map(make).collect::<Result<Vec<_>, _>>()
        })
    }

    /// Reserves all of a file and punches it again, then reserves and closes it.
    fn all_at_once(&self, kind: Kind, log: &mut Log) -> Result<(), Failure> {
        let file = kind.with_len(self.vm.as_ref(), self.len)?;
        let empty = pages_in_files()?;

        let start = Instant::now();
        reserve(&file, 0, self.len)?;
        log.time("reserve", start.elapsed());
        self.check("reserve", empty, true)?;

        let start = Instant::now();
        punch(&file, 0, self.len)?;
        log.time("punch", start.elapsed());
        self.check("punch", empty, false)?;

        reserve(&file, 0, self.len)?;
        self.check("reserve again", empty, true)?;
        let start = Instant::now();
        drop(file);
        log.time("close", start.elapsed());
        self.check("close", empty, false)
    }

    /// Whether what was measured has happened: most of the memory has come, or has gone.
    fn check(&self, what: &str, empty: u64, has_come: bool) -> Result<(), Failure> {
        let more = pages_in_files()?.saturating_sub(empty);
        if (more > self.len / PAGE / 2) == has_come {
            return Ok(());
        }
        Err(Failure::Broken(format!(
            "after {what}, files have {more} pages more than before"
        )))
    }

    fn teardown(&self, kind: Kind) -> Result<Duration, Failure> {
        let file = kind.with_len(self.vm.as_ref(), self.large_len)?;
        reserve(&file, 0, self.large_len)?;

        let start = Instant::now();
        drop(file);
        Ok(start.elapsed())
    }

    fn page_by_page(&self, kind: Kind) -> Result<Duration, Failure> {
        let len = self.len.min(PAGES_MIB * MIB);
        let file = kind.with_len(self.vm.as_ref(), len)?;
        reserve(&file, 0, len)?;
        let holes = u32::try_from(len / STRIDE).unwrap_or(u32::MAX);

        let start = Instant::now();
        for hole in 0..u64::from(holes) {
            punch(&file, hole * STRIDE + STRIDE / 2, PAGE)?;
        }
        Ok(per(holes, start.elapsed()))
    }

    fn load(&self, kind: Kind) -> Result<Duration, Failure> {
        let mut took = Duration::ZERO;
        for _ in 0..LOADS {
            let file = kind.with_len(self.vm.as_ref(), self.image.len() as u64)?;
            let start = Instant::now();
            let loaded = load(kind, file, &self.image)?;
            took += start.elapsed();
            drop(loaded);
        }
        Ok(per(LOADS, took))
    }
}

impl Experiment for Files {
    fn measure(&mut self, subject: &str, log: &mut Log) -> Result<(), Failure> {
        let kind = Kind::named(subject)?;
        log.time("create", self.create_and_close(kind)?);
        if log.by_clock() {
            log.count("file-bytes", self.bytes_of_one(kind)?);
        }
        if !Kind::WITH_RANGES.contains(&kind) {
            return Ok(());
        }
        self.all_at_once(kind, log)?;
        if log.by_clock() {
            log.time("teardown", self.teardown(kind)?);
        }
        log.time("punch-page", self.page_by_page(kind)?);
        if Kind::LOADABLE.contains(&kind) {
            log.time("load", self.load(kind)?);
        }
        Ok(())
    }
}

/// How many pages all files of the system have.
fn pages_in_files() -> Result<u64, Failure> {
    fs::read_to_string("/proc/vmstat")?
        .lines()
        .find_map(|line| line.strip_prefix("nr_file_pages ")?.parse().ok())
        .ok_or_else(|| Failure::Unavailable("/proc/vmstat has no nr_file_pages".into()))
}
