//! Searches a space for a network that meets a budget, and trains networks.
//!
//! Without the feature `torch` this crate has what needs no tensors: configuration, data sets, schedules and the
//! selection of architectures. With it come supernets, optimizers, searchers and the trainer, which the binary
//! `nasprof-search` runs for the command line.

pub mod config;
mod costs;
pub mod data;
pub mod evolution;
mod files;
pub mod schedule;

pub use costs::{CostError, Costs};
