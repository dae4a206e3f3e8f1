//! Tables `[[regularizers]]`: limits and costs besides accuracy.

use std::path::PathBuf;

use nasprof_profiler::protocol::Timing;
use serde::{Deserialize, Serialize};

/// A bounded quantity with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// Estimated by the LUT, in milliseconds.
    Latency,
    /// Peak memory in bytes: parameters, activations alive at the same time, and the workspace given by the LUT.
    Memory,
    /// Trainable parameters.
    Params,
    /// Multiply-accumulates of one image.
    Macs,
}

impl Quantity {
    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Memory => "memory",
            Self::Params => "params",
            Self::Macs => "macs",
        }
    }

    /// Its unit, for messages.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Latency => "ms",
            Self::Memory => "bytes",
            Self::Params => "parameters",
            Self::Macs => "MACs",
        }
    }
}

/// How a bound takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegularizerKind {
    /// The reference's reward: accuracy times `min(1, upper / value) ^ weight`, and for a lower bound
    /// `min(1, value / lower) ^ weight`.
    Reward,
    /// `weight * value` is added to the loss, or taken from the reward.
    Penalty,
    /// A learnt multiplier moves the expected value to the target (augmented Lagrangian).
    Constraint,
    /// Rejects architectures outside the bounds.
    Reject,
}

impl RegularizerKind {
    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reward => "reward",
            Self::Penalty => "penalty",
            Self::Constraint => "constraint",
            Self::Reject => "reject",
        }
    }
}

/// A limit or a cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regularizer {
    /// How it acts.
    pub kind: RegularizerKind,
    /// The quantity; bounds and target are in its unit.
    pub quantity: Quantity,
    /// The upper bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    /// The lower bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    /// The target of a constraint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// The exponent of a reward (default 0.1), or the factor of a penalty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// The LUT of the device that the bound is for; latency needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lut: Option<PathBuf>,
    /// Which of a GPU's latencies is bounded. Default: that of the LUT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
}

/// The reference's exponent.
const REWARD_WEIGHT: f64 = 0.1;
/// How far below the target a constraint's winner may be, relative to the target: it should use the budget, not only meet
/// it.
const TARGET_WIDTH: f64 = 0.01;

