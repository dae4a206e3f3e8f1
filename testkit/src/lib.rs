//! Helpers for the tests of several crates. It is only a development dependency, never part of a library.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

pub mod data_sets;
pub mod draws;
pub mod engine;
pub mod graphs;
pub mod luts;
pub mod machine;
pub mod python;
pub mod shells;
pub mod skip;
