//! Searches that judge a network by training it by itself: random search, regularised evolution, local search, and the staged
//! search.
//!
//! All of them see networks through [`Networks`] and trainings through [`Trainings`], pay for every epoch, and end when the
//! next training would cost more than is left. So they run alike on real trainings and on a table of them, and can be compared at
//! equal cost.

mod entry;
mod fate;
mod ledger;
mod local;
mod nasbench201;
mod random;
mod regularized;
pub mod simulate;
mod staged;
pub mod table;

use std::error::Error;

use nasprof_graph::{Arch, Choice};
use rand_chacha::ChaCha8Rng;
use thiserror::Error as ThisError;

use crate::config::Searcher;
pub use entry::Entry;

pub use fate::{Candidate, Fate, write_candidates};
pub use ledger::Ledger;
pub use staged::{Rung, Staged, rungs};

/// What keeps networks from being drawn or trained.
pub type Fault = Box<dyn Error + Send + Sync>;

/// The networks of a space that are within the budget.
pub trait Networks {
    /// The choices of the space.
    fn choices(&self) -> &[Choice];

    /// One of them, each with the same probability; `None` if none was found in many draws.
    ///
    /// # Errors
    /// A cost that is not known.
    fn draw(&mut self, rng: &mut ChaCha8Rng) -> Result<Option<Arch>, Fault>;

    /// Whether a network is one of them.
    ///
    /// # Errors
    /// As [`Networks::draw`].
    fn admits(&mut self, arch: &Arch) -> Result<bool, Fault>;
}

/// How far the training of a network is, and what it looks like by then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Epochs done.
    pub epochs: u32,
    /// Sum of training losses so far, older epochs counting less (TSE-EMA of Ru et al., NeurIPS 2021); lower is better. `None`
    /// where only accuracies are known.
    pub loss: Option<f64>,
    /// Share of the validation images that are classified correctly now.
    pub valid: f64,
}

/// How much an epoch's losses count against those of the epoch after it.
pub const DECAY: f64 = 0.9;

/// The decayed sum of the epochs' losses: `sum over t of 0.9^(T - t) * loss(t)`.
#[must_use]
pub fn decayed_sum(epochs: impl IntoIterator<Item = f64>) -> f64 {
    epochs.into_iter().fold(0.0, |sum, loss| DECAY * sum + loss)
}

/// Trains networks by themselves, or knows what would come out.
pub trait Trainings {
    /// Epochs of a full training.
    fn epochs(&self) -> u32;

    /// Whether a training can be judged before its end.
    fn has_curves(&self) -> bool;

    /// A score that needs no training, higher is better; `None` if the network has none that is a number.
    ///
    /// # Errors
    /// A score that is not known.
    fn score(&mut self, arch: &Arch, score: &str) -> Result<Option<f64>, Fault>;

    /// Trains each network until it has had so many epochs, from where it is; `None` for a training that failed.
    ///
    /// # Errors
    /// Whatever keeps all networks from being trained.
    fn train(&mut self, archs: &[Arch], epochs: u32) -> Result<Vec<Option<Progress>>, Fault>;
}

/// A method with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Draws networks within the budget and trains each in full.
    Random,
    /// Regularised evolution (Real et al., AAAI 2019): the best of a few drawn from the population has a mutated child, and the
    /// oldest dies.
    RegularizedEvolution {
        /// Networks of the population.
        population: u32,
        /// Networks that are drawn to be parents; the best of them is.
        tournament: u32,
    },
    /// Local search (White et al., UAI 2021): neighbours are trained in random order until one is better; where none is, it begins
    /// anew.
    LocalSearch,
    /// Cheap scores, then successive halving.
    Staged(Staged),
}

impl Method {
    /// The method of an experiment's searcher, for trainings of so many epochs that can be judged before their end or not; `None`
    /// of searchers that train no single networks.
    #[must_use]
    pub fn of(searcher: &Searcher, epochs: u32, has_curves: bool) -> Option<Self> {
        match searcher {
            Searcher::TrainedRandom { .. } => Some(Self::Random),
            Searcher::LocalSearch { .. } => Some(Self::LocalSearch),
            Searcher::RegularizedEvolution { population, tournament, .. } => {
                Some(Self::RegularizedEvolution { population: *population, tournament: *tournament })
            }
            Searcher::Staged { draws, scores, rungs, reduction, finalists, judge, .. } => {
                let thirds = [epochs.div_ceil(9), epochs.div_ceil(3)];
                let mut usual: Vec<u32> = thirds.into_iter().filter(|&rung| has_curves && rung < epochs).collect();
                usual.dedup();
                Some(Self::Staged(Staged {
                    draws: *draws,
                    scores: scores.clone(),
                    rungs: rungs.clone().unwrap_or(usual),
                    reduction: *reduction,
                    finalists: *finalists,
                    judge: *judge,
                }))
            }
            _ => None,
        }
    }

    /// Its name, as experiments and tables have it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::RegularizedEvolution { .. } => "regularized-evolution",
            Self::LocalSearch => "local-search",
            Self::Staged(_) => "staged",
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The network with the best validation accuracy of those trained in full.
    pub best: Arch,
    /// That accuracy.
    pub valid: f64,
    /// Epochs that were trained, over all networks.
    pub epochs: u64,
    /// All networks that were looked at, in the order of their first look.
    pub candidates: Vec<Candidate>,
}

/// A search that found nothing.
#[derive(Debug, ThisError)]
pub enum MethodError {
    /// No network is within the budget.
    #[error("no drawn network is within the budget")]
    NoNetwork,
    /// The cost is below that of one training.
    #[error("{trainings} trainings: a search needs the cost of one at least")]
    NoCost {
        /// The cost, in full trainings.
        trainings: f64,
    },
    /// All trainings failed.
    #[error("no network was trained to its end: all {networks} trainings {at} failed")]
    NoSurvivor {
        /// How many there were.
        networks: usize,
        /// Where: of which rung, or in full.
        at: String,
    },
    /// The table has no learning curves.
    #[error(
        "rungs after {rungs:?} epochs: only final accuracies are known, so no training can be judged before its end"
    )]
    NoCurves {
        /// The rungs.
        rungs: Vec<u32>,
    },
    /// A network cannot be drawn or trained.
    #[error("{0}")]
    Fault(#[from] Fault),
}

/// Runs a method at the cost of so many full trainings.
///
/// # Errors
/// As [`MethodError`].
pub fn search(
    method: &Method,
    networks: &mut dyn Networks,
    trainings: &mut dyn Trainings,
    cost: f64,
    seed: u64,
) -> Result<Found, MethodError> {
    let mut ledger = Ledger::new(networks, trainings, cost);
    if !ledger.affords_one() {
        return Err(MethodError::NoCost { trainings: cost });
    }
    match method {
        Method::Random => random::random(&mut ledger, seed)?,
        Method::RegularizedEvolution { population, tournament } => {
            regularized::evolve(&mut ledger, *population, *tournament, seed)?;
        }
        Method::LocalSearch => local::search(&mut ledger, seed)?,
        Method::Staged(settings) => staged::search(&mut ledger, settings, seed)?,
    }
    ledger.found()
}
