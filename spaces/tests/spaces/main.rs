//! Tests of families, space files and the sums over them, in one program: it is linked once, and its tests run on all processors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocations;
mod bad_spaces;
mod blocks;
mod darts;
mod digests;
mod distribution;
mod expectation;
mod expected_cost;
mod fairnas;
mod mobilenet;
mod module_keys;
mod nasbench201;
mod ofa;
mod outline;
mod properties;
mod random_wired;
mod sampling;
mod space_keys;
mod zoph;
