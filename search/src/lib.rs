//! Searches a space for a network that meets a budget, and trains networks.
//!
//! Without the feature `torch` this crate has what needs no tensors: configuration, data sets, schedules, evolution and
//! the selection of architectures. With it come supernets, optimizers, searchers and the trainer, which the binary
//! `nasprof-search` runs for the command line.

pub mod config;
mod costs;
mod csv_text;
pub mod data;
#[cfg(feature = "torch")]
mod error;
pub mod evolution;
pub mod job;
#[cfg(feature = "torch")]
pub mod loss;
pub mod lut_files;
#[cfg(feature = "torch")]
pub mod optimizer;
#[cfg(feature = "torch")]
pub mod regularizers;
#[cfg(feature = "torch")]
pub mod run;
pub mod schedule;
#[cfg(feature = "torch")]
pub mod searchers;
pub mod selection;
#[cfg(feature = "torch")]
mod session;
pub mod settling;
#[cfg(feature = "torch")]
pub mod supernet;
pub mod told;
pub mod winner;

pub use costs::{CostError, Costs};
#[cfg(feature = "torch")]
pub use error::SearchError;
#[cfg(feature = "torch")]
pub use session::{Gradients, Loss, MiniBatch, Session};
