// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What is measured: groups of works, each with its subjects.

use super::files;
use super::machine::MOST_MIB;
use super::memory::Kind;

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct Scale {
    /// MiB in a file that is reserved, punched and closed.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(2..1 << 20))]
    pub mib: u64,
    /// MiB in a file that is closed, by the clock only.
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u64).range(2..1 << 20))]
    pub teardown: u64,
    /// MiB that a machine touches.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(2..=MOST_MIB))]
    pub touch: u64,
    /// How many bindings are present, at most.
    #[arg(long, default_value_t = 32_000, value_parser = clap::value_parser!(u64).range(33..1 << 20))]
    pub bindings: u64,
    /// How many memory slots a machine has, at most.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(65..32_000))]
    pub slots: u64,
}

impl Scale {
    /// The note that goes with the samples.
    pub fn note(&self) -> String {
        let Self {
            mib,
            teardown,
            touch,
            bindings,
            slots,
        } = self;
        format!(
            "--mib {mib} --teardown {teardown} --touch {touch} --bindings {bindings} --slots {slots}"
        )
    }

    /// Numbers of bindings that are compared.
    pub fn binding_counts(&self) -> Vec<u64> {
        let mut counts = vec![1, FEW_BINDINGS, self.bindings];
        if self.bindings > SOME_BINDINGS {
            counts.insert(2, SOME_BINDINGS);
        }
        counts
    }

    /// Numbers of memory slots that are compared.
    pub fn slot_counts(&self) -> [u64; 3] {
        [1, SOME_SLOTS, self.slots]
    }
}

/// What large numbers of bindings are compared with.
pub const FEW_BINDINGS: u64 = 32;
/// A number on the way.
pub const SOME_BINDINGS: u64 = 1000;
/// The same of memory slots.
const SOME_SLOTS: u64 = 64;
/// Numbers of bindings with which the whole of a file is punched.
pub const HOLE_BINDINGS: [u64; 4] = [0, 1, 64, 2000];
/// Numbers of processors that look at the same page.
pub const PROCESSORS: [u64; 2] = [1, 2];

/// Whether KVM counts page faults of a machine, and flushes of its TLBs. On arm64 faults are exits
/// like others, and a processor tells the others to flush.
pub const COUNTS_EVENTS: bool = cfg!(target_arch = "x86_64");

/// Works that are done to the same subjects, in turns.
pub struct Group {
    pub id: GroupId,
    pub title: &'static str,
    /// What was done, for the reader.
    pub about: String,
    /// Columns.
    pub subjects: Vec<String>,
    /// What to say after the name of a subject.
    pub noun: &'static str,
    /// The one that the others are compared with.
    pub baseline: String,
    /// Rows.
    pub works: Vec<Work>,
}

/// Names a group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum GroupId {
    Files,
    Touch,
    Holes,
    Slots,
    Bindings,
    Lookup,
    Sharing,
}

impl GroupId {
    /// As part of a file's name.
    pub fn name(self) -> &'static str {
        match self {
            GroupId::Files => "files",
            GroupId::Touch => "touch",
            GroupId::Holes => "holes",
            GroupId::Slots => "slots",
            GroupId::Bindings => "bindings",
            GroupId::Lookup => "lookup",
            GroupId::Sharing => "sharing",
        }
    }
}

impl Group {
    /// The baseline where there are no machines, and so no `guest_memfd`.
    pub fn native_baseline(&self) -> &str {
        match self.id {
            GroupId::Files => Kind::Memfd.name(),
            _ => &self.baseline,
        }
    }

    /// Whether a subject can be measured there: without machines, and without large pages.
    pub fn is_native(&self, subject: &str) -> bool {
        match self.id {
            GroupId::Files => [Kind::Restricted, Kind::Memfd]
                .map(Kind::name)
                .contains(&subject),
            GroupId::Lookup | GroupId::Bindings => true,
            GroupId::Touch | GroupId::Holes | GroupId::Slots | GroupId::Sharing => false,
        }
    }
}

/// One thing that is measured.
pub struct Work {
    /// The name in the samples.
    pub id: String,
    /// The name for the reader.
    pub what: String,
    /// Whether events are counted. Else it takes time.
    pub counts: bool,
    /// Whether only the run by the clock does it.
    pub by_clock: bool,
    /// Those of the subjects that can do it.
    pub subjects: Vec<String>,
}

