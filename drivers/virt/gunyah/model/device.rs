// SPDX-License-Identifier: GPL-2.0

//! The model as the hypervisor of /dev/gunyah.

use kernel::prelude::*;

use crate::{
    limits::Limits,
    user::Found, //
};

use super::link::Link;

/// What the device leads to. It is there as long as the module is.
pub(crate) struct Platform {
    _found: Found,
    _link: Link,
}

impl Platform {
    /// Begins to model.
    pub(crate) fn new(_module: &'static ThisModule) -> Result<Self> {
        let link = Link::patient()?;
        let manager = link.probe(Limits::PUBLIC)?;

        pr_warn!("machines of /dev/gunyah are those of a model, and run nothing\n");
        Ok(Self {
            _found: Found::new(manager),
            _link: link,
        })
    }
}
