//! Spaces in which the cost of a choice depends on other choices, and LUTs in which the place of a layer matters: finds
//! and sums the layers of each architecture.

use std::collections::HashMap;

use nasprof_graph::expectation::keys_that_can_run;
use nasprof_graph::passes::SelectError;
use nasprof_graph::selector::{SelectedCosts, Selector};
use nasprof_graph::{Arch, Graph, LayerKey, Op};

use super::network::SumAndCounts;
use crate::estimate::LayerAt;
use crate::queued::LaunchedLayer;
use crate::{Estimator, TimingCalibration};

/// The time of every node of a supernet; for a sum, one time for each possible number of remaining operands.
#[derive(Debug, Clone)]
pub(super) struct SelectedLayers {
    selector: Selector,
    costs: SelectedCosts,
    /// By [`SelectedCosts::slot`]; absent for what never runs.
    layers: Vec<Option<LayerAt>>,
    /// For latencies that are no sum of times: the launches, and how they make a latency.
    launched: Option<Launched>,
    /// Whether a layer's time depends on its reuse distance.
    by_place: bool,
    /// Work space: the distances of the layers.
    distances: Vec<u64>,
}

/// A latency that is not a sum of times.
#[derive(Debug, Clone)]
struct Launched {
    /// By slot; absent for what never runs.
    layers: Vec<Option<LaunchedLayer>>,
    timing: TimingCalibration,
    level: f64,
}

impl Launched {
    fn latency_ms(&self, slots: impl ExactSizeIterator<Item = usize>) -> f64 {
        let none = LaunchedLayer { launch_ns: 0.0, kernel_ns: 0.0 };
        self.level * self.timing.latency_ms(slots.map(|slot| self.layers[slot].unwrap_or(none)))
    }
}

impl SelectedLayers {
    /// `None` if a layer that can run has no entry.
    pub(super) fn new(graph: &Graph, estimator: &Estimator<'_>) -> Option<Self> {
        if !keys_that_can_run(graph)?.keys().all(|key| estimator.layer_ms(key).is_some()) {
            return None;
        }
        let mut layers = Vec::new();
        let mut launched = Vec::new();
        // Nodes with the same layer share its table of distances.
        let mut known: HashMap<LayerKey, Option<LayerAt>> = HashMap::new();
        for node in graph.nodes() {
            let inputs = graph.input_shapes(node);
            let operands = if node.op == Op::Add { 0..=inputs.len() } else { inputs.len()..=inputs.len() };
            for operands in operands {
                let key = LayerKey::new(&node.op, &inputs[..operands]);
                launched.push(estimator.launched_layer(&key));
                layers.push(known.entry(key).or_insert_with_key(|key| estimator.layer_at(key)).clone());
            }
        }
        Some(Self {
            selector: Selector::new(graph),
            costs: SelectedCosts::new(graph),
            layers,
            launched: estimator.timing_calibration().map(|(timing, level)| Launched {
                layers: launched,
                timing: timing.clone(),
                level,
            }),
            by_place: estimator.lut.is_context_dependent(),
            distances: Vec::new(),
        })
    }

    pub(super) fn network(&mut self, arch: &Arch) -> Result<SumAndCounts, SelectError> {
        let selected = self.selector.select(arch)?;
        let mut sum_ms = 0.0;
        if let Some(launched) = &self.launched {
            sum_ms = launched.latency_ms(selected.iter().map(|layer| self.costs.slot(layer)));
        } else if self.by_place {
            self.costs.reuse_distances(selected, &mut self.distances);
            for (layer, &distance) in selected.iter().zip(&self.distances) {
                sum_ms += self.layers[self.costs.slot(layer)].as_ref().map_or(0.0, |layer| layer.ms(distance));
            }
        } else {
            let time = |layer| self.layers[self.costs.slot(layer)].as_ref().map_or(0.0, |layer| layer.mean_ms);
            sum_ms = selected.iter().map(time).sum();
        }
        let cost = self.costs.cost(selected);
        Ok(SumAndCounts { sum_ms, params: cost.params, macs: cost.macs })
    }
}
