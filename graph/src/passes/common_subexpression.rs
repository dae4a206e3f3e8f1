//! Common subexpression elimination: equal nodes are computed once.

use std::collections::HashMap;

use super::rewrite::{Fate, rewrite};
use crate::cost::op_cost;
use crate::{Graph, NodeId, Op, Shape};

/// Merges nodes with the same operation and operands. Layers with parameters are never merged: each has weights of
/// its own. Inputs are distinct by definition, and a custom operation may not be a pure function.
#[must_use]
pub fn merge_common_subexpressions(graph: &Graph) -> Graph {
    // Keyed by operands, because an operation holds floats and has no hash.
    let mut seen: HashMap<Vec<NodeId>, Vec<(Op, NodeId)>> = HashMap::new();
    rewrite(graph, |node, before| {
        let shapes: Vec<&Shape> = node.inputs.iter().map(|id| &before[id.0].shape).collect();
        let own = matches!(node.op, Op::Input { .. } | Op::Custom { .. } | Op::Dropout { .. } | Op::DropPath { .. });
        if own || op_cost(&node.op, &shapes, &node.shape).params > 0 {
            return Fate::Keep(node);
        }
        let same_operands = seen.entry(node.inputs.clone()).or_default();
        match same_operands.iter().find(|(op, _)| *op == node.op) {
            Some((_, id)) => Fate::Replace(*id),
            None => {
                same_operands.push((node.op.clone(), NodeId(before.len())));
                Fate::Keep(node)
            }
        }
    })
}
