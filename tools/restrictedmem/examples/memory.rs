// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Makes memory that this program cannot touch.

use std::os::fd::AsRawFd;

use restrictedmem::{Builder, Error};

fn main() -> Result<(), Error> {
    let memory = Builder::new().len(16 << 20).create()?;

    memory.allocate(0..8 << 20)?; // reserve
    memory.punch(0..4 << 20)?; // give a part back
    println!("{:?}", memory.stat()?);

    println!("{} is what KVM takes as guest_memfd", memory.as_raw_fd());
    Ok(())
}
