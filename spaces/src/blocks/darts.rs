//! Blocks of the DARTS cells (Liu et al. 2019) as NNabla-NAS builds them: activations come first, and every normalisation
//! is affine.

use nasprof_graph::{GraphBuilder, GraphError, GraphErrorKind, NodeId, Op};

/// 3x3 convolution and batch normalisation, without an activation.
///
/// # Errors
/// If the convolution does not fit its input.
pub fn stem_conv(b: &mut GraphBuilder, x: NodeId, out: usize) -> Result<NodeId, GraphError> {
    let y = b.add("conv", Op::conv(out, 3, 1, 1), &[x])?;
    b.add("bn", Op::batch_norm(), &[y])
}

/// ReLU, convolution padded to keep the size, batch normalisation.
///
/// # Errors
/// If the convolution does not fit its input.
pub fn relu_conv_bn(b: &mut GraphBuilder, x: NodeId, out: usize, kernel: usize) -> Result<NodeId, GraphError> {
    let y = b.add("relu", Op::Relu, &[x])?;
    let y = b.add("conv", Op::conv(out, kernel, 1, kernel / 2), &[y])?;
    b.add("bn", Op::batch_norm(), &[y])
}

/// Halves the map without losing three quarters of it: concatenates two strided 1x1 convolutions, the second shifted by
/// one row and one column.
///
/// # Errors
/// If `out` is odd, or if a size of the map is odd (then the two halves differ in size).
pub fn factorized_reduce(b: &mut GraphBuilder, x: NodeId, out: usize) -> Result<NodeId, GraphError> {
    if !out.is_multiple_of(2) {
        let kind = GraphErrorKind::Attribute(format!("{out} output channels cannot be halved"));
        return Err(GraphError::new(b.path("concat"), "concat", kind));
    }
    let relu = b.add("relu", Op::Relu, &[x])?;
    let even = b.add("conv_1", Op::conv(out / 2, 1, 2, 0), &[relu])?;
    let shifted = b.add("shift", Op::Crop { top: 1, left: 1 }, &[relu])?;
    let odd = b.add("conv_2", Op::conv(out / 2, 1, 2, 0), &[shifted])?;
    let y = b.add("concat", Op::Concat { axis: 1 }, &[even, odd])?;
    b.add("bn", Op::batch_norm(), &[y])
}

/// Dilated depthwise separable convolution: ReLU, depthwise with dilation 2, 1x1, batch normalisation.
///
/// # Errors
/// If the convolution does not fit its input.
pub fn dil_conv(
    b: &mut GraphBuilder,
    x: NodeId,
    out: usize,
    kernel: usize,
    stride: usize,
) -> Result<NodeId, GraphError> {
    let depthwise = Op::conv(b.shape(x).channels(), kernel, stride, 2 * (kernel / 2)).with_dilation(2);
    separable(b, x, depthwise, out)
}

/// Depthwise separable convolution twice; only the first has the stride.
///
/// # Errors
/// If the convolution does not fit its input.
pub fn sep_conv(
    b: &mut GraphBuilder,
    x: NodeId,
    out: usize,
    kernel: usize,
    stride: usize,
) -> Result<NodeId, GraphError> {
    let channels = b.shape(x).channels();
    let y = b.scope("0", |b| separable(b, x, Op::conv(channels, kernel, stride, kernel / 2), channels))?;
    b.scope("1", |b| separable(b, y, Op::conv(channels, kernel, 1, kernel / 2), out))
}

/// ReLU, `depthwise` with one group for each channel, 1x1 convolution, batch normalisation.
fn separable(b: &mut GraphBuilder, x: NodeId, depthwise: Op, out: usize) -> Result<NodeId, GraphError> {
    let channels = b.shape(x).channels();
    let y = b.add("relu", Op::Relu, &[x])?;
    let y = b.add("dw", depthwise.with_groups(channels), &[y])?;
    let y = b.add("pw", Op::conv(out, 1, 1, 0), &[y])?;
    b.add("bn", Op::batch_norm(), &[y])
}
