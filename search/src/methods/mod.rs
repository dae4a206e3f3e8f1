//! Searches that judge networks by stand-alone training: random search, regularised evolution, local search, and the staged
//! search.
//!
//! All of them access networks through [`Networks`] and trainings through [`Trainings`]. They pay for every epoch, and end
//! when the next training would exceed the budget. So they run in the same way on real trainings and on a table of them, and
//! can be compared at equal cost.

mod entry;
mod fate;
mod final_choice;
mod ledger;
mod local;
mod mean;
mod nasbench201;
mod promotions;
mod random;
mod regularized;
mod rungs;
pub mod simulate;
mod staged;
pub mod table;
mod trainings;

use std::error::Error;

use nasprof_graph::{Arch, Choice};
use rand_chacha::ChaCha8Rng;
use thiserror::Error as ThisError;

use crate::config::{FinalChoice, Judge, Searcher};
use crate::trials::Epoch;
pub use entry::Entry;

pub use fate::{Candidate, Fate, write_candidates};
pub use final_choice::best;
pub use ledger::Ledger;
pub use rungs::{Rung, Staged, rungs};
pub use trainings::{Trainings, Work};

/// An error that prevents drawing or training networks.
pub type Fault = Box<dyn Error + Send + Sync>;

/// The networks of a space that are within the budget.
pub trait Networks {
    /// The choices of the space.
    fn choices(&self) -> &[Choice];

    /// Draws one of them uniformly; `None` if many draws find none.
    ///
    /// # Errors
    /// An unknown cost.
    fn draw(&mut self, rng: &mut ChaCha8Rng) -> Result<Option<Arch>, Fault>;

    /// Whether a network is one of them.
    ///
    /// # Errors
    /// Those of [`Networks::draw`].
    fn admits(&mut self, arch: &Arch) -> Result<bool, Fault>;
}

/// The progress of a network's training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Epochs done.
    pub epochs: u32,
    /// Sum of the training losses so far, with decaying weights for older epochs (TSE-EMA of Ru et al., NeurIPS 2021); lower
    /// is better. `None` if only accuracies are known.
    pub loss: Option<f64>,
    /// Share of correctly classified validation images at this point.
    pub valid: f64,
    /// Mean training loss in the last of these epochs, and mean validation loss after it; `None` if only accuracies are
    /// known.
    pub losses: Option<[f64; 2]>,
}

/// Weight of an epoch's losses relative to the next epoch.
const DECAY: f64 = 0.9;

impl Progress {
    /// The progress after these epochs; `None` without epochs. The decayed sum of losses is `sum over t of
    /// 0.9^(T - t) * loss(t)`. Without validation images the accuracy is 0.
    #[must_use]
    pub fn after(epochs: &[Epoch]) -> Option<Self> {
        let last = epochs.last()?;
        let loss = epochs.iter().fold(0.0, |sum, epoch| DECAY * sum + epoch.loss_sum());
        let valid = last.valid_accuracy.unwrap_or(0.0);
        Some(Self { epochs: epochs.len() as u32, loss: Some(loss), valid, losses: last.losses() })
    }

    /// What unfinished trainings are compared by; lower is better. Without losses the accuracy decides.
    fn badness(&self, judge: Judge) -> f64 {
        match (judge, self.loss) {
            (Judge::TrainingLosses, Some(loss)) => loss,
            _ => -self.valid,
        }
    }
}

/// A method with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Draws networks within the budget and fully trains each.
    Random {
        /// How to pick the winner among them.
        choose: FinalChoice,
    },
    /// Regularised evolution (Real et al., AAAI 2019): the best of a few networks drawn from the population gets a mutated
    /// child, and the oldest network is removed.
    RegularizedEvolution {
        /// Networks of the population.
        population: u32,
        /// Networks drawn from the population; the best of them becomes the parent.
        tournament: u32,
        /// How to pick the winner among the trained networks.
        choose: FinalChoice,
    },
    /// Local search (White et al., UAI 2021): trains neighbours in random order until one is better. If none is, it restarts
    /// from a new network.
    LocalSearch {
        /// How to pick the winner among the trained networks.
        choose: FinalChoice,
    },
    /// Cheap scores, then successive halving.
    Staged(Staged),
}

