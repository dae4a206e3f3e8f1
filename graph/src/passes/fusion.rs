//! Fusion of convolution, batch normalisation and activation, as inference runtimes do it.

use std::collections::HashMap;

use super::rewrite::{Fate, rewrite};
use crate::{Activation, Graph, Node, NodeId, Op};

/// Folds a batch normalisation into the convolution before it (which then has a bias), and a ReLU or ReLU6 after that
/// into the convolution as well, if nothing else reads the value in between. ONNX Runtime's and TFLite's optimisers do
/// the same for these patterns.
#[must_use]
pub fn fuse_conv_batch_norm_activation(graph: &Graph) -> Graph {
    let uses = graph.use_counts();
    let mut index = 0;
    // Per new node: whether its value has exactly one user.
    let mut used_once_in_new: Vec<bool> = Vec::new();
    // New operations of the convolutions into which others were fused.
    let mut fused: HashMap<NodeId, Op> = HashMap::new();
    let rewritten = rewrite(graph, |node, before| {
        let used_once = uses[index] == 1;
        index += 1;
        if let [operand] = node.inputs[..]
            && used_once_in_new[operand.0]
            && let Some(both) = fuse(fused.get(&operand).unwrap_or(&before[operand.0].op), &node.op)
        {
            fused.insert(operand, both);
            used_once_in_new[operand.0] = used_once;
            return Fate::Replace(operand);
        }
        used_once_in_new.push(used_once);
        Fate::Keep(node)
    });
    let nodes = rewritten.nodes().iter().enumerate().map(|(i, node)| match fused.remove(&NodeId(i)) {
        Some(op) => Node { op, ..node.clone() },
        None => node.clone(),
    });
    Graph::from_parts(nodes.collect(), rewritten.outputs().to_vec())
}

/// The convolution that does both, if there is one.
fn fuse(first: &Op, second: &Op) -> Option<Op> {
    let mut fused = first.clone();
    let Op::Conv { bias, activation: activation @ None, .. } = &mut fused else {
        return None;
    };
    match second {
        Op::BatchNorm { .. } => *bias = true,
        Op::Relu => *activation = Some(Activation::Relu),
        Op::Relu6 => *activation = Some(Activation::Relu6),
        _ => return None,
    }
    Some(fused)
}