fn names(kinds: &[Kind]) -> Vec<String> {
    kinds.iter().map(|kind| kind.name().to_owned()).collect()
}

/// Makes rows for these subjects.
fn row(subjects: Vec<String>, counts: bool) -> impl Fn(&str, &str) -> Work {
    move |id, what| Work {
        id: id.to_owned(),
        what: what.to_owned(),
        counts,
        by_clock: counts,
        subjects: subjects.clone(),
    }
}

/// Everything.
pub fn groups(scale: &Scale) -> [Group; 7] {
    [
        file_works(scale),
        touch_works(scale),
        hole_works(scale),
        slot_works(scale),
        lookup_works(),
        sharing_works(),
        binding_works(scale),
    ]
}

fn file_works(scale: &Scale) -> Group {
    let mib = scale.mib;
    let subjects = names(&Kind::ALL);
    let ranges = names(&Kind::WITH_RANGES);
    let loadable = names(&Kind::LOADABLE);
    let all = row(subjects.clone(), false);
    let some = row(ranges, false);
    let load = row(loadable, false);
    let count = row(subjects.clone(), true);
    Group {
        id: GroupId::Files,
        title: "Files",
        about: format!(
            "Nobody uses the memory. One page is punched in the middle of each 2 MiB of a file of \
             {} MiB. A memfd is loaded by mmap and memcpy. memfd_secret has no fallocate. Objects \
             are those for a file without memory: inodes, names, open files.",
            mib.min(files::PAGES_MIB)
        ),
        noun: "",
        baseline: Kind::GuestMemfd.name().into(),
        works: vec![
            all("create", "create and close"),
            some("reserve", &format!("reserve {mib} MiB")),
            some("punch", &format!("punch {mib} MiB")),
            some("punch-page", "punch one page"),
            some("close", &format!("close with {mib} MiB")),
            load("load", &format!("load {} MiB", mib.min(files::LOAD_MIB))),
            Work {
                by_clock: true,
                ..some("teardown", &format!("close with {} MiB", scale.teardown))
            },
            count("file-bytes", "bytes of kernel objects for a file"),
        ],
        subjects,
    }
}

fn touch_works(scale: &Scale) -> Group {
    let mib = scale.touch;
    let subjects = names(&Kind::WITH_RANGES);
    let time = row(subjects.clone(), false);
    let count = row(subjects.clone(), true);
    let mut works = vec![
        time("touch", &format!("first touch of {mib} MiB")),
        time("touch-page", "which is for each page"),
        count("touch-exits", "exits at first touch"),
        time("again", &format!("touch of {mib} MiB that are there")),
        count("again-exits", "exits at that touch"),
        time("end", "end of machine and memory"),
        Work {
            by_clock: true,
            ..time(
                "touch-large",
                &format!("first touch of {} MiB", scale.mib.min(MOST_MIB)),
            )
        },
    ];
    if COUNTS_EVENTS {
        works.insert(3, count("touch-faults", "page faults among them"));
    }
    Group {
        id: GroupId::Touch,
        title: "A machine that touches its memory",
        about: "A running machine writes a word to each 4 KiB of its memory: first when there is \
                nothing, so that memory is allocated, zeroed and mapped; then after its memory slot \
                was removed and added again, so that it is only mapped. A memfd the machine has \
                through a mapping of its owner, the others only from the file. Exits include those \
                for interrupts of the host."
            .into(),
        noun: "",
        baseline: Kind::GuestMemfd.name().into(),
        works,
        subjects,
    }
}

fn hole_works(scale: &Scale) -> Group {
    let mib = scale.mib.min(MOST_MIB);
    let subjects = names(&[Kind::Restricted, Kind::RestrictedLarge, Kind::GuestMemfd]);
    let time = row(subjects.clone(), false);
    let work = |id: String, what: String| Work {
        by_clock: true,
        ..time(&id, &what)
    };
    let whole = HOLE_BINDINGS.map(|bindings| {
        let what = format!("punch {mib} MiB, {bindings} bound");
        work(hole_work(bindings), what)
    });
    let page = HOLE_BINDINGS.map(|bindings| {
        let what = format!("punch one page, {bindings} bound");
        work(hole_page_work(bindings), what)
    });
    Group {
        id: GroupId::Holes,
        title: "Holes in memory that is bound",
        about: "The file is reserved and in so many memory slots of a machine that does not run and \
                has touched nothing. A large page that lies across the border of two slots comes in \
                small ones."
            .into(),
        noun: "",
        baseline: Kind::GuestMemfd.name().into(),
        works: whole.into_iter().chain(page).collect(),
        subjects,
    }
}

