//! Tests of experiments, data, methods and run folders, in one program: it is linked once, and its tests run on all processors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod asynchronous;
mod data_sets;
mod evolution;
mod experiments;
mod folder;
mod guide;
mod latency;
mod loader;
mod methods;
mod pipeline;
mod ranking;
mod shipped_experiments;
mod winner;
