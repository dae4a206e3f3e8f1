//! What a search needs besides tensors: experiments, data sets, costs, evolution and the selection of architectures.

pub mod config;
mod costs;
pub mod csv_text;
pub mod data;
pub mod evolution;
pub mod job;
pub mod lut_files;
pub mod schedule;
pub mod selection;
pub mod told;
pub mod winner;

pub use costs::{CostError, Costs, Extreme, FoundBy};
