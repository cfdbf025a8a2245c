// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Restricted files for people to read.

use std::fmt;

use restrictedmem::page_size;

use super::fdinfo::{AMOUNTS, Binding, EVENTS, Mode};
use super::scan::{File, Snapshot};
use crate::size::kib;
use crate::table::Table;

/// More rows of a kind are not shown, only counted.
const ROWS: usize = 8;

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(f, "{file}")?;
        }
        match self.files.len() {
            0 => write!(f, "no restricted memory")?,
            1 => write!(f, "1 file")?,
            many => write!(f, "{many} files")?,
        }
        if let Some(memory) = self.memory() {
            write!(f, ", {} of memory", kib(memory))?;
        }
        if self.unreadable > 0 {
            write!(
                f,
                "; this user may not look at {} processes",
                self.unreadable
            )?;
        }
        writeln!(f)
    }
}

impl Snapshot {
    /// How much memory all files have, if there are some and all of them say it.
    fn memory(&self) -> Option<u64> {
        let each = self
            .files
            .iter()
            .map(|file| file.info.amounts.get("memory"));
        let sum: Option<u64> = each.sum::<Option<u64>>();
        sum.filter(|_| !self.files.is_empty())
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = &self.info;
        let mut table = Table::new();
        for what in AMOUNTS {
            if let Some(bytes) = info.amounts.get(what) {
                table.push([format!("  {what}"), kib(*bytes), String::new()]);
            }
            if *what == "present" {
                for (order, bytes) in &info.present_by_order {
                    let pages = page_size().checked_shl(*order).map_or_else(
                        || format!("pages of order {order}"),
                        |size| format!("{} pages", kib(size)),
                    );
                    table.push([String::new(), kib(*bytes), format!("in {pages}")]);
                }
                for (node, bytes) in &info.present_by_node {
                    table.push([String::new(), kib(*bytes), format!("on node {node}")]);
                }
            }
        }
        for what in EVENTS {
            if let Some(count) = info.events.get(what) {
                table.push([format!("  {what}"), count.to_string(), String::new()]);
            }
        }
        if info.busy {
            let why = "unknown while somebody works on the file";
            table.push(["  bound".into(), String::new(), why.into()]);
        }
        rows(&mut table, "bound", &info.bindings, |binding| {
            let Binding { start, end, .. } = binding;
            let mode = match binding.mode {
                Mode::Exclusive => "exclusive",
                Mode::Shared => "shared",
            };
            [
                kib(end.saturating_sub(*start)),
                format!(
                    "{start:#x}-{end:#x} {mode}, {}",
                    printable(&binding.consumer)
                ),
            ]
        });
        rows(&mut table, "held by", &self.holders, |holder| {
            let fds: Vec<String> = holder.fds.iter().map(ToString::to_string).collect();
            [
                holder.pid.to_string(),
                format!("{}, fd {}", printable(&holder.command), fds.join(" ")),
            ]
        });
        writeln!(f, "{}, inode {}", printable(&self.name), self.inode)?;
        write!(f, "{table}")
    }
}

/// Adds a row for each thing, or for the first ones and what more there is.
fn rows<T>(table: &mut Table<3>, what: &str, things: &[T], row: impl Fn(&T) -> [String; 2]) {
    for (n, thing) in things.iter().take(ROWS).enumerate() {
        let what = if n == 0 {
            format!("  {what}")
        } else {
            String::new()
        };
        let [amount, detail] = row(thing);
        table.push([what, amount, detail]);
    }
    if let Some(more @ 1..) = things.len().checked_sub(ROWS) {
        table.push([String::new(), String::new(), format!("and {more} more")]);
    }
}

/// A name of somebody else's choosing, without what a terminal would take for a command.
fn printable(name: &str) -> String {
    name.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use super::super::fdinfo;
    use super::super::scan::Holder;
    use super::*;

    fn file(text: &str) -> File {
        File {
            name: "memfd:a\x1b[2Jb".into(),
            device: 15,
            inode: 1043,
            info: fdinfo::parse(text),
            holders: vec![Holder {
                pid: 99,
                command: "vmm".into(),
                fds: vec![3, 14],
            }],
        }
    }

    #[test]
    fn is_read_at_a_glance() {
        let text = "size:\t65536 kB\nmemory:\t10240 kB\npresent:\t6144 kB\n\
            present-node-0:\t6144 kB\nquarantined:\t0 kB\npunches:\t2\nnews:\t1\n\
            binding:\t0x0-0x200000 exclusive kvm\n";
        let snapshot = Snapshot {
            files: vec![file(text)],
            unreadable: 0,
        };
        assert_eq!(
            snapshot.to_string(),
            "memfd:a?[2Jb, inode 1043\n  \
               size         64 MiB\n  \
               memory       10 MiB\n  \
               present      6 MiB\n               \
                            6 MiB   on node 0\n  \
               quarantined  0 KiB\n  \
               punches      2\n  \
               bound        2 MiB   0x0-0x200000 exclusive, kvm\n  \
               held by      99      vmm, fd 3 14\n\
             \n\
             1 file, 10 MiB of memory\n"
        );
    }

    #[test]
    fn says_the_size_of_pages() {
        let sizes = [0, 9].map(|order| kib(page_size() << order));
        let shown = file("present-order-0:\t4 kB\npresent-order-9:\t8 kB\npresent-order-99:\t0 kB")
            .to_string();
        for line in [
            format!("4 KiB  in {} pages\n", sizes[0]),
            format!("8 KiB  in {} pages\n", sizes[1]),
            "0 KiB  in pages of order 99\n".to_owned(),
        ] {
            assert!(shown.contains(&line), "{shown}");
        }
    }

    #[test]
    fn shows_a_few_of_many_bindings() {
        let lines = |count: usize| {
            let text = "binding:\t0x0-0x1000 shared x\n".repeat(count);
            let shown = file(&text).to_string();
            (shown.matches("shared, x").count(), shown)
        };
        let (rows, shown) = lines(ROWS);
        assert!(rows == ROWS && !shown.contains("more"), "{shown}");
        let (rows, shown) = lines(ROWS + 3);
        assert!(rows == ROWS && shown.contains("and 3 more\n"), "{shown}");
    }

    #[test]
    fn a_busy_file_may_have_bindings() {
        let shown = file("size:\t4 kB\nbusy:\t1\n").to_string();
        assert!(shown.contains("  bound           unknown while"), "{shown}");
    }

    #[test]
    fn sums_only_what_is_known() {
        let mut snapshot = Snapshot {
            files: vec![file("memory:\t4 kB"), file("memory:\t8 kB")],
            unreadable: 2,
        };
        let shown = snapshot.to_string();
        let end = "2 files, 12 KiB of memory; this user may not look at 2 processes\n";
        assert!(shown.ends_with(end), "{shown}");

        snapshot.files.push(file("size:\t4 kB"));
        snapshot.unreadable = 0;
        let shown = snapshot.to_string();
        assert!(shown.ends_with("\n3 files\n"), "{shown}");

        snapshot.files.clear();
        assert_eq!(snapshot.to_string(), "no restricted memory\n");
    }
}
