// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Where things lie in the machine, and the numbers that its program and this one agree on. The
//! assembly of the machine uses the same constants.

/// Size of a page.
pub const PAGE: u64 = 0x1000;

/// The first 64 KiB of the machine: ordinary memory of ours that both sides see.
pub const SHARED: u64 = 0;
/// How much of it there is.
pub const SHARED_LEN: u64 = 0x1_0000;
/// Page tables to begin with: three pages in a row.
pub const BOOT_TABLES: u64 = 0x1000;
/// The loader, a handful of instructions.
pub const LOADER: u64 = 0x4000;
/// How long it is, padding included.
pub const LOADER_LEN: u64 = 64;
/// The program as we hand it over. The loader copies it.
pub const IMAGE: u64 = 0x5000;
/// The page on which the program leaves a note for us.
pub const NOTE: u64 = 0x8000;

/// The restricted memory in the machine: its second 2 MiB, so that one large page of the page
/// tables maps it.
pub const PRIVATE: u64 = 0x20_0000;
/// How much of it there is: the size of the restricted file.
pub const PRIVATE_LEN: u64 = 0x20_0000;
/// Where the program runs.
pub const PROGRAM: u64 = PRIVATE;
/// How long it is, padding included.
pub const PROGRAM_LEN: u64 = PAGE;
/// Its own page tables: three pages in a row.
pub const TABLES: u64 = PRIVATE + 0x1000;
/// Its stack grows down from here.
pub const STACK_TOP: u64 = PRIVATE + 0x5000;
/// The secret: 32 bytes.
pub const SECRET: u64 = PRIVATE + 0x5000;
/// What random numbers are made from.
pub const SEED: u64 = PRIVATE + 0x6000;
/// The digest that it reports next.
pub const DIGEST: u64 = PRIVATE + 0x6040;
/// The 64 words that SHA-256 works on.
pub const SCHEDULE: u64 = PRIVATE + 0x6100;

/// Size of a field: memory that the program fills with a pattern and counts.
pub const FIELD_LEN: u64 = 0x1_0000;
/// Offset, in the file, of the field in which a hole is punched.
pub const FIELD: u64 = 0x10_0000;
/// Offset of a field that nobody touches before the file is closed.
pub const LATE_FIELD: u64 = 0x18_0000;

/// The program takes a command from here ...
pub const PORT_COMMAND: u16 = 0x10;
/// ... and its argument from here,
pub const PORT_ARGUMENT: u16 = 0x14;
/// puts each word of the answer here ...
pub const PORT_RESULT: u16 = 0x18;
/// ... and anything here when the answer is complete.
pub const PORT_DONE: u16 = 0x1c;

/// Draw a secret. Argument: whether the processor has `rdrand`.
pub const DRAW_SECRET: u32 = 1;
/// Report the SHA-256 digest of the secret.
pub const DIGEST_SECRET: u32 = 2;
/// Draw 32 bytes, write them to the shared page, report their digest. Argument as for the secret.
pub const WRITE_NOTE: u32 = 3;
/// Report how many primes there are up to the argument.
pub const COUNT_PRIMES: u32 = 4;
/// Fill the field at the offset in the argument.
pub const FILL_FIELD: u32 = 5;
/// Report how many bytes of that field are not zero.
pub const COUNT_FIELD: u32 = 6;