impl Regularizer {
    /// The exponent of a reward or the factor of a penalty.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight.unwrap_or(REWARD_WEIGHT)
    }

    /// The factor on the accuracy of an architecture with this value; 1 within the bounds.
    #[must_use]
    pub fn reward_factor(&self, value: f64) -> f64 {
        let above = self.upper.map_or(1.0, |upper| (upper / value).min(1.0));
        let below = self.lower.map_or(1.0, |lower| (value / lower).min(1.0));
        (above * below).powf(self.weight())
    }

    /// The maximum that an architecture may have: the upper bound, or the target of a constraint.
    #[must_use]
    pub fn limit(&self) -> Option<f64> {
        match (self.kind, self.upper) {
            (RegularizerKind::Constraint, None) => self.target,
            (_, upper) => upper,
        }
    }

    /// The minimum that a constraint's winner should have; [`Regularizer::limit`] takes priority.
    #[must_use]
    pub fn wanted(&self) -> Option<f64> {
        let target = self.target.filter(|_| self.kind == RegularizerKind::Constraint);
        target.map(|target| target * (1.0 - TARGET_WIDTH))
    }

    /// What is wrong with it, with the key at fault.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        let kind = self.kind;
        for (key, value) in [("upper", self.upper), ("lower", self.lower), ("target", self.target)] {
            if let Some(value) = value.filter(|v| !(*v > 0.0 && v.is_finite())) {
                return Some((key, format!("must be a positive number, not {value}")));
            }
        }
        if let Some(weight) = self.weight.filter(|w| !(*w > 0.0 && w.is_finite())) {
            return Some(("weight", format!("must be a positive number, not {weight}")));
        }
        if let (Some(lower), Some(upper)) = (self.lower, self.upper)
            && lower > upper
        {
            return Some(("lower", format!("{lower} is above `upper`, {upper}")));
        }
        if let (Some(target), Some(upper)) = (self.target, self.upper)
            && target > upper
        {
            return Some(("target", format!("{target} is above `upper`, {upper}")));
        }
        if let (Some(target), Some(lower)) = (self.target, self.lower)
            && target < lower
        {
            return Some(("target", format!("{target} is below `lower`, {lower}")));
        }
        let bounded = self.upper.is_some() || self.lower.is_some();
        match kind {
            RegularizerKind::Constraint if self.target.is_none() => {
                Some(("target", "is missing: a constraint needs it".to_owned()))
            }
            RegularizerKind::Reward | RegularizerKind::Reject if !bounded => {
                Some(("upper", "is missing: give `upper`, `lower` or both".to_owned()))
            }
            RegularizerKind::Penalty if self.weight.is_none() => {
                Some(("weight", "is missing: a penalty is `weight` times the value".to_owned()))
            }
            RegularizerKind::Penalty if bounded => {
                Some(("upper", "a penalty has no bounds; add a `reject` for a hard limit".to_owned()))
            }
            RegularizerKind::Constraint | RegularizerKind::Reject if self.weight.is_some() => {
                Some(("weight", "does not apply to this kind".to_owned()))
            }
            RegularizerKind::Reward | RegularizerKind::Reject | RegularizerKind::Penalty if self.target.is_some() => {
                Some(("target", "only a constraint has a target; write `upper`".to_owned()))
            }
            _ if self.lut.is_none() && matches!(self.quantity, Quantity::Latency | Quantity::Memory) => {
                Some(("lut", format!("is missing; {} comes from a LUT", self.quantity.name())))
            }
            _ if self.lut.is_some() && matches!(self.quantity, Quantity::Params | Quantity::Macs) => {
                Some(("lut", format!("does not apply: {} need no LUT", self.quantity.name())))
            }
            _ if self.timing.is_some() && self.quantity != Quantity::Latency => {
                Some(("timing", format!("applies only to latency, not to {}", self.quantity.name())))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(kind: RegularizerKind, upper: Option<f64>, weight: Option<f64>) -> Regularizer {
        let lut = Some(PathBuf::from("a.parquet"));
        Regularizer { kind, quantity: Quantity::Latency, upper, lower: None, target: None, weight, lut, timing: None }
    }

    /// Computed from the reward of NNabla-NAS' `ProxylessNasSearcher`: accuracy times min(1, bound / value) ^ weight.
    #[test]
    fn rewards_of_the_reference() {
        for (accuracy, value, upper, expected) in
            [(0.8, 10.0, 5.0, 0.746_426), (0.8, 4.0, 5.0, 0.8), (0.9, 3.0, 2.0, 0.864_238)]
        {
            let reward = accuracy * latency(RegularizerKind::Reward, Some(upper), Some(0.1)).reward_factor(value);
            assert!((reward - expected).abs() < 5e-7, "{reward} is not {expected}");
        }
    }

    #[test]
    fn a_lower_bound_acts_below_it() {
        let mut bound = latency(RegularizerKind::Reward, Some(4.0), Some(1.0));
        bound.lower = Some(2.0);
        assert_eq!([1.0, 2.0, 3.0, 4.0, 8.0].map(|v| bound.reward_factor(v)), [0.5, 1.0, 1.0, 1.0, 0.5]);
    }

    #[test]
    fn contradictions_name_their_key() {
        let key = |r: &Regularizer| r.problem().map(|(key, _)| key);
        use RegularizerKind::{Constraint, Penalty, Reject, Reward};
        assert_eq!(key(&latency(Reward, Some(5.0), Some(0.1))), None);
        assert_eq!(key(&latency(Reward, None, None)), Some("upper"));
        assert_eq!(key(&latency(Reject, Some(5.0), Some(0.1))), Some("weight"));
        assert_eq!(key(&latency(Reject, Some(f64::NAN), None)), Some("upper"));
        assert_eq!(key(&latency(Penalty, None, None)), Some("weight"));
        assert_eq!(key(&latency(Penalty, Some(1.0), Some(0.1))), Some("upper"));
        assert_eq!(key(&latency(Constraint, Some(5.0), None)), Some("target"));
        let target = |target, lower| Regularizer { target, lower, ..latency(Constraint, Some(5.0), None) };
        assert_eq!(key(&target(Some(4.9), None)), None);
        assert_eq!(key(&target(Some(5.1), None)), Some("target"));
        assert_eq!(key(&target(Some(4.0), Some(4.5))), Some("target"));
        assert_eq!(key(&Regularizer { lut: None, ..latency(Reject, Some(5.0), None) }), Some("lut"));
        let params = Regularizer { quantity: Quantity::Params, ..latency(Reject, Some(5.0), None) };
        assert_eq!(key(&params), Some("lut"));
        let counted = Regularizer { lut: None, ..params };
        assert_eq!(key(&counted), None);
        let timing = Some(Timing::Graph);
        assert_eq!(key(&Regularizer { timing, ..counted }), Some("timing"));
        assert_eq!(key(&Regularizer { timing, ..latency(Reject, Some(5.0), None) }), None);
    }
}
