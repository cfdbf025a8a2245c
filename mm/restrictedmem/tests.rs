// SPDX-License-Identifier: GPL-2.0

//! Tests that need more than one module: real files with consumers through the public trait.

mod fixture;
mod lifetime;
mod load;
mod notify;
mod policy;
mod presence;
mod races;
