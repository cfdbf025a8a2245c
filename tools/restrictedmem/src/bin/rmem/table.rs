// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Text in columns.

use std::fmt;

/// Rows of text that are printed in columns as wide as their longest entry.
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: [String; N]) {
        self.rows.push(row);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, entry) in widths.iter_mut().zip(row) {
                *width = entry.chars().count().max(*width);
            }
        }
        for row in &self.rows {
            let line: Vec<String> = row
                .iter()
                .zip(widths)
                .map(|(entry, width)| format!("{entry:width$}"))
                .collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_its_columns() {
        let mut table = Table::new();
        table.push(["what".into(), "how".into()]);
        table.push(["longer than that".into(), "x".into()]);
        assert_eq!(
            table.to_string(),
            "what              how\nlonger than that  x\n"
        );
    }
}
