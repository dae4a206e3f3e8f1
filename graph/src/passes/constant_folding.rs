//! Folds layers that depend on constants only, as runtimes do when they load a network.

use super::rewrite::{Fate, rewrite};
use crate::{Graph, Node, Op};

/// Replaces every layer whose operands are all constants by a constant. Its value is not kept: latency does not depend
/// on it.
#[must_use]
pub fn fold_constants(graph: &Graph) -> Graph {
    rewrite(graph, |node, before| {
        let constant = node.inputs.iter().all(|id| matches!(before[id.0].op, Op::Zeros { .. } | Op::Constant { .. }));
        if node.inputs.is_empty() || !constant {
            return Fate::Keep(node);
        }
        // Not `Zeros`: a bias or a shift turns zeros into other values, so later layers must not be folded as zeros.
        let op = Op::Constant { shape: node.shape.clone() };
        Fate::Keep(Node { op, inputs: Vec::new(), parameters: None, ..node })
    })
}