impl Method {
    /// The method of an experiment's searcher. `epochs` is the length of a full training, and `has_curves` tells whether
    /// trainings can be judged before their end. `None` for searchers that do not train single networks.
    #[must_use]
    pub fn of(searcher: &Searcher, epochs: u32, has_curves: bool) -> Option<Self> {
        match searcher {
            Searcher::TrainedRandom { choose, .. } => Some(Self::Random { choose: *choose }),
            Searcher::LocalSearch { choose, .. } => Some(Self::LocalSearch { choose: *choose }),
            Searcher::RegularizedEvolution { population, tournament, choose, .. } => {
                let (population, tournament, choose) = (*population, *tournament, *choose);
                Some(Self::RegularizedEvolution { population, tournament, choose })
            }
            Searcher::Staged { draws, scores, rungs, reduction, halving, finalists, judge, choose, .. } => {
                let thirds = [epochs.div_ceil(9), epochs.div_ceil(3)];
                let mut usual: Vec<u32> = thirds.into_iter().filter(|&rung| has_curves && rung < epochs).collect();
                usual.dedup();
                Some(Self::Staged(Staged {
                    draws: *draws,
                    scores: scores.clone(),
                    rungs: rungs.clone().unwrap_or(usual),
                    reduction: *reduction,
                    halving: *halving,
                    finalists: *finalists,
                    judge: *judge,
                    choose: *choose,
                }))
            }
            _ => None,
        }
    }

    /// How to pick the winner among the fully trained networks.
    #[must_use]
    pub fn final_choice(&self) -> FinalChoice {
        match self {
            Self::Random { choose } | Self::RegularizedEvolution { choose, .. } | Self::LocalSearch { choose } => {
                *choose
            }
            Self::Staged(settings) => settings.choose,
        }
    }

    /// Its name in experiments and tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Random { .. } => "random",
            Self::RegularizedEvolution { .. } => "regularized-evolution",
            Self::LocalSearch { .. } => "local-search",
            Self::Staged(_) => "staged",
        }
    }
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The winner among the fully trained networks.
    pub best: Arch,
    /// Its validation accuracy.
    pub valid: f64,
    /// Trained epochs, summed over all networks.
    pub epochs: u64,
    /// All networks that the search considered, in the order of their first appearance.
    pub candidates: Vec<Candidate>,
}

/// A search that found nothing.
#[derive(Debug, ThisError)]
pub enum MethodError {
    /// No network is within the budget.
    #[error("no drawn network is within the budget")]
    NoNetwork,
    /// The cost is below that of one training.
    #[error("{trainings} trainings: a search needs at least 1")]
    NoCost {
        /// The cost, in full trainings.
        trainings: f64,
    },
    /// The staged search draws fewer networks than it could train.
    #[error("key `searcher.draws`: {draws} networks are too few for a cost of {trainings} trainings")]
    Draws {
        /// Networks that it draws.
        draws: u32,
        /// The cost, in full trainings.
        trainings: f64,
    },
    /// All trainings failed.
    #[error("no training succeeded: all {networks} trainings {at} failed")]
    NoSurvivor {
        /// Number of trainings.
        networks: usize,
        /// The stage: a rung, or the full trainings.
        at: String,
    },
    /// The table has no learning curves.
    #[error("rungs after {rungs:?} epochs need learning curves; the table has only final accuracies")]
    NoCurves {
        /// The rungs.
        rungs: Vec<u32>,
    },
    /// A network cannot be drawn or trained.
    #[error("{0}")]
    Fault(#[from] Fault),
}

/// Runs a method with a budget of `cost` full trainings.
///
/// # Errors
/// See [`MethodError`].
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
    if let Method::Staged(Staged { draws, .. }) = method
        && cost > f64::from(*draws)
    {
        return Err(MethodError::Draws { draws: *draws, trainings: cost });
    }
    match method {
        Method::Random { .. } => random::random(&mut ledger, seed)?,
        Method::RegularizedEvolution { population, tournament, .. } => {
            regularized::evolve(&mut ledger, *population, *tournament, seed)?;
        }
        Method::LocalSearch { .. } => local::search(&mut ledger, seed)?,
        Method::Staged(settings) => staged::search(&mut ledger, settings, seed)?,
    }
    ledger.found(method.final_choice())
}