/// The name of the work with so many bindings and one hole.
pub fn hole_work(bindings: u64) -> String {
    format!("hole-{bindings}")
}

/// The same with holes of one page.
pub fn hole_page_work(bindings: u64) -> String {
    format!("hole-page-{bindings}")
}

fn slot_works(scale: &Scale) -> Group {
    let subjects = names(&[Kind::Restricted, Kind::GuestMemfd]);
    let time = row(subjects.clone(), false);
    let count = row(subjects.clone(), true);
    let pages = scale.slots;
    let mut works: Vec<Work> = scale
        .slot_counts()
        .map(|slots| {
            let what = match slots {
                1 => format!("punch {pages} pages, 1 slot"),
                _ => format!("punch {pages} pages, {slots} slots"),
            };
            time(&slots_work(slots), &what)
        })
        .into();
    if COUNTS_EVENTS {
        let what = format!("TLB flushes for it, {pages} slots");
        works.push(count(&flushes_work(pages), &what));
    }
    Group {
        id: GroupId::Slots,
        title: "One hole across many memory slots",
        about: "A machine has touched all of the pages and does not run. One hole takes them away."
            .into(),
        noun: "",
        baseline: Kind::GuestMemfd.name().into(),
        works,
        subjects,
    }
}

/// The name of the work with so many memory slots.
pub fn slots_work(slots: u64) -> String {
    format!("slots-{slots}")
}

/// The name of the flushes in it.
pub fn flushes_work(slots: u64) -> String {
    format!("slots-{slots}-flushes")
}

fn lookup_works() -> Group {
    let subjects = names(&[Kind::Restricted, Kind::Memfd]);
    let time = row(subjects.clone(), false);
    Group {
        id: GroupId::Lookup,
        title: "A page that is there, inside the kernel",
        about: "The test consumer gets a page through its binding, over and over, and calls \
                shmem_get_folio() as often for a page of a file of tmpfs."
            .into(),
        noun: "",
        baseline: Kind::Memfd.name().into(),
        works: vec![time("lookup", "look up a page and let go of it")],
        subjects,
    }
}

fn sharing_works() -> Group {
    let subjects: Vec<String> = PROCESSORS.iter().map(u64::to_string).collect();
    let time = row(subjects.clone(), false);
    Group {
        id: GroupId::Sharing,
        title: "Processors that share a large page",
        about: "Each gets another of its small pages through a binding of its own, over and over, \
                at the same time."
            .into(),
        noun: " at once",
        baseline: PROCESSORS[0].to_string(),
        works: vec![Work {
            by_clock: true,
            ..time("lookup-at-once", "look up a page and let go of it")
        }],
        subjects,
    }
}

fn binding_works(scale: &Scale) -> Group {
    let counts = scale.binding_counts();
    let subjects: Vec<String> = counts.iter().map(u64::to_string).collect();
    let time = row(subjects.clone(), false);
    let many = counts.iter().filter(|count| **count >= SOME_BINDINGS);
    let count = row(many.map(u64::to_string).collect(), true);
    Group {
        id: GroupId::Bindings,
        title: "Many bindings of one file",
        about:
            "By ioctls of the test consumer, which holds that many bindings of one page each, all \
                of one file. Its own work, a search for a number and a line in a log, is included, \
                and so is what it notes of each binding."
                .into(),
        noun: " bound",
        baseline: FEW_BINDINGS.to_string(),
        works: vec![
            time("bind", "bind one more"),
            time("unbind", "unbind it"),
            time("populate", "get of a page that is not there"),
            time("punch-bound", "punch it"),
            time("get", "get of a page that is there"),
            time("sequence", "the same ioctl without a get"),
            count("binding-bytes", "bytes of kernel objects for a binding"),
        ],
        subjects,
    }
}
