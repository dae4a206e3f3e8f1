//! Search over whole architectures within a budget: evolution (Real et al. 2019; Cai et al., "Once-for-All"), and
//! independent samples as the baseline for every other search.
//!
//! Both need a [`Scorer`]: a trained supernet, a table, or a score without training. The budget is hard: no
//! architecture outside it is ever scored.

mod archive;
mod budget;
mod evolve;
mod front;
mod picture;
mod run;
mod sample;
mod simulated;
mod trained;

use std::error::Error;

use nasprof_graph::Arch;
use thiserror::Error as ThisError;

use crate::CostError;
use crate::config::Score;

pub use budget::Budget;
pub use evolve::evolve;
pub use front::{front, table};
pub use run::{Bounded, RunError, SampledResult, run};
pub use sample::sample;
pub use simulated::simulate;
pub use trained::{Beside, OnTable, TrainedError};

/// Judges architectures; higher is better.
pub trait Scorer {
    /// The score of an architecture. A search asks once for each.
    ///
    /// # Errors
    /// Any failure to score; it ends the search.
    fn score(&mut self, arch: &Arch) -> Result<f64, Box<dyn Error + Send + Sync>>;

    /// Receives the progress after every sample. Returns whether the search goes on.
    fn goes_on(&mut self, _sampling: &Sampling) -> bool {
        true
    }
}

/// Progress of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Different architectures scored so far.
    pub evaluated: usize,
    /// Maximum number of architectures to score.
    pub wanted: usize,
    /// Architectures sampled so far, including those out of the budget and duplicates.
    pub sampled: u64,
}

impl<F: FnMut(&Arch) -> Result<f64, Box<dyn Error + Send + Sync>>> Scorer for F {
    fn score(&mut self, arch: &Arch) -> Result<f64, Box<dyn Error + Send + Sync>> {
        self(arch)
    }
}

/// An architecture within the budget, with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The architecture.
    pub arch: Arch,
    /// Its score.
    pub score: f64,
    /// The quantities of the budget, in its order.
    pub values: Vec<f64>,
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The architecture with the highest score; of equal ones, the one with the smallest first quantity.
    pub best: Candidate,
    /// The Pareto front of score and the budget's first quantity, in ascending order of that quantity.
    pub front: Vec<Candidate>,
    /// Number of distinct scored architectures.
    pub evaluated: usize,
    /// Number of sampled architectures, including those out of the budget and duplicates.
    pub sampled: u64,
}

/// An error that ends a search.
#[derive(Debug, ThisError)]
pub enum EvolutionError {
    /// A cost is unknown.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// The scorer failed.
    #[error("cannot score an architecture: {0}")]
    Scorer(Box<dyn Error + Send + Sync>),
    /// The scorer returned NaN or an infinite number.
    #[error("the score of an architecture is {0}")]
    NoNumber(f64),
    /// The caller ended the search.
    #[error("interrupted after {evaluated} architectures")]
    Interrupted {
        /// How many were scored.
        evaluated: usize,
    },
    /// No sampled architecture is within the budget.
    #[error("none of {sampled} sampled architectures is within the budget")]
    NothingFound {
        /// How many were drawn.
        sampled: u64,
    },
}

impl Score {
    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Macs => "macs",
        }
    }
}
