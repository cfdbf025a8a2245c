// SPDX-License-Identifier: GPL-2.0

//! Beginning and ending a subscription.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    bindings::Binding,
    provider::Provider, //
};

/// Adds a binding to its file.
///
/// What is present is split at the edges of the binding, so that no later operation on its memory
/// touches somebody else's.
pub(crate) fn bind(binding: Binding) -> Result<Arc<Binding>> {
    let range = binding.range.clone();

    if range.is_empty() || range.end > binding.file.memory.size() {
        return Err(EINVAL);
    }

    let binding = Arc::new(binding, GFP_KERNEL)?;
    let mut bindings = binding.file.bindings.write()?;

    bindings.check(&binding)?;
    binding.file.memory.split(range.start)?;
    binding.file.memory.split(range.end)?;
    bindings.insert(&binding)?;

    drop(bindings);
    Ok(binding)
}

/// Takes a binding out of its file. Whoever calls back holds the lock, so nobody does any more.
pub(crate) fn unbind(binding: Arc<Binding>) {
    binding
        .file
        .bindings
        .write_uninterruptible()
        .remove(&binding);
}
