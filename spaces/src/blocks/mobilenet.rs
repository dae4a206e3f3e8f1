//! Blocks of MobileNetV2 (Sandler et al. 2018).

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};

use super::ofa::squeeze_excite;

/// Convolution (no bias, padded to keep the size), batch normalisation, ReLU6.
///
/// # Errors
/// If the convolution does not fit its input.
pub fn conv_bn_relu6(
    b: &mut GraphBuilder,
    x: NodeId,
    out: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
) -> Result<NodeId, GraphError> {
    let y = b.add("conv", Op::conv(out, kernel, stride, kernel / 2).with_groups(groups), &[x])?;
    let y = b.add("bn", Op::batch_norm(), &[y])?;
    b.add("relu6", Op::Relu6, &[y])
}

/// The form of an inverted residual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvertedResidual {
    /// Output channels.
    pub out: usize,
    /// Stride.
    pub stride: usize,
    /// Depthwise kernel, odd.
    pub kernel: usize,
    /// Factor from the input's channels to the channels in between.
    pub expansion: usize,
    /// Whether squeeze and excitation weights the channels; MobileNetV2 itself has none.
    pub squeeze: bool,
}

/// MobileNetV2's inverted residual: expand 1x1 (unless `expansion` is 1), depthwise, project 1x1; the input is added
/// when stride is 1 and the channels agree.
///
/// # Errors
/// If a convolution does not fit its input.
pub fn inverted_residual(b: &mut GraphBuilder, x: NodeId, block: InvertedResidual) -> Result<NodeId, GraphError> {
    let InvertedResidual { out, stride, kernel, expansion, squeeze } = block;
    let channels = b.shape(x).channels();
    // Saturating: an absurd product is then refused by the convolution's own check.
    let hidden = channels.saturating_mul(expansion);
    let mut y = x;
    if expansion != 1 {
        y = b.scope("expand", |b| conv_bn_relu6(b, y, hidden, 1, 1, 1))?;
    }
    y = b.scope("depthwise", |b| conv_bn_relu6(b, y, hidden, kernel, stride, hidden))?;
    if squeeze {
        y = b.scope("squeeze", |b| squeeze_excite(b, y))?;
    }
    y = b.scope("project", |b| {
        let y = b.add("conv", Op::conv(out, 1, 1, 0), &[y])?;
        b.add("bn", Op::batch_norm(), &[y])
    })?;
    if stride == 1 && channels == out { b.add("add", Op::Add, &[x, y]) } else { Ok(y) }
}
