//! What tests of several crates share. Only a development dependency, and never of a library's own code.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails by panicking")]

pub mod data_sets;
pub mod engine;
pub mod graphs;
pub mod luts;
pub mod machine;
pub mod python;
pub mod skip;
