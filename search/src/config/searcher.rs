//! Table `[searcher]`: the search algorithm.

mod evolution;
mod options;

use serde::{Deserialize, Serialize};

pub use evolution::Evolution;
pub use options::{ArchitectureGradient, DartsOrder, FinalChoice, Halving, Judge, LASTING_EPOCHS, Paths, Score};

/// How to search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[serde(expecting = "a table with a `kind`, such as `searcher.kind = \"staged\"`")]
pub enum Searcher {
    /// Every candidate runs, weighted by the softmax of the architecture's parameters (Liu et al., "DARTS").
    Darts {
        /// Whether the gradient goes through one step of the weights.
        #[serde(default)]
        order: DartsOrder,
        /// Whether each iteration updates the architecture before the weights, as in the paper. The reference updates it
        /// afterwards.
        #[serde(default)]
        architecture_first: bool,
        /// Stops updating the architecture once a normal cell of the discretised network has had this many skip connections
        /// for [`LASTING_EPOCHS`] (Liang et al., "DARTS+", which stops at 2). Default: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop_at_skips: Option<u32>,
        /// Probability that a skip connection is dropped in a step of the weights (Chen et al., "Progressive DARTS"). The
        /// others are scaled up to keep the mean.
        #[serde(default, skip_serializing_if = "is_zero")]
        operation_dropout: f64,
        /// Training batches with which a path's running statistics are computed anew before it is judged on the validation
        /// images (Guo et al., "Single path one-shot"); 0 judges it with the statistics of the validation batches. At most
        /// 10,000.
        #[serde(default, skip_serializing_if = "is_zero_count")]
        recalibrate_batches: u32,
    },
    /// One sampled network runs at a time (Cai et al., "ProxylessNAS").
    Proxylessnas {
        /// Where the gradient of the architecture comes from.
        #[serde(default)]
        gradient: ArchitectureGradient,
        /// Architectures sampled for one step of REINFORCE, each evaluated on a batch; at most 10,000.
        #[serde(default = "ten")]
        samples: u32,
        /// Weight of the newest mean reward in the moving baseline (0.9 in the reference).
        #[serde(default = "nine_tenths")]
        baseline_rate: f64,
        /// Training batches with which a path's running statistics are computed anew before it is judged on the validation
        /// images (Guo et al., "Single path one-shot"); 0 judges it with the statistics of the validation batches. At most
        /// 10,000.
        #[serde(default, skip_serializing_if = "is_zero_count")]
        recalibrate_batches: u32,
    },
    /// Trains each candidate of a block equally often, then judges architectures with the trained weights (Chu et al.,
    /// "FairNAS").
    Fairnas {
        /// Networks whose gradients are added up in one step. Default: the number of candidates of the largest block, as
        /// strict fairness requires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        networks_per_step: Option<u32>,
        /// Architectures sampled at the end, each evaluated on all validation images; 0 leaves the choice to `evolution`. At
        /// most 100,000, and no more than the space has.
        #[serde(default)]
        samples: u32,
        /// Evolution on the trained weights.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evolution: Option<Evolution>,
        /// Which paths through the supernet are trained.
        #[serde(default, skip_serializing_if = "Paths::is_fair")]
        paths: Paths,
        /// The sandwich rule: each step trains the path with the most MACs on the labels. The path with the fewest MACs and
        /// other paths learn from the outputs of the first (Yu and Huang, "Universally slimmable networks").
        #[serde(default, skip_serializing_if = "is_false")]
        sandwich: bool,
        /// Splits the supernet after this many epochs: each candidate of one choice gets its own copy of all weights (Zhao
        /// et al., "Few-shot NAS"). Gradients decide which choice (Hu et al., "Generalizing few-shot NAS with gradient
        /// matching"). Default: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        split_after: Option<u32>,
        /// Progressive shrinking: trains the largest path in the first quarter of the steps. The next quarters add all
        /// kernels, then all depths, then all expansions and widths (Cai et al., "Once-for-all").
        #[serde(default, skip_serializing_if = "is_false")]
        progressive_shrinking: bool,
        /// Training batches with which a path's running statistics are computed anew before it is judged on the validation
        /// images (Guo et al., "Single path one-shot"); 0 judges it with the statistics of the validation batches. At most
        /// 10,000.
        #[serde(default, skip_serializing_if = "is_zero_count")]
        recalibrate_batches: u32,
    },
    /// Evolution by a score that needs no training.
    Evolution {
        /// The score to maximise.
        score: Score,
        /// Settings of the evolution.
        #[serde(default)]
        evolution: Evolution,
    },
    /// Samples many networks within the budget, drops the worst by scores that need no training, and trains the others one
    /// by one with successive halving. The winner is the best of the fully trained networks.
    Staged {
        /// Maximum cost of the search, in trainings of `training.epochs`.
        #[serde(default = "eight")]
        trainings: f64,
        /// Networks sampled within the budget.
        #[serde(default = "five_hundred")]
        draws: u32,
        /// Scores whose ranks are aggregated: `macs`, `params`, `synflow`, `naswot`, `jacobian_covariance`,
        /// `az_expressivity`, `az_progressivity`.
        #[serde(default = "counts")]
        scores: Vec<String>,
        /// Epochs after which trainings are judged, ascending. Default: a ninth and a third of all epochs; none on a table
        /// that has only final accuracies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rungs: Option<Vec<u32>>,
        /// After a rung, one in this many networks continues.
        #[serde(default = "three")]
        reduction: u32,
        /// Whether a rung waits for all its networks.
        #[serde(default, skip_serializing_if = "Halving::is_synchronous")]
        halving: Halving,
        /// Minimum number of fully trained networks, if the search samples that many.
        #[serde(default = "three")]
        finalists: u32,
        /// The measure that judges unfinished trainings.
        #[serde(default)]
        judge: Judge,
        /// How to pick the winner among the fully trained networks.
        #[serde(default)]
        choose: FinalChoice,
    },
    /// Fully trains sampled networks, each on its own: the baseline at equal cost for every search that trains.
    TrainedRandom {
        /// Maximum cost of the search, in trainings of `training.epochs`.
        #[serde(default = "eight")]
        trainings: f64,
        /// How to pick the winner among the trained networks.
        #[serde(default)]
        choose: FinalChoice,
    },
    /// Evolution of networks, each fully trained on its own (Real et al., "Regularized evolution").
    RegularizedEvolution {
        /// Maximum cost of the search, in trainings of `training.epochs`.
        #[serde(default = "eight")]
        trainings: f64,
        /// Networks alive at a time.
        #[serde(default = "population")]
        population: u32,
        /// Networks sampled from the population; the best of them becomes the parent.
        #[serde(default = "three")]
        tournament: u32,
        /// How to pick the winner among the trained networks.
        #[serde(default)]
        choose: FinalChoice,
    },
    /// Climbs from network to neighbour; each is fully trained on its own (White et al., "Exploring the loss landscape").
    LocalSearch {
        /// Maximum cost of the search, in trainings of `training.epochs`.
        #[serde(default = "eight")]
        trainings: f64,
        /// How to pick the winner among the trained networks.
        #[serde(default)]
        choose: FinalChoice,
    },
    /// Independent samples within the budget, evaluated by a score that needs no training: the baseline for every other
    /// search.
    Random {
        /// The score to maximise.
        score: Score,
        /// Architectures to evaluate: at most 1,000,000, and no more than the space has.
        #[serde(default = "two_thousand")]
        samples: u32,
    },
}

