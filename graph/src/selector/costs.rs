//! Static costs and reuse distances of selected networks, without a graph for each.

use std::collections::HashMap;

use super::SelectedLayer;
use crate::cost::{StaticCost, op_cost};
use crate::reuse::Kind;
use crate::{Graph, Node, Op};

/// The static cost of every node of a supernet; for a sum, one cost for each number of operands that it can have left.
/// The layers of a [`Selector`](super::Selector) get the same costs and distances as in a
/// [`LoweredNetwork`](crate::LoweredNetwork) of the same architecture.
#[derive(Debug, Clone)]
pub struct SelectedCosts {
    /// Index `starts[i] + n` is node `i`, a sum with `n` operands left; index `starts[i]` is any other node `i`.
    costs: Vec<StaticCost>,
    starts: Vec<u32>,
    is_sum: Vec<bool>,
    /// The number of each node's parameter path; `u32::MAX` without parameters.
    paths: Vec<u32>,
    /// The number of each node's kind, for reuse distances.
    kinds: Vec<u32>,
    /// Work space: parameters and buffers of each path, and where each kind ended.
    stored: Vec<[u64; 2]>,
    ends: Vec<u64>,
}

impl SelectedCosts {
    /// Compiles a supernet.
    #[must_use]
    pub fn new(graph: &Graph) -> Self {
        let (mut paths, mut kinds) = (HashMap::new(), HashMap::new());
        let mut compiled = Self {
            costs: Vec::new(),
            starts: Vec::new(),
            is_sum: Vec::new(),
            paths: Vec::new(),
            kinds: Vec::new(),
            stored: Vec::new(),
            ends: Vec::new(),
        };
        for node in graph.nodes() {
            let inputs = graph.input_shapes(node);
            let cost = |operands: usize| op_cost(&node.op, &inputs[..operands], &node.shape);
            compiled.starts.push(compiled.costs.len() as u32);
            compiled.is_sum.push(node.op == Op::Add);
            match node.op {
                Op::Add => compiled.costs.extend((0..=inputs.len()).map(cost)),
                _ => compiled.costs.push(cost(inputs.len())),
            }
            compiled.paths.push(match node.op.has_parameters() {
                true => number(&mut paths, Node::parameter_path(node)),
                false => u32::MAX,
            });
            compiled.kinds.push(number(&mut kinds, Kind::of(graph, node)));
        }
        compiled.stored = vec![[0; 2]; paths.len()];
        compiled.ends = vec![0; kinds.len()];
        compiled
    }

    /// Index of a layer in a table with one entry for each node, and one more for each operand of a sum.
    #[must_use]
    pub fn slot(&self, layer: &SelectedLayer) -> usize {
        let node = layer.node.0;
        (self.starts[node] + if self.is_sum[node] { layer.operands } else { 0 }) as usize
    }

    /// The cost of the network of these layers; parameters that several share count once, at their largest size.
    pub fn cost(&mut self, layers: &[SelectedLayer]) -> StaticCost {
        self.stored.fill([0; 2]);
        let mut total = StaticCost::default();
        for layer in layers {
            let cost = self.costs[self.slot(layer)];
            total = total + StaticCost { params: 0, buffers: 0, ..cost };
            if let Some([params, buffers]) = self.stored.get_mut(self.paths[layer.node.0] as usize) {
                (*params, *buffers) = (cost.params.max(*params), cost.buffers.max(*buffers));
            }
        }
        self.stored
            .iter()
            .fold(total, |sum, &[params, buffers]| sum + StaticCost { params, buffers, ..StaticCost::default() })
    }

    /// The reuse distance of each layer, in their order ([`crate::LoweredLayer::reuse_bytes`]).
    pub fn reuse_distances(&mut self, layers: &[SelectedLayer], distances: &mut Vec<u64>) {
        distances.clear();
        let mut moved: u64 = 0;
        // The first round only finds where each kind ends.
        for round in 0..2 {
            for layer in layers {
                let cost = self.costs[self.slot(layer)];
                let end = &mut self.ends[self.kinds[layer.node.0] as usize];
                if round == 1 {
                    distances.push(moved - *end);
                }
                moved = moved.saturating_add(cost.bytes_read.saturating_add(cost.bytes_written));
                *end = moved;
            }
        }
    }
}

/// The number of a value; a new value gets the next number.
fn number<T: std::hash::Hash + Eq>(known: &mut HashMap<T, u32>, value: T) -> u32 {
    let next = known.len() as u32;
    *known.entry(value).or_insert(next)
}
