// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! What is made from the description of the command line, for those who package the command.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Arguments, Failure};

/// Prints a completion script.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    clap_complete::generate(shell, &mut Arguments::command(), "rmem", &mut io::stdout());
    Ok(())
}

/// Writes a page for the command and one for each subcommand.
pub fn man(folder: &Path) -> Result<(), Failure> {
    let unwritable =
        |error| Failure::Broken(format!("cannot write to {}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(unwritable)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(unwritable)
}
