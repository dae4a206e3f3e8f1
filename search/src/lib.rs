//! The parts of a search without tensors: experiments, data sets, costs, evolution and the selection of architectures.

pub mod agreement;
mod columns;
pub mod config;
mod costs;
pub mod csv_text;
pub mod data;
pub mod events;
pub mod evolution;
mod extremum;
pub mod folder;
pub mod inputs;
pub mod job;
pub mod methods;
pub mod pipeline;
pub mod ranking;
pub mod record;
pub mod schedule;
pub mod selection;
pub mod silence;
pub mod target;
pub mod trials;
pub mod winner;

pub use costs::{CostError, Costs};
pub use extremum::{Extremum, Optimality};
