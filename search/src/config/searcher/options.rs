//! Options of searchers that take a single word as their value.

use serde::{Deserialize, Serialize};

/// Epochs in a row that the skip connections of `stop_at_skips` have to last. At the start all alphas are nearly equal, and
/// noise makes as many skip connections. Ten is what the other criterion of DARTS+, a stable ranking of the candidates, asks
/// for.
pub const LASTING_EPOCHS: u32 = 10;

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
    pub(super) fn is_fair(&self) -> bool {
        *self == Self::Fair
    }
}

/// Order of the gradient in DARTS; 1 or 2 in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum DartsOrder {
    /// Treats the weights as constant.
    #[default]
    First,
    /// Differentiates through one step of the weights; finite differences give the second derivative.
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

/// Estimator of the gradient of a sampled architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchitectureGradient {
    /// Score function with a moving baseline, as NNabla-NAS' `ProxylessNasSearcher`.
    #[default]
    Reinforce,
    /// Binary gates on two sampled paths (section 3.2.2 of the paper).
    Gate,
}

/// The measure that judges unfinished trainings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// The sum of training losses, older epochs counting less: TSE-EMA (Ru et al., "Speedy performance estimation").
    #[default]
    TrainingLosses,
    /// The accuracy on validation images.
    Validation,
}

/// Whether a rung of successive halving waits for all its networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Halving {
    /// All networks of a rung are judged before the best of them go on (Jamieson and Talwalkar 2016).
    #[default]
    Synchronous,
    /// A network goes on as soon as it is among the best of those judged so far (ASHA, Li et al. 2020). With several
    /// processes the result depends on which training ends first.
    Asynchronous,
}

impl Halving {
    pub(super) fn is_synchronous(&self) -> bool {
        *self == Self::Synchronous
    }
}

/// How to pick the winner among the fully trained networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinalChoice {
    /// By the sum of two ranks: of the mean validation loss, and of the mean training loss in the last epoch. Falls back to
    /// the accuracy if any loss is unknown.
    #[default]
    Losses,
    /// By validation accuracy.
    Accuracy,
}

/// A score that needs no training. The user chooses it as a substitute for accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// More parameters are better.
    Params,
    /// More multiply-accumulates are better.
    Macs,
}
