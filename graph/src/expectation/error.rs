//! Errors of distributions and costs in expected values.

use thiserror::Error;

use crate::LayerKey;
use crate::passes::SelectError;

/// Distributions that do not fit the graph's choices.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpectationError {
    /// Wrong number of distributions.
    #[error("{actual} distributions for {expected} choices")]
    Count {
        /// Choices in the graph.
        expected: usize,
        /// Distributions given.
        actual: usize,
    },
    /// Not one probability per candidate.
    #[error("choice `{choice}` has {expected} candidates, its distribution has {actual}")]
    Candidates {
        /// Name of the choice.
        choice: String,
        /// Its candidates.
        expected: usize,
        /// Probabilities given.
        actual: usize,
    },
    /// Negative, not finite, or a sum that is not 1.
    #[error("the probabilities of choice `{0}` do not sum to 1")]
    NotProbabilities(String),
    /// A layer of unknown cost that some network runs.
    #[error("unknown cost of layer `{0}`")]
    UnknownCost(LayerKey),
    /// An architecture that does not fit the graph.
    #[error(transparent)]
    Select(#[from] SelectError),
}
