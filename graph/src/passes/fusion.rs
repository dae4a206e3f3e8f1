//! Fusion of convolution, batch normalisation and activation, as inference runtimes do it.

use super::rewrite::{Fate, rewrite};
use crate::{Activation, Graph, Node, Op};

/// Folds a batch normalisation into the convolution before it (which then has a bias), and a ReLU or ReLU6 after that
/// into the convolution as well. Only where nothing else reads the value in between. What ONNX Runtime's and TFLite's
/// optimisers do for these patterns.
#[must_use]
pub fn fuse_conv_batch_norm_activation(graph: &Graph) -> Graph {
    let uses = graph.use_counts();
    let mut index = 0;
    let mut single_use_in_new: Vec<bool> = Vec::new();
    let mut nodes_fused: Vec<(usize, Op)> = Vec::new();
    let rewritten = rewrite(graph, |node, before| {
        let used_once = uses[index] == 1;
        index += 1;
        let operand = node.inputs.first().filter(|_| node.inputs.len() == 1).copied();
        if let Some(id) = operand
            && single_use_in_new[id.0]
        {
            let current =
                nodes_fused.iter().rev().find(|(i, _)| *i == id.0).map_or(&before[id.0].op, |(_, op)| op).clone();
            if let Some(fused) = fuse(&current, &node.op) {
                nodes_fused.push((id.0, fused));
                single_use_in_new[id.0] = used_once;
                return Fate::Replace(id);
            }
        }
        single_use_in_new.push(used_once);
        Fate::Keep(node)
    });
    let mut nodes: Vec<Node> = rewritten.nodes().to_vec();
    for (i, op) in nodes_fused {
        nodes[i].op = op;
    }
    Graph::from_parts(nodes, rewritten.outputs().to_vec())
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
