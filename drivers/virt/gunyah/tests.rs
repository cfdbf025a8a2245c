// SPDX-License-Identifier: GPL-2.0

//! Tests of the whole against a model of the resource manager.

use crate::model;

mod calls;
mod failures;
mod fixture;
mod holes;
mod lives;
mod messages;
mod parcels;
mod processors;
mod races;
pub(crate) mod spy;
