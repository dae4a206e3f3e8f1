//! Computes beforehand what depends on constants only, as runtimes do when they load a network.

use super::rewrite::{Fate, rewrite};
use crate::{Graph, Node, Op};

/// Makes a constant of every layer whose operands are all constants. Its value is not kept: what is timed does not depend on it.
#[must_use]
pub fn fold_constants(graph: &Graph) -> Graph {
    rewrite(graph, |node, before| {
        let constant = node.inputs.iter().all(|id| matches!(before[id.0].op, Op::Zeros { .. } | Op::Constant { .. }));
        if node.inputs.is_empty() || !constant {
            return Fate::Keep(node);
        }
        // Not `Zeros`: what a bias or a shift has made of zeros is no zero, so nothing after it may be left out.
        let op = Op::Constant { shape: node.shape.clone() };
        Fate::Keep(Node { op, inputs: Vec::new(), parameters: None, ..node })
    })
}
