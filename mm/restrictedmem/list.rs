// SPDX-License-Identifier: GPL-2.0

//! The list of all files, in debugfs: where did the memory go?

use kernel::{
    debugfs::{
        Dir,
        File,
        Writer, //
    },
    fmt,
    prelude::*,
    sync::SetOnce, //
};

use crate::{
    file::RestrictedFile,
    provider::Provider,
    registry,
    stat::{
        Census,
        KB, //
    }, //
};

static LIST: SetOnce<Pin<KBox<File<List>>>> = SetOnce::new();

/// Makes the list appear. Without it everything else works.
pub(crate) fn init() {
    let folder = Dir::new(c"restrictedmem");

    if let Ok(list) = KBox::pin_init(folder.read_only_file(c"files", List), GFP_KERNEL) {
        LIST.populate(list);
    }
}

/// What is added up, in KiB but for the bindings.
#[derive(Default)]
struct Sums {
    size: usize,
    memory: usize,
    large: usize,
    quarantined: usize,
    bindings: usize,
}

impl Sums {
    fn of(file: &RestrictedFile) -> Result<Self> {
        Ok(Self {
            size: file.memory.size() * KB,
            memory: file.memory.blocks() as usize / 2,
            large: Census::take(file)?.large() * KB,
            quarantined: file.counters.quarantined.get() * KB,
            bindings: file.counters.bindings.get(),
        })
    }

    fn add(&mut self, more: &Self) {
        self.size += more.size;
        self.memory += more.memory;
        self.large += more.large;
        self.quarantined += more.quarantined;
        self.bindings += more.bindings;
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            " {:>12} {:>12} {:>12} {:>14} {:>8}",
            self.size, self.memory, self.large, self.quarantined, self.bindings
        )
    }
}

struct List;

impl Writer for List {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut total = Sums::default();
        let mut files = 0;
        let mut position = 0;

        writeln!(
            f,
            "{:>10} {:>12} {:>12} {:>12} {:>14} {:>8} {:>10} {:>10} comm",
            "inode", "size-kB", "memory-kB", "large-kB", "quarantined-kB", "bindings", "uid", "pid"
        )?;
        while let Some((found, file)) = registry::next(position) {
            let sums = Sums::of(&file).map_err(|_| fmt::Error)?;

            f.write_fmt(fmt!("{:>10}{sums} {}\n", file.number, file.owner))?;
            total.add(&sums);
            files += 1;
            position = found;
        }
        f.write_fmt(fmt!("{:>10}{total} {files:>10} files\n", "total"))
    }
}
