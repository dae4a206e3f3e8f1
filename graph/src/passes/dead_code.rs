//! Removes nodes that no output needs.

use crate::{Graph, Node, NodeId, Op};

/// Keeps the nodes that an output depends on. A [`Op::Zero`] does not need its operand's value, so it becomes a
/// constant and everything that feeds only it is removed (as the pruning of NNabla-NAS does).
/// Inputs stay: callers still pass all of them.
#[must_use]
pub fn eliminate_dead_code(graph: &Graph) -> Graph {
    let nodes = graph.nodes();
    let mut needed = vec![false; nodes.len()];
    for id in graph.outputs() {
        needed[id.0] = true;
    }
    for (i, node) in nodes.iter().enumerate().rev() {
        if matches!(node.op, Op::Input { .. }) {
            needed[i] = true;
        }
        if needed[i] && !matches!(node.op, Op::Zero { .. }) {
            for id in &node.inputs {
                needed[id.0] = true;
            }
        }
    }
    let mut position = vec![NodeId(0); nodes.len()];
    let mut kept: Vec<Node> = Vec::new();
    for (i, node) in nodes.iter().enumerate().filter(|(i, _)| needed[*i]) {
        position[i] = NodeId(kept.len());
        let mut node = node.clone();
        if matches!(node.op, Op::Zero { .. }) {
            node.op = Op::Zeros { shape: node.shape.clone() };
            node.inputs.clear();
        }
        for id in &mut node.inputs {
            *id = position[id.0];
        }
        kept.push(node);
    }
    Graph::from_parts(kept, graph.outputs().iter().map(|id| position[id.0]).collect())
}
