//! Propagates zeros downstream, so that values known to be zero are not computed. NNabla-NAS stops at the `Zero` itself.

use super::rewrite::{Fate, rewrite};
use crate::{Graph, Node, NodeId, Op};

/// When the value of an operation is known to be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ZeroWhen {
    /// Whatever its operands are.
    Always,
    /// When one operand is zero.
    AnyOperand,
    /// When all operands are zero.
    AllOperands,
    /// Not even then: batch normalisation and biased layers map zero to a constant that is not zero.
    Never,
}

impl ZeroWhen {
    pub(crate) fn of(op: &Op) -> Self {
        match op {
            Op::Zero { .. } | Op::Zeros { .. } => Self::Always,
            Op::Mul | Op::MatMul => Self::AnyOperand,
            Op::Conv { bias, .. } | Op::Linear { bias, .. } if *bias => Self::Never,
            Op::Conv { .. }
            | Op::Linear { .. }
            | Op::Add
            | Op::Relu
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
            | Op::Transpose { .. }
            | Op::Reshape { .. }
            | Op::Slice { .. }
            | Op::Gather { .. }
            | Op::Expand { .. }
            | Op::Identity => Self::AllOperands,
            Op::Unbatched { op } => Self::of(op),
            _ => Self::Never,
        }
    }

    /// Whether the value is zero, given how many of the operands are.
    pub(crate) fn holds(self, operands: usize, zero_operands: usize) -> bool {
        match self {
            Self::Always => true,
            Self::AnyOperand => zero_operands > 0,
            Self::AllOperands => operands > 0 && zero_operands == operands,
            Self::Never => false,
        }
    }
}

/// Folds zeros: an add drops zero operands, a product with zero is zero, an operation that maps zero to zero
/// (bias-free convolution and linear, ReLU, pools, views …) becomes zero. A concatenation keeps its shape and its
/// zero operands, unless all of them are zero.
#[must_use]
pub fn fold_zeros(graph: &Graph) -> Graph {
    rewrite(graph, |node, before| {
        let is_zero = |id: &NodeId| matches!(before[id.0].op, Op::Zeros { .. });
        let zero_operands = node.inputs.iter().filter(|id| is_zero(id)).count();
        if ZeroWhen::of(&node.op).holds(node.inputs.len(), zero_operands) {
            return Fate::Keep(Node { op: Op::Zeros { shape: node.shape.clone() }, inputs: Vec::new(), ..node });
        }
        if node.op == Op::Add && zero_operands > 0 {
            let rest: Vec<NodeId> = node.inputs.iter().filter(|id| !is_zero(id)).copied().collect();
            return if let [only] = rest[..] { Fate::Replace(only) } else { Fate::Keep(Node { inputs: rest, ..node }) };
        }
        Fate::Keep(node)
    })
}
