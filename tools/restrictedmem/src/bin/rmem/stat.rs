// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! `rmem stat`: how much memory restricted files have, and who holds them.

pub mod fdinfo;
mod scan;
mod show;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::RawFd;
use std::thread;
use std::time::Duration;

use clap::Args;

use self::scan::{Snapshot, descriptors};
use crate::Failure;

#[derive(Args)]
pub struct Options {
    /// Only files that this process holds.
    #[arg(long)]
    pid: Option<u32>,
    /// Only the file of this descriptor of it.
    #[arg(
        long,
        value_name = "N",
        requires = "pid",
        value_parser = clap::value_parser!(RawFd).range(0..)
    )]
    fd: Option<RawFd>,
    /// Print JSON; with --watch, one document a line.
    #[arg(long)]
    json: bool,
    /// Look again every so many seconds, 2 if no number is given.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = seconds
    )]
    watch: Option<Duration>,
}

/// Shows what there is, once or until it is told to stop.
pub fn run(options: &Options) -> Result<(), Failure> {
    loop {
        let snapshot = options.look()?;
        match options.show(&snapshot) {
            // Nobody reads on.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            shown => shown?,
        }
        match options.watch {
            Some(pause) => thread::sleep(pause),
            None => return Ok(()),
        }
    }
}

impl Options {
    fn look(&self) -> Result<Snapshot, Failure> {
        let mut snapshot = Snapshot::take().map_err(|error| {
            Failure::Unavailable(format!("cannot look at processes in /proc: {error}"))
        })?;
        if let Some(pid) = self.pid {
            snapshot.keep(pid, self.fd);
            if snapshot.files.is_empty() {
                return Err(Failure::Broken(why_not(pid, self.fd)));
            }
        } else if snapshot.files.is_empty() && !restrictedmem::is_supported() {
            return Err(Failure::Unavailable(
                "this kernel does not have the system call memfd_restricted (ENOSYS)".into(),
            ));
        }
        Ok(snapshot)
    }

    fn show(&self, snapshot: &Snapshot) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match (self.json, self.watch) {
            (true, None) => {
                serde_json::to_writer_pretty(&mut out, snapshot)?;
                writeln!(out)?;
            }
            (true, Some(_)) => {
                serde_json::to_writer(&mut out, snapshot)?;
                writeln!(out)?;
            }
            (false, None) => write!(out, "{snapshot}")?,
            // The screen anew, or one after the other in a file.
            (false, Some(_)) if out.is_terminal() => write!(out, "\x1b[H\x1b[2J{snapshot}")?,
            (false, Some(_)) => writeln!(out, "{snapshot}")?,
        }
        out.flush()
    }
}

/// Why a process has nothing to show.
fn why_not(pid: u32, fd: Option<RawFd>) -> String {
    match (descriptors(pid), fd) {
        (Err(error), _) if error.kind() == ErrorKind::NotFound => {
            format!("there is no process {pid}")
        }
        (Err(error), _) => format!("cannot look at the descriptors of process {pid}: {error}"),
        (Ok(_), None) => format!("process {pid} holds no restricted memory"),
        (Ok(fds), Some(fd)) if fds.contains(&fd) => {
            format!("descriptor {fd} of process {pid} is not restricted memory")
        }
        (Ok(_), Some(fd)) => format!("process {pid} has no descriptor {fd}"),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|pause| !pause.is_zero())
        .ok_or_else(|| "a number of seconds above zero is wanted".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_parts_of_seconds_but_not_none() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "inf", "NaN", "soon", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn says_why_there_is_nothing() {
        let pid = std::process::id();
        assert!(why_not(pid, None).ends_with("holds no restricted memory"));
        assert!(why_not(pid, Some(0)).ends_with("is not restricted memory"));
        assert!(why_not(pid, Some(RawFd::MAX)).contains("has no descriptor"));
        assert!(why_not(u32::MAX, None).starts_with("there is no process"));
    }
}
