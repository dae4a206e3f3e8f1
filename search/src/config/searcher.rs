//! Table `[searcher]`: the search algorithm.

use serde::{Deserialize, Serialize};

/// How to search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Searcher {
    /// Every candidate runs, weighted by the softmax of the architecture's parameters (Liu et al., "DARTS").
    Darts {
        /// Whether the gradient goes through one step of the weights.
        #[serde(default)]
        order: DartsOrder,
        /// Whether the architecture is updated before the weights in each iteration, as in the paper; the reference
        /// does it after.
        #[serde(default)]
        architecture_first: bool,
        /// The architecture is kept as it is from the step on in which a cell, as it would be deployed, has so many skip
        /// connections (Liang et al., "DARTS+", which stops at 2). Without it, it is never kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop_at_skips: Option<u32>,
        /// Probability that a skip connection is left out of a step of the weights (Chen et al., "Progressive DARTS"); those that
        /// are left in count as much more.
        #[serde(default, skip_serializing_if = "is_zero")]
        operation_dropout: f64,
    },
    /// One sampled network runs at a time (Cai et al., "ProxylessNAS").
    Proxylessnas {
        /// Where the gradient of the architecture comes from.
        #[serde(default)]
        gradient: ArchitectureGradient,
        /// Architectures drawn for one step of REINFORCE, each evaluated on a batch; at most 10,000.
        #[serde(default = "ten")]
        samples: u32,
        /// How much of the baseline is the newest mean reward (the reference's 0.9 is the weight of the new value).
        #[serde(default = "nine_tenths")]
        baseline_rate: f64,
    },
    /// Each candidate of a block is trained equally often, then the trained weights judge architectures (Chu et al.,
    /// "FairNAS").
    Fairnas {
        /// Networks whose gradients make up one step; without it, as many as the largest block has candidates, which is
        /// what strict fairness asks for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        networks_per_step: Option<u32>,
        /// Architectures that are drawn and evaluated at the end, each on all validation images; 0 if `evolution` does it. At
        /// most 100,000, and no more than the space has.
        #[serde(default)]
        samples: u32,
        /// Evolution on the trained weights.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evolution: Option<Evolution>,
        /// Which paths through the supernet are trained.
        #[serde(default, skip_serializing_if = "Paths::is_fair")]
        paths: Paths,
        /// Whether each step trains the path with the most MACs, the one with the fewest, and others between them, which all learn
        /// from the outputs of the first in place of the labels (Yu and Huang, "Universally slimmable networks").
        #[serde(default, skip_serializing_if = "is_false")]
        sandwich: bool,
        /// After so many epochs each candidate of the choice that matters most gets weights of its own, for the whole network (Zhao et
        /// al., "Few-shot NAS"; the choice as Hu et al., "Generalizing few-shot NAS with gradient matching"). Without it, never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        split_after: Option<u32>,
        /// Whether the largest path is trained first, in a quarter of the steps, then all kernels, then all depths, then all expansions
        /// and widths (Cai et al., "Once-for-all").
        #[serde(default, skip_serializing_if = "is_false")]
        progressive_shrinking: bool,
    },
    /// Evolution by a score that needs no training.
    Evolution {
        /// What counts as better.
        score: Score,
        /// How it proceeds.
        #[serde(default)]
        evolution: Evolution,
    },
    /// Draws many networks within the budget, drops the worst by scores that need no training, and trains the others by themselves
    /// in successive halving; the best on validation images of those trained in full is the winner.
    Staged {
        /// What the search may cost, in trainings of `training.epochs`.
        #[serde(default = "eight")]
        trainings: f64,
        /// Networks drawn within the budget.
        #[serde(default = "five_hundred")]
        draws: u32,
        /// Scores whose ranks are aggregated: `macs`, `params`, `synflow`, `naswot`, `jacobian_covariance`, `az_expressivity`,
        /// `az_progressivity`.
        #[serde(default = "counts")]
        scores: Vec<String>,
        /// Epochs after which trainings are judged, ascending. Default: a ninth and a third of all; none where a table answers that
        /// knows final accuracies only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rungs: Option<Vec<u32>>,
        /// One in so many networks goes on after a rung.
        #[serde(default = "three")]
        reduction: u32,
        /// Networks that are trained in full at least, if as many were drawn.
        #[serde(default = "three")]
        finalists: u32,
        /// What trainings are judged by before their end.
        #[serde(default)]
        judge: Judge,
    },
    /// Trains drawn networks by themselves, in full: what every search that trains has to be better than at equal cost.
    TrainedRandom {
        /// What the search may cost, in trainings of `training.epochs`.
        #[serde(default = "eight")]
        trainings: f64,
    },
    /// Evolution of networks that are each trained by themselves, in full (Real et al., "Regularized evolution").
    RegularizedEvolution {
        /// What the search may cost, in trainings of `training.epochs`.
        #[serde(default = "eight")]
        trainings: f64,
        /// Networks alive at a time.
        #[serde(default = "population")]
        population: u32,
        /// Networks drawn to be parents; the best of them is.
        #[serde(default = "three")]
        tournament: u32,
    },
    /// Climbs from network to neighbour, each trained by itself, in full (White et al., "Exploring the loss landscape").
    LocalSearch {
        /// What the search may cost, in trainings of `training.epochs`.
        #[serde(default = "eight")]
        trainings: f64,
    },
    /// Independent draws within the budget, evaluated by a score that needs no training: what every other search has to
    /// be better than.
    Random {
        /// What counts as better.
        score: Score,
        /// Architectures evaluated: at most 1,000,000, and no more than the space has.
        #[serde(default = "two_thousand")]
        samples: u32,
    },
}

