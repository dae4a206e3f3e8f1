//! Expected latency of a space under a distribution over its architectures.

use std::collections::HashMap;

use nasprof_graph::expectation::{ExpectationError, ExpectedCost, Sampling};
use nasprof_graph::{Graph, LayerKey, Op, Shape};

use crate::memory::LayerMemory;
use crate::{Estimator, Lut};

impl Lut {
    /// The expected latency in milliseconds, calibrated and with the size effect, of the networks of a supernet at the LUT's
    /// batch size. It uses means over all occurrences of a layer; if [`Lut::is_context_dependent`], the mean of single
    /// estimates differs.
    ///
    /// # Errors
    /// If a layer that some network runs has no entry.
    pub fn expected_latency(&self, supernet: &Graph, sampling: Sampling) -> Result<ExpectedCost, ExpectationError> {
        let estimator = Estimator::new(self);
        let keys = self.rows.iter().map(|row| &row.key);
        let known: HashMap<LayerKey, f64> =
            keys.filter_map(|key| Some((key.clone(), estimator.layer_ms(key)?))).collect();
        let cost = move |op: &Op, inputs: &[&Shape], _: &Shape| known.get(&LayerKey::new(op, inputs)).copied();
        let runtime = self.context.header.runtime;
        let of_sum = estimator.latency_of_sum();
        if of_sum.is_the_sum() {
            return ExpectedCost::of_layers(supernet, runtime, cost, sampling);
        }
        ExpectedCost::of_layers_by(supernet, runtime, cost, move |sum| of_sum.latency_ms(sum), sampling)
    }

    /// The expected peak memory in bytes, with the measured workspaces of the layers.
    ///
    /// # Errors
    /// None: layers without a measured workspace count as zero.
    pub fn expected_peak_memory(&self, supernet: &Graph, sampling: Sampling) -> Result<ExpectedCost, ExpectationError> {
        let memory = LayerMemory::new(self);
        let overhead = move |op: &Op, inputs: &[&Shape], output: &Shape| memory.of(op, inputs, output);
        ExpectedCost::peak_memory(supernet, self.context.header.runtime, overhead, sampling)
    }
}
