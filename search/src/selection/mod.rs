//! Selects one architecture within its limits from a learnt distribution.
//!
//! The most probable architecture wins if it is within the limits. Otherwise simulated annealing searches for the most
//! probable one within them, over architectures that differ in one or two choices. Its seed is fixed, so the same
//! distribution and limits always give the same architecture.

mod annealing;
mod cells;
mod discretize;
mod limit;

use nasprof_graph::{Arch, Choice};
use nasprof_spaces::Space;

use crate::costs::CostError;

pub use cells::Cells;
pub use discretize::{Relaxation, discretize, log_probability};
pub use limit::Limit;

/// A selected architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected {
    /// The architecture.
    pub arch: Arch,
    /// Sum of the logarithms of its selections' probabilities; of DARTS cells those of the kept edges.
    pub log_probability: f64,
    /// The limited quantities, in the limits' order.
    pub values: Vec<f64>,
    /// Whether all hard limits are kept to.
    pub feasible: bool,
    /// Whether the most probable architecture had to be left because of the limits.
    pub repaired: bool,
}

/// How probabilities become an architecture.
#[derive(Debug, Clone)]
pub enum DiscretizationRule {
    /// The most probable candidate of each choice.
    PerChoice,
    /// Two edges of each node of a cell, the others `none`.
    Cells(Cells),
}

impl DiscretizationRule {
    /// DARTS cells that share their choices keep two edges for each node (Liu et al. 2019); every other space keeps the
    /// selected candidates.
    #[must_use]
    pub fn of(choices: &[Choice]) -> Self {
        Cells::find(choices).map_or(Self::PerChoice, Self::Cells)
    }
}

/// The most probable architecture within the limits. If none is found, the one that misses them least, marked.
///
/// # Errors
/// A cost that is not known.
pub fn select(
    space: &Space,
    rule: &DiscretizationRule,
    probabilities: &[Vec<f64>],
    limits: &[Limit<'_>],
) -> Result<Selected, CostError> {
    annealing::Annealing::new(space, rule, probabilities, limits).run()
}
