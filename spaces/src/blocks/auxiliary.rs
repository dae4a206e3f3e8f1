//! The auxiliary classifier of DARTS' CIFAR-10 networks (Liu et al. 2019).

use nasprof_graph::{GraphBuilder, GraphError, GraphErrorKind, NodeId, Op};

/// Height and width of the map that [`auxiliary_head`] expects.
const MAP: usize = 8;

/// Classifier on an 8x8 map in the middle of the network.
///
/// # Errors
/// If the map is not 8x8.
pub fn auxiliary_head(b: &mut GraphBuilder, x: NodeId, classes: usize) -> Result<NodeId, GraphError> {
    if b.shape(x).0.get(2..) != Some(&[MAP; 2]) {
        let kind = GraphErrorKind::Attribute(format!("needs a map of {MAP}x{MAP}, got shape {}", b.shape(x)));
        return Err(GraphError::new(b.path("pool"), "avg_pool", kind));
    }
    let y = b.add("relu", Op::Relu, &[x])?;
    let pool = Op::AvgPool { kernel: [5; 2], stride: [3; 2], pad: [0; 2], count_padding: true };
    let mut y = b.add("pool", pool, &[y])?;
    for (name, conv) in [("0", Op::conv(128, 1, 1, 0)), ("1", Op::conv(768, 2, 1, 0))] {
        y = b.scope(name, |b| {
            let y = b.add("conv", conv, &[y])?;
            let y = b.add("bn", Op::batch_norm(), &[y])?;
            b.add("relu", Op::Relu, &[y])
        })?;
    }
    let y = b.add("flatten", Op::Flatten, &[y])?;
    b.add("linear", Op::Linear { out_features: classes, bias: true }, &[y])
}
