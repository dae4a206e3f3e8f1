//! Tests of reading and writing models, in one program: it is linked once, and its tests run on all processors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod general;
mod message;
mod model;
mod operators;
mod precision;
mod profile;
mod read;
mod write;
