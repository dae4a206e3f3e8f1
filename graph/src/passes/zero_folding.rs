//! Lets zeros run downstream: what is known to be zero is not computed (the reference stops at the Zero itself, P-05).

use super::rewrite::{Fate, rewrite};
use crate::{Graph, Node, NodeId, Op};

/// Folds zeros: an add drops zero operands, a product with zero is zero, an operation that maps zero to zero
/// (bias-free convolution and linear, ReLU, pools, views …) becomes zero. A concatenation keeps its shape and its
/// zero operands, unless all of them are zero. Batch normalisation and biased layers map zero to a constant that is not
/// zero, so they stay.
#[must_use]
pub fn fold_zeros(graph: &Graph) -> Graph {
    rewrite(graph, |node, before| {
        let is_zero = |id: &NodeId| matches!(before[id.0].op, Op::Zeros { .. });
        let zero_operands = node.inputs.iter().filter(|id| is_zero(id)).count();
        let all_zero = !node.inputs.is_empty() && zero_operands == node.inputs.len();
        match &node.op {
            Op::Zero { .. } => zeros(node),
            Op::Add if all_zero => zeros(node),
            Op::Add if zero_operands > 0 => {
                let rest: Vec<NodeId> = node.inputs.iter().filter(|id| !is_zero(id)).copied().collect();
                if let [only] = rest[..] { Fate::Replace(only) } else { Fate::Keep(Node { inputs: rest, ..node }) }
            }
            Op::Mul | Op::MatMul if zero_operands > 0 => zeros(node),
            op if all_zero && maps_zero_to_zero(op) => zeros(node),
            _ => Fate::Keep(node),
        }
    })
}

fn zeros(node: Node) -> Fate {
    Fate::Keep(Node { op: Op::Zeros { shape: node.shape.clone() }, inputs: Vec::new(), ..node })
}

fn maps_zero_to_zero(op: &Op) -> bool {
    match op {
        Op::Conv { bias, .. } | Op::Linear { bias, .. } => !bias,
        Op::Relu
        | Op::Relu6
        | Op::LeakyRelu { .. }
        | Op::Hswish
        | Op::Tanh
        | Op::MaxPool { .. }
        | Op::AvgPool { .. }
        | Op::GlobalAvgPool
        | Op::Dropout { .. }
        | Op::DropPath { .. }
        | Op::Concat { .. }
        | Op::Flatten
        | Op::Crop { .. }
        | Op::Pad { .. }
        | Op::Resize { .. }
        | Op::Identity => true,
        _ => false,
    }
}
