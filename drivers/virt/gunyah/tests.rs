// SPDX-License-Identifier: GPL-2.0

//! Tests of the whole against a model of the resource manager.

mod calls;
mod failures;
mod fixture;
mod holes;
mod lives;
mod messages;
mod model;
mod parcels;
mod races;
