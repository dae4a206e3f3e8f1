//! Selects one architecture within limits from a learnt distribution.
//!
//! The most probable architecture wins if it is within the limits. Otherwise simulated annealing searches for the most
//! probable one within them; each step changes one or two choices. Its seed is fixed, so the same distribution and limits
//! always give the same architecture.

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
    /// Sum of the logarithms of its selections' probabilities; for DARTS cells, over the kept edges.
    pub log_probability: f64,
    /// The limited quantities, in the limits' order.
    pub values: Vec<f64>,
    /// Whether it meets all hard limits.
    pub feasible: bool,
    /// Whether the limits ruled out the most probable architecture.
    pub repaired: bool,
}

/// The rule that turns probabilities into an architecture.
#[derive(Debug, Clone)]
pub enum DiscretizationRule {
    /// The most probable candidate of each choice.
    PerChoice,
    /// Two edges of each node of a cell, the others `none`.
    Cells(Cells),
}

impl DiscretizationRule {
    /// The rule for these choices. DARTS cells that share their choices keep two edges for each node (Liu et al. 2019);
    /// every other space keeps the selected candidates.
    #[must_use]
    pub fn of(choices: &[Choice]) -> Self {
        Cells::find(choices).map_or(Self::PerChoice, Self::Cells)
    }
}

/// The most probable architecture within the limits. If the search finds none, the one that violates them least, with
/// `feasible` false.
///
/// # Errors
/// An unknown cost.
pub fn select(
    space: &Space,
    rule: &DiscretizationRule,
    probabilities: &[Vec<f64>],
    limits: &[Limit<'_>],
) -> Result<Selected, CostError> {
    annealing::Annealing::new(space, rule, probabilities, limits).run()
}