impl Searcher {
    /// The key `searcher.samples`: the number of architectures to sample and evaluate. `None` if the search samples step by
    /// step.
    #[must_use]
    pub fn samples(&self) -> Option<u32> {
        match self {
            Self::Fairnas { samples, .. } | Self::Random { samples, .. } => Some(*samples),
            _ => None,
        }
    }

    /// The key `searcher.recalibrate_batches`: training batches that give a path its own running statistics before it is
    /// judged; 0 for none.
    #[must_use]
    pub fn recalibrate_batches(&self) -> u32 {
        match self {
            Self::Darts { recalibrate_batches, .. }
            | Self::Proxylessnas { recalibrate_batches, .. }
            | Self::Fairnas { recalibrate_batches, .. } => *recalibrate_batches,
            _ => 0,
        }
    }

    /// Maximum number of architectures evaluated after the last step.
    #[must_use]
    pub fn evaluated_at_the_end(&self) -> u64 {
        match self {
            Self::Fairnas { samples, evolution, .. } => {
                u64::from(*samples) + evolution.as_ref().map_or(0, Evolution::evaluated) as u64
            }
            _ => 0,
        }
    }

    /// Maximum cost of a search that trains networks one by one, in full trainings; `None` for other searches.
    #[must_use]
    pub fn trainings(&self) -> Option<f64> {
        match self {
            Self::Staged { trainings, .. }
            | Self::TrainedRandom { trainings, .. }
            | Self::RegularizedEvolution { trainings, .. }
            | Self::LocalSearch { trainings, .. } => Some(*trainings),
            _ => None,
        }
    }

    /// The staged search with its defaults.
    #[must_use]
    pub fn staged() -> Self {
        Self::Staged {
            trainings: eight(),
            draws: five_hundred(),
            scores: counts(),
            rungs: None,
            reduction: three(),
            halving: Halving::default(),
            finalists: three(),
            judge: Judge::default(),
            choose: FinalChoice::default(),
        }
    }

    /// Whether it trains weights.
    #[must_use]
    pub fn trains(&self) -> bool {
        !matches!(self, Self::Evolution { .. } | Self::Random { .. })
    }
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_zero_count(count: &u32) -> bool {
    *count == 0
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn eight() -> f64 {
    8.0
}

fn five_hundred() -> u32 {
    500
}

fn three() -> u32 {
    3
}

fn population() -> u32 {
    10
}

fn counts() -> Vec<String> {
    ["macs", "params"].map(str::to_owned).to_vec()
}

fn ten() -> u32 {
    10
}

fn two_thousand() -> u32 {
    2000
}

fn nine_tenths() -> f64 {
    0.9
}
