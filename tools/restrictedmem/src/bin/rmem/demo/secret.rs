// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem demo`: a machine computes in memory that its owner cannot touch.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use restrictedmem::{Builder, RestrictedMemory};

use super::kvm::MachineError;
use super::layout::{FIELD, FIELD_LEN, LATE_FIELD, PAGE, PRIVATE, PRIVATE_LEN, SECRET};
use super::machine::{Hypervisor, Machine};
use super::peek::PEEKS;
use super::report::Report;
use super::search::{self, Digest, digest_of};
use super::{errno_name, lose_patience_after, try_descriptor};
use crate::Failure;
use crate::size::kib;

/// How long all of it may take before something hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// The machine counts the primes up to here ...
const PRIMES_UP_TO: u32 = 20_000;
/// ... which are that many.
const PRIMES: u32 = 2262;

/// What the scenes have in common.
struct Demo<'a> {
    report: &'a mut Report,
    hypervisor: &'a Hypervisor,
    memory: RestrictedMemory,
    /// The digest of the secret: all that is known of it outside.
    secret: Digest,
}

/// Runs the demo. `Ok` if everything holds.
pub fn run() -> Result<(), Failure> {
    let begin = Instant::now();
    lose_patience_after(PATIENCE);

    println!("Memory that its owner cannot touch, and a machine that runs from it.\n");
    let memory = Builder::new().len(PRIVATE_LEN).create()?;
    let hypervisor = Hypervisor::open()?;
    let mut report = Report::new();
    let demo = Demo {
        report: &mut report,
        hypervisor: &hypervisor,
        memory,
        secret: [0; 32],
    };
    let went = demo.scenes();
    // Also after a failure: what was shown before it helps to understand it.
    report.finish(went, begin.elapsed())
}

