//! Cost tables of nodes with their conditions, for sums over layers and parameters.

use std::collections::HashMap;

use super::decision::{FALSE, Ref};
use super::demand::Demands;
use super::error::ExpectationError;
use crate::cost::StaticCost;
use crate::selector::SelectedLayer;
use crate::{Graph, LayerKey, Op, Shape};

/// The cost of each node; for a sum, one cost for each number of operands that it can have left.
#[derive(Debug)]
pub(super) struct LayerCosts(Vec<Vec<Result<f64, LayerKey>>>);

impl LayerCosts {
    pub(super) fn new(graph: &Graph, cost: impl Fn(&Op, &[&Shape], &Shape) -> Option<f64>) -> Self {
        let ask = |op: &Op, inputs: &[&Shape], output: &Shape| match op.is_layer() {
            true => cost(op, inputs, output).ok_or_else(|| LayerKey::new(op, inputs)),
            false => Ok(0.0),
        };
        let of_node = |node: &crate::Node| {
            let inputs = graph.input_shapes(node);
            match node.op {
                Op::Choice { .. } => vec![Ok(0.0)],
                Op::Add => (0..=inputs.len()).map(|n| ask(&node.op, &inputs[..n], &node.shape)).collect(),
                _ => vec![ask(&node.op, &inputs, &node.shape)],
            }
        };
        Self(graph.nodes().iter().map(of_node).collect())
    }

    /// Cost of a node with `operands` operands left.
    fn of(&self, node: usize, operands: usize) -> Result<f64, ExpectationError> {
        let costs = &self.0[node];
        let cost = if let [only] = &costs[..] { only } else { &costs[operands] };
        cost.as_ref().copied().map_err(|key| ExpectationError::UnknownCost(key.clone()))
    }

    /// Sum over a network without choices.
    pub(super) fn sum(&self) -> Result<f64, ExpectationError> {
        (0..self.0.len()).map(|node| self.of(node, self.0[node].len() - 1)).sum()
    }

    /// Sum over the layers of a selected network.
    pub(super) fn sum_of(&self, layers: &[SelectedLayer]) -> Result<f64, ExpectationError> {
        layers.iter().map(|layer| self.of(layer.node.0, layer.operands as usize)).sum()
    }

    /// Each cost, with the function that says for which selections it arises. `None` if there are too many functions.
    pub(super) fn weights(
        &self,
        graph: &Graph,
        demands: &mut Demands,
    ) -> Result<Option<Vec<(Ref, f64)>>, ExpectationError> {
        let Some(layers) = demands.layers(graph) else { return Ok(None) };
        let weight = |(layer, runs): (SelectedLayer, Ref)| Ok((runs, self.of(layer.node.0, layer.operands as usize)?));
        layers.into_iter().map(weight).collect::<Result<_, _>>().map(Some)
    }
}

/// Sizes of the nodes' stored values, by parameter path.
#[derive(Debug)]
pub(super) struct ParameterSizes {
    /// Path number and size of each node.
    nodes: Vec<(u32, u64)>,
    /// Work space: the largest size of each path.
    largest: Vec<u64>,
}

impl ParameterSizes {
    pub(super) fn new(graph: &Graph, size: impl Fn(StaticCost) -> u64) -> Self {
        let mut paths: HashMap<&str, u32> = HashMap::new();
        let number = |node| {
            let next = paths.len() as u32;
            (*paths.entry(crate::Node::parameter_path(node)).or_insert(next), size(graph.node_cost(node)))
        };
        let nodes = graph.nodes().iter().map(number).collect();
        Self { nodes, largest: vec![0; paths.len()] }
    }

    /// Sum over the paths of a selected network.
    pub(super) fn sum_of(&mut self, layers: &[SelectedLayer]) -> u64 {
        self.largest.fill(0);
        for layer in layers {
            let (path, size) = self.nodes[layer.node.0];
            let largest = &mut self.largest[path as usize];
            *largest = size.max(*largest);
        }
        self.largest.iter().fold(0, |sum, &size| sum.saturating_add(size))
    }

    /// Each size with the function that says when it is the largest of its path.
    pub(super) fn weights(&self, demands: &mut Demands) -> Option<Vec<(Ref, f64)>> {
        let mut order: Vec<usize> = (0..self.nodes.len()).filter(|&i| self.nodes[i].1 > 0).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(self.nodes[i].1));
        let mut larger = vec![FALSE; self.largest.len()];
        let mut weights = Vec::new();
        for i in order {
            let (path, size) = self.nodes[i];
            let runs = demands.runs(i)?;
            let counts = demands.diagrams.without(runs, larger[path as usize])?;
            larger[path as usize] = demands.diagrams.or(larger[path as usize], runs)?;
            weights.push((counts, size as f64));
        }
        Some(weights)
    }
}
