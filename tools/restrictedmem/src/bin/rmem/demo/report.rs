// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What the demo says while it runs, and the table at its end.

use std::time::Duration;

use crate::Failure;
use crate::table::Table;

/// Collects what was shown.
pub struct Report {
    scenes: usize,
    table: Table<3>,
    rows: usize,
    /// What did not hold.
    broken: Vec<String>,
}

impl Report {
    pub fn new() -> Self {
        let mut table = Table::new();
        table.push(["what", "how", "result"].map(str::to_owned));
        Self {
            scenes: 0,
            table,
            rows: 0,
            broken: Vec::new(),
        }
    }

    /// Says what comes next.
    pub fn scene(&mut self, text: &str) {
        self.scenes += 1;
        println!("{}. {}", self.scenes, text.replace('\n', "\n   "));
    }

    /// Says something more.
    pub fn say(&mut self, text: &str) {
        println!("   {text}");
    }

    /// Adds a row: what was done, how, what came of it, and whether that is as it should be.
    pub fn row(
        &mut self,
        what: impl Into<String>,
        how: impl Into<String>,
        result: impl Into<String>,
        holds: bool,
    ) {
        let (what, how, mut result) = (what.into(), how.into(), result.into());
        self.rows += 1;
        if !holds {
            self.broken.push(format!("{what}, {how}: {result}"));
            result.push_str("  <- does not hold");
        }
        self.table.push([what, how, result]);
    }

    /// Prints the table and the verdict. `went` says whether everything could be tried.
    pub fn finish(self, went: Result<(), Failure>, took: Duration) -> Result<(), Failure> {
        println!("\n{}", self.table);
        went?;
        if self.broken.is_empty() {
            println!("All {} hold. ({:.1} s)", self.rows, took.as_secs_f32());
            println!(
                "\nThis is about what user space can do with the memory. The kernel can read it, and so\n\
                 can the program of a machine that is given it: who may make machines and holds the\n\
                 descriptor can start one. README.md has the threat model."
            );
            return Ok(());
        }
        let sentence = format!(
            "{} of {} do not hold: {}",
            self.broken.len(),
            self.rows,
            self.broken.join("; ")
        );
        Err(Failure::Broken(sentence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_that_does_not_hold_is_a_failure() {
        let mut report = Report::new();
        report.row("this", "so", "fine", true);
        report.row("that", "so", "odd", false);
        let failure = report.finish(Ok(()), Duration::ZERO).unwrap_err();
        assert_eq!(failure.to_string(), "1 of 2 do not hold: that, so: odd");
    }
}
