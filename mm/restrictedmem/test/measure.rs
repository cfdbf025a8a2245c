// SPDX-License-Identifier: GPL-2.0

//! How long it takes to look at memory that is there, for a benchmark.

use kernel::{
    mm::{
        restrictedmem::Binding,
        shmem::ShmemFile, //
    },
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

use crate::{
    recorder::Recorder,
    uapi, //
};

/// Takes longer than anybody wants to wait.
const MAX_CALLS: u32 = 1 << 20;

/// Measures a get, and what tmpfs alone needs to look up a page of its own.
pub(crate) fn measure(binding: &Binding<Recorder>, io: &mut uapi::Measure) -> Result {
    if io.calls == 0 || io.calls > MAX_CALLS {
        return Err(EINVAL);
    }
    let index = io.index as usize;
    let tmpfs = ShmemFile::new(c"restrictedmem_test")?;
    let folio = tmpfs.folio_for_write(0)?;
    folio.zero(folio.pages_around(0));
    folio.mark_dirty();
    folio.mark_uptodate();
    drop(folio);

    io.get = time(io.calls, || binding.get(index).map(drop))?;
    io.shmem = time(io.calls, || tmpfs.folio_for_write(0).map(drop))?;
    Ok(())
}

/// Returns how many nanoseconds so many calls take.
fn time(calls: u32, call: impl Fn() -> Result) -> Result<u64> {
    // Whatever the first one finds cold is not what is asked for.
    call()?;

    let start = Instant::<Monotonic>::now();
    for _ in 0..calls {
        call()?;
    }
    Ok(start.elapsed().as_nanos().unsigned_abs())
}
