//! Spaces in which the cost of a choice depends on other choices: the layers of each architecture are found and
//! summed.

use nasprof_graph::expectation::keys_that_can_run;
use nasprof_graph::passes::SelectError;
use nasprof_graph::selector::Selector;
use nasprof_graph::{Arch, Graph, LayerKey, Op};

use crate::Estimator;

/// The cost of every node of a supernet; of a sum, for each number of operands that can be left of it.
#[derive(Debug, Clone)]
pub(super) struct SelectedCosts {
    selector: Selector,
    /// Milliseconds; node `i` with `n` operands left stands at `starts[i] + n`, one that is no sum at `starts[i]`.
    costs: Vec<f64>,
    starts: Vec<u32>,
    is_sum: Vec<bool>,
}

impl SelectedCosts {
    /// `None` if a layer that can run has no entry.
    pub(super) fn new(graph: &Graph, estimator: &Estimator<'_>) -> Option<Self> {
        if !keys_that_can_run(graph)?.keys().all(|key| estimator.layer_ms(key).is_some()) {
            return None;
        }
        let mut compiled =
            Self { selector: Selector::new(graph), costs: Vec::new(), starts: Vec::new(), is_sum: Vec::new() };
        for node in graph.nodes() {
            let inputs = graph.input_shapes(node);
            // What never runs needs no entry.
            let ms = |operands: usize| estimator.layer_ms(&LayerKey::new(&node.op, &inputs[..operands])).unwrap_or(0.0);
            compiled.starts.push(compiled.costs.len() as u32);
            compiled.is_sum.push(node.op == Op::Add);
            match node.op {
                Op::Add => compiled.costs.extend((0..=inputs.len()).map(ms)),
                _ => compiled.costs.push(ms(inputs.len())),
            }
        }
        Some(compiled)
    }

    pub(super) fn score(&mut self, arch: &Arch) -> Result<f64, SelectError> {
        let layers = self.selector.select(arch)?;
        let cost = |layer: &nasprof_graph::selector::SelectedLayer| {
            let node = layer.node.0;
            let operands = if self.is_sum[node] { layer.operands } else { 0 };
            self.costs[(self.starts[node] + operands) as usize]
        };
        Ok(layers.iter().map(cost).sum())
    }
}
