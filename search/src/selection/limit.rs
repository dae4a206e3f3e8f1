//! Limits on the selected architecture.

use nasprof_graph::Arch;

use crate::config::{Regularizer, RegularizerKind};
use crate::costs::{CostError, Costs};

/// Bounds of one quantity.
#[derive(Debug, Clone, Copy)]
pub struct Limit<'a> {
    costs: &'a Costs<'a>,
    /// Ratio of measured to estimated; multiplies the costs before they are compared.
    factor: f64,
    upper: Option<f64>,
    lower: Option<f64>,
    /// A desired minimum; `upper` takes priority.
    wanted: Option<f64>,
}

impl<'a> Limit<'a> {
    /// The limits of a regularizer: the target and tolerance of a constraint, or the bounds of a rejection. Rewards and
    /// penalties are soft, and have none.
    #[must_use]
    pub fn of(settings: &Regularizer, costs: &'a Costs<'a>, factor: f64) -> Option<Self> {
        let (upper, lower) = (settings.upper, settings.lower);
        match settings.kind {
            RegularizerKind::Constraint => {
                let target = settings.target?;
                let upper = Some(upper.map_or(target, |u| u.min(target)));
                Some(Self { costs, factor, upper, lower, wanted: settings.wanted() })
            }
            RegularizerKind::Reject => Some(Self { costs, factor, upper, lower, wanted: None }),
            RegularizerKind::Reward | RegularizerKind::Penalty => None,
        }
    }

    /// The quantity, multiplied by the factor.
    pub(super) fn value(&self, arch: &Arch) -> Result<f64, CostError> {
        Ok(self.costs.of(arch)? * self.factor)
    }

    /// How far a value is outside the hard bounds, relative to the bound.
    pub(super) fn violation(&self, value: f64) -> f64 {
        let above = self.upper.map_or(0.0, |upper| (value / upper - 1.0).max(0.0));
        let below = self.lower.map_or(0.0, |lower| (1.0 - value / lower).max(0.0));
        above + below
    }

    /// How far a value is below the desired minimum, relative to that minimum.
    pub(super) fn shortfall(&self, value: f64) -> f64 {
        self.wanted.map_or(0.0, |wanted| (1.0 - value / wanted).max(0.0))
    }
}
