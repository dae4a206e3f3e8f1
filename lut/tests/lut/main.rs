//! Tests of from journals to estimates, in one program: it is linked once, and its tests run on all processors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod caches;
mod coverage;
mod disturbed;
mod expected;
mod gpu;
mod import;
mod import_profile;
mod lut;
mod merge;
mod model;
mod refused;
mod shape;
mod shard;
