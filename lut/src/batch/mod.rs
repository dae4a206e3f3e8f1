//! Scores many architectures: space and LUT are compiled to flat arrays once.

mod network;
mod predictor;
mod selected;
mod table;
mod tables;

use nasprof_graph::Arch;
use nasprof_graph::passes::SelectError;
use nasprof_graph::runtime::Runtime;
use nasprof_spaces::Space;
use rayon::prelude::*;
use serde::Serialize;

use self::network::SumAndCounts;
use self::selected::SelectedLayers;
use self::tables::Tables;
use crate::{Estimator, LatencyOfSum};

pub use predictor::{Prediction, Predictor};
pub use table::CostTable;

/// Minimum number of architectures in a part for one core: each part copies the work space.
const PART: usize = 512;

/// Predicts populations of one space as [`Estimator::estimate`] predicts each network, about a thousand times as fast.
///
/// It includes the size effect and, if nothing is fused, the places of layers. If a runtime fuses layers and the LUT
/// has places, it uses means over all places ([`BatchEstimator::ignores_context`]).
#[derive(Debug, Clone)]
pub struct BatchEstimator {
    scorer: Scorer,
    of_sum: LatencyOfSum,
    /// Ends of the interval of a latency of 1.
    interval: Option<[f64; 2]>,
    ignores_context: bool,
}

#[derive(Debug, Clone)]
enum Scorer {
    /// Choices contribute independently.
    Tables(Box<Tables>),
    /// The layers are found for each architecture.
    Selected(Box<SelectedLayers>),
}

impl Scorer {
    fn network(&mut self, arch: &Arch) -> Result<SumAndCounts, SelectError> {
        match self {
            Self::Tables(tables) => tables.network(arch),
            Self::Selected(layers) => layers.network(arch),
        }
    }
}

/// The prediction of a network by the batch form.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BatchEstimate {
    /// Milliseconds.
    pub latency_ms: f64,
    /// 95 % interval for a run in another session; absent if the LUT has no calibration.
    pub interval_ms: Option<[f64; 2]>,
    /// Trainable parameters.
    pub params: u64,
    /// Multiply-accumulates.
    pub macs: u64,
}

impl BatchEstimator {
    /// Compiles a space. `None` if it cannot be exact: a layer that can run has no entry, or the runtime fuses several
    /// layers into one that depends on other choices.
    #[must_use]
    pub fn compile(space: &Space, runtime: Runtime, estimator: &Estimator<'_>) -> Option<Self> {
        let by_place = estimator.lut.is_context_dependent();
        let is_launched = estimator.timing_calibration().is_some();
        let selected = || {
            let layers = SelectedLayers::new(&space.graph, estimator).filter(|_| !runtime.fuses());
            layers.map(|layers| Scorer::Selected(Box::new(layers)))
        };
        let tables = || Tables::new(space, runtime, estimator).map(|tables| Scorer::Tables(Box::new(tables)));
        let scorer = if by_place && !is_launched { selected().or_else(tables) } else { tables().or_else(selected) }?;
        Some(Self {
            ignores_context: by_place && (is_launched || matches!(scorer, Scorer::Tables(_))),
            scorer,
            of_sum: estimator.latency_of_sum(),
            interval: estimator.interval(1.0, 0.0),
        })
    }

    /// Whether only single estimates include that a layer's time depends on the layers before it.
    #[must_use]
    pub fn ignores_context(&self) -> bool {
        self.ignores_context
    }

    /// Milliseconds of one architecture.
    ///
    /// # Errors
    /// If it is not an architecture of the space.
    pub fn score(&mut self, arch: &Arch) -> Result<f64, SelectError> {
        Ok(self.estimate(arch)?.latency_ms)
    }

    /// The prediction for one architecture.
    ///
    /// # Errors
    /// If it is not an architecture of the space.
    pub fn estimate(&mut self, arch: &Arch) -> Result<BatchEstimate, SelectError> {
        let SumAndCounts { sum_ms, params, macs } = self.scorer.network(arch)?;
        let latency_ms = self.of_sum.latency_ms(sum_ms);
        Ok(BatchEstimate {
            latency_ms,
            interval_ms: self.interval.map(|ends| ends.map(|end| end * latency_ms)),
            params,
            macs,
        })
    }

    /// Milliseconds of many architectures, in parallel, without an allocation for each.
    ///
    /// # Errors
    /// The first that is not an architecture of the space.
    pub fn score_all(&self, archs: &[Arch], scores: &mut Vec<f64>) -> Result<(), SelectError> {
        scores.clear();
        scores.resize(archs.len(), 0.0);
        let parts = archs.par_chunks(PART).zip(scores.par_chunks_mut(PART));
        parts.try_for_each(|(archs, scores)| {
            let mut batch = self.clone();
            archs.iter().zip(scores).try_for_each(|(arch, score)| batch.score(arch).map(|s| *score = s))
        })
    }
}
