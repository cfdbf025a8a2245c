// SPDX-License-Identifier: GPL-2.0

//! Everything that is unsafe.

use kernel::prelude::*;

#[cfg(CONFIG_GUNYAH_KUNIT_TEST)]
pub(crate) mod file;

/// What `#[vtable]` expects of a crate.
pub(crate) struct LocalModule;

impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static CStr = c"gunyah";
    const THIS_MODULE: ThisModule = {
        // SAFETY: A null module is what code that is built in has.
        unsafe { ThisModule::from_ptr(core::ptr::null_mut()) }
    };
}