impl Searcher {
    /// Architectures that are drawn to be evaluated, under the key `searcher.samples`; `None` if they are drawn step by step.
    #[must_use]
    pub fn samples(&self) -> Option<u32> {
        match self {
            Self::Fairnas { samples, .. } | Self::Random { samples, .. } => Some(*samples),
            _ => None,
        }
    }

    /// The most architectures that are evaluated after the last step.
    #[must_use]
    pub fn evaluated_at_the_end(&self) -> u64 {
        match self {
            Self::Fairnas { samples, evolution, .. } => {
                u64::from(*samples) + evolution.as_ref().map_or(0, Evolution::evaluated) as u64
            }
            _ => 0,
        }
    }

    /// What a search whose networks are trained by themselves may cost, in full trainings; `None` of any other.
    #[must_use]
    pub fn trainings(&self) -> Option<f64> {
        match self {
            Self::Staged { trainings, .. }
            | Self::TrainedRandom { trainings }
            | Self::RegularizedEvolution { trainings, .. }
            | Self::LocalSearch { trainings } => Some(*trainings),
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
            finalists: three(),
            judge: Judge::default(),
        }
    }

    /// Whether it trains weights.
    #[must_use]
    pub fn trains(&self) -> bool {
        !matches!(self, Self::Evolution { .. } | Self::Random { .. })
    }
}

/// Which paths through a supernet are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Paths {
    /// Each candidate of a choice equally often (Chu et al., "FairNAS").
    #[default]
    Fair,
    /// Drawn uniformly among those within the limits (Guo et al., "Single path one-shot").
    WithinBudget,
}

impl Paths {
    fn is_fair(&self) -> bool {
        *self == Self::Fair
    }
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// How deep the gradient of DARTS goes; in files the number 1 or 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum DartsOrder {
    /// The weights are taken as they are.
    #[default]
    First,
    /// Through one step of the weights, its second derivative by finite differences.
    Second,
}

impl TryFrom<u8> for DartsOrder {
    type Error = String;

    fn try_from(order: u8) -> Result<Self, String> {
        match order {
            1 => Ok(Self::First),
            2 => Ok(Self::Second),
            _ => Err(format!("order {order} is not 1 or 2")),
        }
    }
}

impl From<DartsOrder> for u8 {
    fn from(order: DartsOrder) -> Self {
        match order {
            DartsOrder::First => 1,
            DartsOrder::Second => 2,
        }
    }
}

/// Where the gradient of a sampled architecture comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchitectureGradient {
    /// Score function with a moving baseline, as NNabla-NAS' `ProxylessNasSearcher`.
    #[default]
    Reinforce,
    /// Binary gates on two sampled paths (section 3.2.2 of the paper).
    Gate,
}

/// What trainings are judged by before their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// The sum of training losses, older epochs counting less: TSE-EMA (Ru et al., "Speedy performance estimation").
    #[default]
    TrainingLosses,
    /// The accuracy on validation images.
    Validation,
}

/// A score known without training; it stands in for accuracy because the user says so, and is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// More parameters are better.
    Params,
    /// More multiply-accumulates are better.
    Macs,
}

/// Evolution by mutation and crossover (Real et al., "Regularized Evolution"; Cai et al., "Once-for-All").
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evolution {
    /// Architectures of a generation.
    #[serde(default = "hundred")]
    pub population: u32,
    /// Generations after the first.
    #[serde(default = "twenty")]
    pub generations: u32,
    /// Share of a generation that the next one descends from.
    #[serde(default = "quarter")]
    pub parents: f64,
    /// Share of children that have one parent and mutate; the others have two.
    #[serde(default = "half")]
    pub mutated: f64,
    /// Probability that a choice of a mutating child is drawn anew.
    #[serde(default = "tenth")]
    pub mutation: f64,
}

impl Default for Evolution {
    fn default() -> Self {
        Self { population: hundred(), generations: twenty(), parents: quarter(), mutated: half(), mutation: tenth() }
    }
}

impl Evolution {
    /// The most architectures that it scores.
    #[must_use]
    pub fn evaluated(&self) -> usize {
        (self.population as usize).saturating_mul(1 + self.generations as usize)
    }

    /// What is wrong with it, with the key at fault.
    pub(super) fn problem(&self, most: u32) -> Option<(&'static str, String)> {
        if !(2..=most).contains(&self.population) {
            return Some(("population", format!("{} is not in 2 to {most}", self.population)));
        }
        if self.evaluated() > most as usize {
            let Self { population, generations, .. } = self;
            let problem = format!(
                "{generations} generations of {population} after the first are {} architectures, the most are {most}",
                self.evaluated()
            );
            return Some(("generations", problem));
        }
        for (key, value) in [("parents", self.parents), ("mutation", self.mutation)] {
            if !(value > 0.0 && value <= 1.0) {
                return Some((key, format!("{value} is not in (0, 1]")));
            }
        }
        if !(0.0..=1.0).contains(&self.mutated) {
            return Some(("mutated", format!("{} is not in [0, 1]", self.mutated)));
        }
        None
    }
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

fn twenty() -> u32 {
    20
}

fn hundred() -> u32 {
    100
}

fn two_thousand() -> u32 {
    2000
}

fn tenth() -> f64 {
    0.1
}

fn quarter() -> f64 {
    0.25
}

fn half() -> f64 {
    0.5
}

fn nine_tenths() -> f64 {
    0.9
}
