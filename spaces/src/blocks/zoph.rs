//! Blocks of the one-shot space of Bender et al. (2018), after Zoph et al.

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};

/// The given convolution or pool, then batch normalisation and ReLU.
///
/// # Errors
/// If the operation does not fit its input.
pub fn with_bn_relu(b: &mut GraphBuilder, x: NodeId, name: &str, op: Op) -> Result<NodeId, GraphError> {
    let y = b.add(name, op, &[x])?;
    let y = b.add("bn", Op::batch_norm(), &[y])?;
    b.add("relu", Op::Relu, &[y])
}

/// Two depthwise separable convolutions with nothing in between, batch normalisation, ReLU. Channels and size stay.
///
/// # Errors
/// If the kernel is even (the size would not stay) or does not fit.
pub fn sep_conv_bn(b: &mut GraphBuilder, x: NodeId, kernel: usize, dilation: usize) -> Result<NodeId, GraphError> {
    let channels = b.shape(x).channels();
    let depthwise = Op::conv(channels, kernel, 1, kernel / 2 * dilation).with_groups(channels).with_dilation(dilation);
    let mut y = x;
    for name in ["sep_conv_1", "sep_conv_2"] {
        y = b.scope(name, |b| {
            let y = b.add("dw", depthwise.clone(), &[y])?;
            b.add("pw", Op::conv(channels, 1, 1, 0), &[y])
        })?;
    }
    let y = b.add("bn", Op::batch_norm(), &[y])?;
    b.add("relu", Op::Relu, &[y])
}

/// Brings maps to the size of the smallest: a larger one is max-pooled by the whole ratio.
///
/// # Errors
/// If a map has no height and width, or the ratio does not give the smallest size.
pub fn pool_to_smallest(b: &mut GraphBuilder, maps: &[NodeId]) -> Result<Vec<NodeId>, GraphError> {
    let size = |b: &GraphBuilder, id: NodeId, axis: usize| b.shape(id).0.get(axis).copied().unwrap_or(1);
    let smallest = [2, 3].map(|axis| maps.iter().map(|&id| size(b, id, axis)).min().unwrap_or(1));
    let mut pooled = Vec::with_capacity(maps.len());
    for (i, &id) in maps.iter().enumerate() {
        let ratio = [size(b, id, 2) / smallest[0], size(b, id, 3) / smallest[1]];
        pooled.push(if ratio == [1, 1] {
            id
        } else {
            b.add(&format!("shrink_{i}"), Op::MaxPool { kernel: ratio, stride: ratio, pad: [0; 2] }, &[id])?
        });
    }
    Ok(pooled)
}
