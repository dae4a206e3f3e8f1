//! Tests of the engine, the journal and the protocol, in one program: it is linked once, and its tests run on all processors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broken_devices;
mod coverage;
mod engine;
mod plan;
mod precision;
mod queued;
mod replies;
mod resume;
