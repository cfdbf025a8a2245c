// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The code that runs in the machine, as bytes: it is assembled with this program and lies among
//! its constants.

use std::arch::global_asm;

use super::layout::*;

global_asm!(
    include_str!("loader.s"),
    IMAGE = const IMAGE,
    PROGRAM = const PROGRAM,
    PROGRAM_LEN = const PROGRAM_LEN,
    LOADER_LEN = const LOADER_LEN,
);

global_asm!(
    include_str!("program.s"),
    PROGRAM_LEN = const PROGRAM_LEN,
    SHARED = const SHARED,
    PRIVATE = const PRIVATE,
    TABLES = const TABLES,
    STACK_TOP = const STACK_TOP,
    SECRET = const SECRET,
    SEED = const SEED,
    DIGEST = const DIGEST,
    SCHEDULE = const SCHEDULE,
    NOTE = const NOTE,
    FIELD_LEN = const FIELD_LEN,
    PORT_COMMAND = const PORT_COMMAND,
    PORT_ARGUMENT = const PORT_ARGUMENT,
    PORT_RESULT = const PORT_RESULT,
    PORT_DONE = const PORT_DONE,
    DRAW_SECRET = const DRAW_SECRET,
    DIGEST_SECRET = const DIGEST_SECRET,
    WRITE_NOTE = const WRITE_NOTE,
    COUNT_PRIMES = const COUNT_PRIMES,
    FILL_FIELD = const FILL_FIELD,
    COUNT_FIELD = const COUNT_FIELD,
);

// SAFETY: The assembly above defines both in a read-only section and pads them to this length.
unsafe extern "C" {
    /// The loader, to be put at [`LOADER`].
    #[link_name = "rmem_loader"]
    pub safe static LOADER_CODE: [u8; LOADER_LEN as usize];

    /// The program, to be put at [`IMAGE`], from where the loader takes it.
    #[link_name = "rmem_program"]
    pub safe static PROGRAM_CODE: [u8; PROGRAM_LEN as usize];
}
