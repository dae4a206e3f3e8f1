//! Tables `[optimizers.…]`: update rules of weights and architecture.

use serde::{Deserialize, Serialize};

use crate::schedule::{BatchScaling, Schedule};

/// The optimizers of an experiment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizers {
    /// For the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Optimizer>,
    /// For the parameters of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Optimizer>,
    /// For the weights during the warm-up. Default: `weights`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<Optimizer>,
}

/// The update rules, those of NNabla's solvers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// `w -= rate * g`.
    Sgd,
    /// `v = momentum * v + rate * g; w -= v`.
    Momentum,
    /// Momentum that looks ahead: `v' = momentum * v - rate * g; w += (1 + momentum) * v' - momentum * v`.
    Nesterov,
    /// Adam with bias correction; epsilon is added to the square root.
    Adam,
}

/// One optimizer. A step sets the learning rate, clips each parameter's gradient, adds the weight decay, then updates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The update rule.
    pub kind: OptimizerKind,
    /// The base learning rate.
    pub learning_rate: f64,
    /// For momentum and Nesterov.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// For Adam.
    #[serde(default = "betas")]
    pub betas: [f64; 2],
    /// For Adam.
    #[serde(default = "epsilon")]
    pub epsilon: f64,
    /// L2 penalty: this multiple of each weight is added to its gradient, also for Adam.
    #[serde(default)]
    pub weight_decay: f64,
    /// Whether biases and the parameters of normalisations have no weight decay.
    #[serde(default)]
    pub decay_weights_only: bool,
    /// Maximum L2 norm of the gradient of one parameter tensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// How the learning rate changes.
    #[serde(default)]
    pub schedule: Schedule,
    /// How the learning rate scales with the batch size. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_scaling: Option<BatchScaling>,
}

fn momentum() -> f64 {
    0.9
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn epsilon() -> f64 {
    1e-8
}

impl Optimizer {
    /// An optimizer with default values for all other keys.
    #[must_use]
    pub fn new(kind: OptimizerKind, learning_rate: f64) -> Self {
        Self {
            kind,
            learning_rate,
            momentum: momentum(),
            betas: betas(),
            epsilon: epsilon(),
            weight_decay: 0.0,
            decay_weights_only: false,
            clip: None,
            schedule: Schedule::default(),
            batch_scaling: None,
        }
    }

    /// The base learning rate at a batch size.
    #[must_use]
    pub fn base_rate(&self, batch: usize) -> f64 {
        self.learning_rate * self.batch_scaling.map_or(1.0, |scaling| scaling.factor(batch))
    }

    /// What is wrong with it, with the key at fault.
    pub(super) fn problem(&self, epochs: u32) -> Option<(&'static str, String)> {
        let unit = |value: f64| (0.0..1.0).contains(&value);
        let not_negative = |value: f64| value >= 0.0 && value.is_finite();
        let positive = |value: f64| value > 0.0 && value.is_finite();
        if !positive(self.learning_rate) {
            return Some(("learning_rate", format!("must be a positive number, not {}", self.learning_rate)));
        }
        if !unit(self.momentum) {
            return Some(("momentum", format!("{} is not in [0, 1)", self.momentum)));
        }
        if !self.betas.into_iter().all(unit) {
            return Some(("betas", format!("{:?} are not in [0, 1)", self.betas)));
        }
        if !positive(self.epsilon) {
            return Some(("epsilon", format!("must be a positive number, not {}", self.epsilon)));
        }
        if !not_negative(self.weight_decay) {
            return Some(("weight_decay", format!("must be a number of at least 0, not {}", self.weight_decay)));
        }
        if let Some(clip) = self.clip.filter(|&clip| !positive(clip)) {
            return Some(("clip", format!("must be a positive number, not {clip}")));
        }
        if self.batch_scaling.is_some_and(|scaling| scaling.base_batch == 0) {
            return Some(("batch_scaling.base_batch", "must be at least 1".to_owned()));
        }
        self.schedule.problem(epochs).map(|problem| ("schedule", problem))
    }
}
