//! What to expect when every choice is drawn independently from a distribution of its own: how probable it is that a
//! node runs, and what a network costs on average ([`ExpectedCost`]).

mod circuit;
mod cost;
mod decision;
mod demand;
mod distributions;
mod enumerated;
mod error;
mod network_cost;
mod probability;
mod sampled;
mod tables;

pub use cost::{ExpectedCost, Method};
pub use error::ExpectationError;
pub use probability::{keys_that_can_run, run_probabilities, sampled_run_probabilities};
pub use sampled::Sampling;
