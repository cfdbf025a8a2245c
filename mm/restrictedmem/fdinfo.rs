// SPDX-License-Identifier: GPL-2.0

//! What a file says about itself in `/proc/PID/fdinfo/FD`.
//!
//! The lines are described in `Documentation/userspace-api/memfd_restricted.rst`.

use kernel::{
    page::PAGE_SIZE,
    seq_file::SeqFile,
    seq_print, //
};

use crate::{
    bindings::Mode,
    file::RestrictedFile,
    provider::Provider,
    stat::{
        Census,
        KB, //
    }, //
};

impl RestrictedFile {
    /// Returns a length that the text has at least.
    pub(crate) fn shortest_text(&self) -> usize {
        let line = "binding:\t0x0-0x1000 shared \n".len();

        self.counters.bindings.get().saturating_mul(line)
    }

    /// Writes the text.
    pub(crate) fn write_text(&self, text: &SeqFile) {
        let counters = &self.counters;
        // An error has nowhere to go. Its lines are missing then.
        let census = Census::take(self).ok();

        seq_print!(text, "size:\t{} kB\n", self.memory.size() * KB);
        seq_print!(text, "memory:\t{} kB\n", self.memory.blocks() / 2);
        if let Some(census) = &census {
            write_present(text, census);
        }
        seq_print!(
            text,
            "quarantined:\t{} kB\n",
            counters.quarantined.get() * KB
        );
        if let Some(census) = &census {
            seq_print!(text, "poisoned:\t{} kB\n", census.poisoned * KB);
        }
        seq_print!(text, "loads:\t{}\n", counters.loads.get());
        seq_print!(text, "punches:\t{}\n", counters.punches.get());
        seq_print!(text, "refusals:\t{}\n", counters.refusals.get());
        seq_print!(text, "populates:\t{}\n", counters.populates.get());
        self.write_bindings(text);
    }

    /// Writes who holds what.
    ///
    /// Without a wait for the lock of the file: whoever punches a hole has it for as long as
    /// consumers take to agree, and a monitor that goes through all descriptors of the system must
    /// not stand still because of one of them, all the less as this function has no way to say that
    /// it was interrupted. Who needs the bindings of a busy file asks again.
    fn write_bindings(&self, text: &SeqFile) {
        let Some(bindings) = self.bindings.try_read() else {
            seq_print!(text, "busy:\t1\n");
            return;
        };

        for binding in bindings.overlaps(&(0..self.memory.size())) {
            let mode = match binding.mode {
                Mode::Exclusive => "exclusive",
                Mode::Shared => "shared",
            };

            seq_print!(
                text,
                "binding:\t{:#x}-{:#x} {mode} {}\n",
                binding.range.start * PAGE_SIZE,
                binding.range.end * PAGE_SIZE,
                binding.consumer.name()
            );
        }
    }
}

/// Writes what the memory is like.
fn write_present(text: &SeqFile, census: &Census) {
    seq_print!(text, "present:\t{} kB\n", census.present() * KB);
    seq_print!(text, "reserved:\t{} kB\n", census.reserved * KB);
    for (order, pages) in census.by_order() {
        seq_print!(text, "present-order-{order}:\t{} kB\n", pages * KB);
    }
    for (node, pages) in census.by_node() {
        seq_print!(text, "present-node-{node}:\t{} kB\n", pages * KB);
    }
}