impl Demo<'_> {
    fn scenes(mut self) -> Result<(), Failure> {
        self.make();
        let mut first = self.start()?;
        self.try_descriptor()?;
        self.try_addresses(&mut first)?;
        self.ask_how_much()?;
        self.punch(&mut first)?;
        let second = self.move_to_second(first)?;
        self.close(second)
    }

    fn make(&mut self) {
        self.report.scene(&format!(
            "We make {} of it, in this process, and set its size. We are its owner.",
            kib(PRIVATE_LEN)
        ));
        let again = self
            .memory
            .set_len(2 * PRIVATE_LEN)
            .map_err(|error| error.errno());
        self.report.row(
            "we change its size",
            "ftruncate()",
            errno_name(again),
            again == Err(Errno::EPERM as i32),
        );
    }

    /// A machine gets the memory, and a program gets into it.
    fn start(&mut self) -> Result<Machine, Failure> {
        self.report.scene(
            "A KVM machine takes it as its private memory. A loader in shared memory\n\
             copies a program there, which draws a secret and keeps it there too.",
        );
        let mut machine = Machine::new(self.hypervisor, self.memory.as_fd())?;
        machine.start_with_loader()?;
        self.count_primes("a program runs in it", &mut machine)?;

        machine.draw_secret()?;
        self.secret = machine.secret_digest()?;
        self.report
            .say(&format!("SHA-256 of the secret: {}", hex(&self.secret)));
        Ok(machine)
    }

    fn count_primes(&mut self, what: &'static str, machine: &mut Machine) -> Result<(), Failure> {
        let primes = machine.count_primes(PRIMES_UP_TO)?;
        let verdict = if primes == PRIMES { "right" } else { "wrong" };
        self.report.row(
            what,
            format!("primes up to {PRIMES_UP_TO}"),
            format!("{primes}, {verdict}"),
            primes == PRIMES,
        );
        Ok(())
    }

    fn try_descriptor(&mut self) -> Result<(), Failure> {
        self.report.scene(
            "We hold the descriptor and try to get at the memory with it. Every way is\n\
             tried on an ordinary memfd first, where it must work.",
        );
        try_descriptor(self.report, &self.memory)
    }

    /// What can be tried with the addresses of this process.
    fn try_addresses(&mut self, machine: &mut Machine) -> Result<(), Failure> {
        self.report.scene(
            "We look at the addresses that the machine has for its memory in our process,\n\
             and search all that we can see. The machine has left a note in shared memory,\n\
             as random as the secret, which must be found in the same ways.",
        );
        let note = machine.write_note()?;
        let note_at = machine
            .note_address()
            .ok_or_else(|| Failure::Broken("the machine has no shared memory".into()))?;

        for peek in PEEKS {
            let sees_note = peek
                .look(note_at, 32)
                .map(|bytes| digest_of(&bytes) == note);
            let (at, len) = if peek.is_slow {
                (machine.private_address(SECRET), PAGE)
            } else {
                (machine.private_address(PRIVATE), PRIVATE_LEN)
            };
            let is_zero = peek
                .look(at, len)
                .map(|bytes| bytes.iter().all(|byte| *byte == 0));
            let (result, holds) = match (sees_note, is_zero) {
                (Ok(true), Ok(true)) => (format!("{} of zeroes", kib(len)), true),
                (Ok(true), Ok(false)) => ("something that is not zero".into(), false),
                (Ok(false), _) => ("proves nothing: not even the note".into(), false),
                (Err(error), _) | (_, Err(error)) => (error.to_string(), false),
            };
            self.report.row(peek.what, peek.how, result, holds);
        }
        self.search(note, note_at)
    }

    fn search(&mut self, note: Digest, note_at: u64) -> Result<(), Failure> {
        let found = search::everywhere([note, self.secret])?;
        let [notes, secrets] = found.addresses;
        for (thing, is_found, should_be) in [
            ("note", notes.contains(&note_at), true),
            ("secret", !secrets.is_empty(), false),
        ] {
            self.report.row(
                "we search all our memory",
                format!("SHA-256 in {}", kib(found.bytes)),
                format!("the {thing}: {}found", if is_found { "" } else { "not " }),
                is_found == should_be,
            );
        }
        Ok(())
    }

    fn ask_how_much(&mut self) -> Result<(), Failure> {
        self.report
            .scene("We may know how much there is, as for any file.");
        let stat = self.memory.stat()?;
        let present = self.present()?;
        self.report.row(
            "we ask for its size",
            "fstat()",
            format!("{}, {} in use", kib(stat.len), kib(stat.allocated)),
            stat.len == PRIVATE_LEN && stat.allocated > 0 && stat.allocated <= PRIVATE_LEN,
        );
        self.report.row(
            "we ask where it is in use",
            "lseek()",
            format!("{} in use", kib(present)),
            present == stat.allocated,
        );
        Ok(())
    }

    /// How many bytes are present.
    fn present(&self) -> Result<u64, Failure> {
        let mut bytes = 0;
        for range in self.memory.present() {
            let range = range?;
            bytes += range.end - range.start;
        }
        Ok(bytes)
    }

    fn punch(&mut self, machine: &mut Machine) -> Result<(), Failure> {
        const HOLE: u64 = FIELD_LEN / 2;
        self.report.scene(
            "We give a part of it back that the machine has filled. The machine finds zeroes\n\
             there, and everything else as it was.",
        );
        machine.fill_field(FIELD)?;
        let full = machine.count_field(FIELD)?;
        let before = self.memory.stat()?.allocated;
        self.memory.punch(FIELD + PAGE..FIELD + PAGE + HOLE)?;
        let after = self.memory.stat()?.allocated;
        self.report.row(
            "we give memory back",
            "fallocate(), a hole",
            format!("{} less in use", kib(before.saturating_sub(after))),
            before.checked_sub(after) == Some(HOLE),
        );
        let left = machine.count_field(FIELD)?;
        self.report.row(
            "the machine looks there",
            format!("counts its {}", kib(FIELD_LEN)),
            format!("{} are zeroes", kib(full.saturating_sub(left))),
            full == FIELD_LEN && left == FIELD_LEN - HOLE,
        );
        same_secret(
            self.report,
            "the machine still knows",
            machine,
            &self.secret,
        )
    }

    fn move_to_second(&mut self, first: Machine) -> Result<Machine, Failure> {
        self.report.scene(
            "A second machine asks for the memory: not while the first has it. Then the first\n\
             one is gone, and the second goes on with what is there; it has no loader.",
        );
        let early = match Machine::new(self.hypervisor, self.memory.as_fd()) {
            Ok(_) => Ok(()),
            Err(MachineError::Refused { errno, .. }) => Err(errno as i32),
            Err(other) => return Err(other.into()),
        };
        self.report.row(
            "two machines want it",
            "KVM memory slot",
            errno_name(early),
            early == Err(Errno::EBUSY as i32),
        );
        drop(first);
        let mut second = Machine::new(self.hypervisor, self.memory.as_fd())?;
        second.start_with_what_is_there()?;
        same_secret(
            self.report,
            "the next machine knows",
            &mut second,
            &self.secret,
        )?;
        self.count_primes("its program runs there", &mut second)?;
        Ok(second)
    }

    /// The last scene: without the descriptor.
    fn close(self, mut machine: Machine) -> Result<(), Failure> {
        let Self {
            report,
            memory,
            secret,
            ..
        } = self;
        report.scene(
            "We close the descriptor. The machine keeps the memory, also what it has not\n\
             touched before.",
        );
        drop(memory);
        same_secret(report, "the file is closed", &mut machine, &secret)?;
        let fresh = machine.count_field(LATE_FIELD)?;
        machine.fill_field(LATE_FIELD)?;
        let filled = machine.count_field(LATE_FIELD)?;
        report.row(
            "it takes new memory",
            format!("fills {}", kib(FIELD_LEN)),
            format!("zeroes before, {} after", kib(filled)),
            fresh == 0 && filled == FIELD_LEN,
        );
        Ok(())
    }
}

/// Asks the machine for the digest of its secret.
fn same_secret(
    report: &mut Report,
    what: &'static str,
    machine: &mut Machine,
    secret: &Digest,
) -> Result<(), Failure> {
    let same = machine.secret_digest()? == *secret;
    let result = if same { "the same" } else { "another one" };
    report.row(what, "SHA-256 of the secret", result, same);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        hex.push_str(&format!("{byte:02x}"));
        hex
    })
}
