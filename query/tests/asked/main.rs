//! Queries over files, as `nasprof query` asks them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod documented;
mod harness;
mod refused;
mod tables;
