//! Predicts architectures one at a time by the fastest form that is exact.

use nasprof_graph::Arch;
use nasprof_graph::passes::SelectError;
use nasprof_graph::runtime::Runtime;
use nasprof_spaces::Space;

use super::{BatchEstimate, BatchEstimator};
use crate::{Estimator, LatencyOfSum};

/// The batch form if it is equivalent to single estimates, else single estimates.
#[derive(Debug, Clone)]
pub struct Predictor<'a> {
    batch: Option<BatchEstimator>,
    estimator: &'a Estimator<'a>,
    runtime: Runtime,
    space: &'a Space,
}

/// The prediction of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Milliseconds; absent if a layer has no entry.
    pub latency_ms: Option<f64>,
    /// 95 % interval for a run in another session.
    pub interval_ms: Option<[f64; 2]>,
    /// Trainable parameters.
    pub params: u64,
    /// Multiply-accumulates.
    pub macs: u64,
}

impl<'a> Predictor<'a> {
    /// `space` is at the LUT's batch size.
    #[must_use]
    pub fn new(space: &'a Space, estimator: &'a Estimator<'a>) -> Self {
        let runtime = estimator.lut.context.header.runtime;
        let batch = BatchEstimator::compile(space, runtime, estimator).filter(|batch| !batch.ignores_context());
        Self { batch, estimator, runtime, space }
    }

    /// Whether each prediction takes microseconds; else a graph is built for each.
    #[must_use]
    pub fn is_fast(&self) -> bool {
        self.batch.is_some()
    }

    /// The latency of a network as a function of the sum of its layers.
    #[must_use]
    pub fn latency_of_sum(&self) -> LatencyOfSum {
        self.estimator.latency_of_sum()
    }

    /// The space.
    #[must_use]
    pub fn space(&self) -> &'a Space {
        self.space
    }

    /// Predicts an architecture.
    ///
    /// # Errors
    /// If it is not an architecture of the space.
    pub fn predict(&mut self, arch: &Arch) -> Result<Prediction, SelectError> {
        if let Some(batch) = &mut self.batch {
            let BatchEstimate { latency_ms, interval_ms, params, macs } = batch.estimate(arch)?;
            return Ok(Prediction { latency_ms: Some(latency_ms), interval_ms, params, macs });
        }
        let network = self.runtime.subnet(&self.space.graph, arch)?;
        let estimate = self.estimator.estimate(&network);
        let (latency_ms, interval_ms) = (estimate.latency_ms, estimate.interval_ms);
        Ok(Prediction { latency_ms, interval_ms, params: estimate.params, macs: estimate.macs })
    }
}
