//! What can be wrong with the distributions or costs that an expected value is asked for.

use thiserror::Error;

use crate::LayerKey;
use crate::passes::SelectError;

/// Distributions that do not fit the graph's choices.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpectationError {
    /// Wrong number of distributions.
    #[error("{actual} distributions for the graph's {expected} choices")]
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
    #[error("the distribution of choice `{0}` is not one of probabilities that sum to 1")]
    NotProbabilities(String),
    /// A layer that some network needs and whose cost is not known.
    #[error("the cost of layer `{0}` is not known")]
    UnknownCost(LayerKey),
    /// An architecture that is none of the graph's.
    #[error(transparent)]
    Select(#[from] SelectError),
}
