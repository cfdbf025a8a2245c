// SPDX-License-Identifier: GPL-2.0

//! Beginning and ending a subscription.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    bindings::Binding,
    ffi::trace,
    provider::Provider, //
};

/// Adds a binding to its file.
///
/// What is present is split at the edges of the binding, so that no later operation on its memory
/// touches somebody else's.
pub(crate) fn bind(binding: Binding) -> Result<Arc<Binding>> {
    let binding = Arc::new(binding, GFP_KERNEL)?;
    let result = add(&binding);

    trace::bind(&binding, result);
    result.map(|()| binding)
}

fn add(binding: &Arc<Binding>) -> Result {
    let range = &binding.range;

    if range.is_empty() || range.end > binding.file.memory.size() {
        return Err(EINVAL);
    }

    let mut bindings = binding.file.bindings.write()?;

    bindings.check(binding)?;
    binding.file.memory.split(range.start)?;
    binding.file.memory.split(range.end)?;
    bindings.insert(binding)?;
    binding.file.counters.bindings.add(1);
    Ok(())
}

/// Takes a binding out of its file. Whoever calls back holds the lock, so nobody does any more.
pub(crate) fn unbind(binding: Arc<Binding>) {
    binding
        .file
        .bindings
        .write_uninterruptible()
        .remove(&binding);
    binding.file.counters.bindings.sub(1);
    trace::unbind(&binding);
}
