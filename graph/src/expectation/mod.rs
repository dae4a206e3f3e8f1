//! Expected values when every choice is sampled independently from its own distribution: the probability that a node
//! runs, and the mean cost of a network ([`ExpectedCost`]).

mod circuit;
mod cost;
mod decision;
mod demand;
mod distributions;
mod enumerated;
mod error;
mod network_cost;
mod of_sum;
mod probability;
mod sampled;
mod tables;

pub use cost::{ExpectedCost, Method};
pub use error::ExpectationError;
pub use probability::{keys_that_can_run, run_probabilities, sampled_run_probabilities};
pub use sampled::Sampling;
