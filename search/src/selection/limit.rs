//! Limits on the selected architecture.

use nasprof_graph::Arch;

use crate::config::{Regularizer, RegularizerKind};
use crate::costs::{CostError, Costs};

/// Bounds of one quantity.
#[derive(Debug, Clone, Copy)]
pub struct Limit<'a> {
    costs: &'a Costs<'a>,
    /// Measured over estimated: what the costs are multiplied by before they are compared.
    factor: f64,
    upper: Option<f64>,
    lower: Option<f64>,
    /// Wanted as well, but given up rather than `upper`.
    wanted: Option<f64>,
}

impl<'a> Limit<'a> {
    /// The limits of a regularizer: of a constraint its target and what it may miss it by, of a rejection its bounds. A
    /// reward and a penalty only lean and have none.
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

    /// The quantity, corrected by the factor.
    pub(super) fn value(&self, arch: &Arch) -> Result<f64, CostError> {
        Ok(self.costs.of(arch)? * self.factor)
    }

    /// By how much, relative to the bound, a value is outside of the hard bounds.
    pub(super) fn violation(&self, value: f64) -> f64 {
        let above = self.upper.map_or(0.0, |upper| (value / upper - 1.0).max(0.0));
        let below = self.lower.map_or(0.0, |lower| (1.0 - value / lower).max(0.0));
        above + below
    }

    /// By how much, relative to the target, a value is below what is wanted.
    pub(super) fn shortfall(&self, value: f64) -> f64 {
        self.wanted.map_or(0.0, |wanted| (1.0 - value / wanted).max(0.0))
    }
}
