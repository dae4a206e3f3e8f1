//! Computes the same thing once.

use super::rewrite::{Fate, rewrite};
use crate::cost::op_cost;
use crate::{Graph, NodeId, Op, Shape};

/// Merges nodes with the same operation and operands. Layers with parameters are never merged: each has weights of
/// its own. Inputs are distinct by definition, and a custom operation may not be a pure function.
#[must_use]
pub fn merge_common_subexpressions(graph: &Graph) -> Graph {
    let mut seen: Vec<(Op, Vec<NodeId>, NodeId)> = Vec::new();
    rewrite(graph, |node, before| {
        let shapes: Vec<&Shape> = node.inputs.iter().map(|id| &before[id.0].shape).collect();
        let own = matches!(node.op, Op::Input { .. } | Op::Custom { .. } | Op::Dropout { .. } | Op::DropPath { .. });
        if own || op_cost(&node.op, &shapes, &node.shape).params > 0 {
            return Fate::Keep(node);
        }
        match seen.iter().find(|(op, inputs, _)| *op == node.op && *inputs == node.inputs) {
            Some((_, _, id)) => Fate::Replace(*id),
            None => {
                seen.push((node.op.clone(), node.inputs.clone(), NodeId(before.len())));
                Fate::Keep(node)
            }
        }
    })
}
