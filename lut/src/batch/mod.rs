//! Scores many architectures: space and LUT are compiled to flat arrays once.

mod selected;
mod table;

use nasprof_graph::Arch;
use nasprof_graph::passes::SelectError;
use nasprof_graph::runtime::Runtime;
use nasprof_spaces::Space;
use rayon::prelude::*;

use self::selected::SelectedCosts;
use crate::Estimator;

pub use table::CostTable;

/// Architectures are handed to the cores in parts of at least this many: a part copies the work space.
const PART: usize = 512;

/// Scores populations of one space, exactly [`Estimator::mean_latency_ms`] of each architecture.
///
/// That is the mean over all occurrences of a layer. [`Estimator::latency_ms`] also knows where a layer stands, which a table
/// cannot: so a search ranks with this and decides with that ([`BatchEstimator::ignores_context`]).
#[derive(Debug, Clone)]
pub struct BatchEstimator {
    scorer: Scorer,
    ignores_context: bool,
}

#[derive(Debug, Clone)]
enum Scorer {
    /// Choices contribute independently.
    Table(CostTable),
    /// A zero prunes across choices: the layers are found for each architecture.
    Selected(Box<SelectedCosts>),
}

impl BatchEstimator {
    /// Compiles a space. `None` where it cannot be exact: a layer that can run has no entry, or the runtime makes one
    /// layer of several and what it makes depends on other choices.
    #[must_use]
    pub fn compile(space: &Space, runtime: Runtime, estimator: &Estimator<'_>) -> Option<Self> {
        let cost = |arch: &Arch| estimator.mean_latency_ms(&runtime.subnet(&space.graph, arch).ok()?);
        let table = CostTable::tabulate(space, cost).map(Scorer::Table);
        let selected = || (!runtime.fuses()).then(|| SelectedCosts::new(&space.graph, estimator)).flatten();
        let scorer = table.or_else(|| selected().map(|costs| Scorer::Selected(Box::new(costs))))?;
        Some(Self { scorer, ignores_context: estimator.lut.is_context_dependent() })
    }

    /// Whether the LUT's single estimates know more: that a layer's time depends on what ran before it.
    #[must_use]
    pub fn ignores_context(&self) -> bool {
        self.ignores_context
    }

    /// Milliseconds of one architecture.
    ///
    /// # Errors
    /// If it is not an architecture of the space.
    pub fn score(&mut self, arch: &Arch) -> Result<f64, SelectError> {
        match &mut self.scorer {
            Scorer::Table(table) => table.checked_score(arch),
            Scorer::Selected(costs) => costs.score(arch),
        }
    }

    /// Milliseconds of many, in parallel, without an allocation for each.
    ///
    /// # Errors
    /// The first that is not an architecture of the space.
    pub fn score_all(&self, archs: &[Arch], scores: &mut Vec<f64>) -> Result<(), SelectError> {
        scores.clear();
        scores.resize(archs.len(), 0.0);
        let parts = archs.par_chunks(PART).zip(scores.par_chunks_mut(PART));
        parts.try_for_each(|(archs, scores)| match &self.scorer {
            Scorer::Table(table) => {
                archs.iter().zip(scores).try_for_each(|(arch, score)| table.checked_score(arch).map(|s| *score = s))
            }
            Scorer::Selected(costs) => {
                let mut costs = costs.clone();
                archs.iter().zip(scores).try_for_each(|(arch, score)| costs.score(arch).map(|s| *score = s))
            }
        })
    }
}
