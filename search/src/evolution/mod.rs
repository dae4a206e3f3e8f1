//! Search over whole architectures within a budget: evolution (Real et al. 2019; Cai et al., "Once-for-All"), and
//! independent samples as the baseline that every other search has to beat.
//!
//! Both need a [`Scorer`]: a trained supernet, a table, or a score without training. The budget is hard: no
//! architecture outside it is ever scored.

mod archive;
mod budget;
mod evolve;
mod front;
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
    /// The score of an architecture. It is asked once for each.
    ///
    /// # Errors
    /// Whatever keeps it from judging; the search ends with it.
    fn score(&mut self, arch: &Arch) -> Result<f64, Box<dyn Error + Send + Sync>>;

    /// Is told after every sample how far the search is; whether it is to go on.
    fn goes_on(&mut self, _sampling: &Sampling) -> bool {
        true
    }
}

/// How far a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Different architectures scored so far.
    pub evaluated: usize,
    /// The most that will be scored.
    pub wanted: usize,
    /// Architectures sampled so far, also those out of the budget or known already.
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

/// What a search has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The architecture with the highest score, of equal ones the one with the least of the first quantity.
    pub best: Candidate,
    /// Those that none other beats in both, score and the budget's first quantity; by that quantity, ascending.
    pub front: Vec<Candidate>,
    /// Different architectures that were scored.
    pub evaluated: usize,
    /// Architectures that were drawn, also those out of the budget or known already.
    pub sampled: u64,
}

/// A search that cannot go on.
#[derive(Debug, ThisError)]
pub enum EvolutionError {
    /// A cost is not known.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// The scorer failed.
    #[error("the score of an architecture: {0}")]
    Scorer(Box<dyn Error + Send + Sync>),
    /// The scorer gave no number.
    #[error("the score of an architecture is {0}")]
    NoNumber(f64),
    /// It was ended from outside.
    #[error("interrupted after {evaluated} architectures")]
    Interrupted {
        /// How many were scored.
        evaluated: usize,
    },
    /// Nothing within the budget was found.
    #[error("none of {sampled} sampled architectures is within the budget")]
    NothingFound {
        /// How many were drawn.
        sampled: u64,
    },
}

impl Score {
    /// Its name, as files have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Macs => "macs",
        }
    }
}
