//! Blocks of the once-for-all networks (Cai et al. 2020).

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};

/// The nearest multiple of 8, at least 8 and not below nine tenths: TensorFlow's rule for channels.
#[must_use]
pub fn make_divisible(channels: f64) -> usize {
    let nearest = (((channels + 4.0) / 8.0).floor() * 8.0).max(8.0);
    let kept = if nearest < 0.9 * channels { nearest + 8.0 } else { nearest };
    kept as usize
}

/// Convolution padded to keep the size, batch normalisation and, if given, an activation.
///
/// # Errors
/// If the convolution does not fit its input.
pub fn conv_bn(b: &mut GraphBuilder, x: NodeId, conv: Op, activation: Option<Op>) -> Result<NodeId, GraphError> {
    let y = b.add("conv", conv, &[x])?;
    let y = b.add("bn", Op::batch_norm(), &[y])?;
    activation.map_or(Ok(y), |activation| b.add("act", activation, &[y]))
}

/// The form of a block of MobileNetV3.
#[derive(Debug, Clone, PartialEq)]
pub struct MobileBlock {
    /// Output channels.
    pub out: usize,
    /// Factor from the input's channels to the channels in between.
    pub expansion: usize,
    /// Depthwise kernel, odd.
    pub kernel: usize,
    /// Stride.
    pub stride: usize,
    /// Non-linearity.
    pub activation: Op,
    /// Whether squeeze and excitation weights the channels.
    pub squeeze: bool,
}

/// Expand, depthwise, squeeze and excitation, project; the input is added where the shape stays.
///
/// # Errors
/// If a convolution does not fit its input.
pub fn mobile_block(b: &mut GraphBuilder, x: NodeId, block: &MobileBlock) -> Result<NodeId, GraphError> {
    let channels = b.shape(x).channels();
    let hidden = make_divisible(channels as f64 * block.expansion as f64);
    let activation = || Some(block.activation.clone());
    let mut y = x;
    if block.expansion != 1 {
        y = b.scope("expand", |b| conv_bn(b, y, Op::conv(hidden, 1, 1, 0), activation()))?;
    }
    let depthwise = Op::conv(hidden, block.kernel, block.stride, block.kernel / 2).with_groups(hidden);
    y = b.scope("depthwise", |b| conv_bn(b, y, depthwise, activation()))?;
    if block.squeeze {
        y = b.scope("squeeze", |b| squeeze_excite(b, y))?;
    }
    y = b.scope("project", |b| conv_bn(b, y, Op::conv(block.out, 1, 1, 0), None))?;
    if block.stride == 1 && channels == block.out { b.add("add", Op::Add, &[x, y]) } else { Ok(y) }
}

/// Weights channels by a small network on their means, with a quarter of the channels in between.
///
/// # Errors
/// If the input has no height and width.
pub fn squeeze_excite(b: &mut GraphBuilder, x: NodeId) -> Result<NodeId, GraphError> {
    let channels = b.shape(x).channels();
    let y = b.add("pool", Op::GlobalAvgPool, &[x])?;
    let y = b.add("reduce", Op::conv(make_divisible((channels / 4) as f64), 1, 1, 0).with_bias(), &[y])?;
    let y = b.add("relu", Op::Relu, &[y])?;
    let y = b.add("expand", Op::conv(channels, 1, 1, 0).with_bias(), &[y])?;
    let y = b.add("hsigmoid", Op::Hsigmoid, &[y])?;
    b.add("mul", Op::Mul, &[x, y])
}

/// Separable convolutions one after the other, one for each of the output widths: ReLU, depthwise, 1x1, batch
/// normalisation. The first ReLU can be left out.
///
/// # Errors
/// If a convolution does not fit its input.
pub fn separable_chain(
    b: &mut GraphBuilder,
    x: NodeId,
    widths: &[usize],
    kernel: usize,
    starts_with_relu: bool,
) -> Result<NodeId, GraphError> {
    let mut y = x;
    for (i, &out) in widths.iter().enumerate() {
        y = b.scope(i.to_string(), |b| {
            let channels = b.shape(y).channels();
            let y = if i > 0 || starts_with_relu { b.add("relu", Op::Relu, &[y])? } else { y };
            let y = b.add("dw", Op::conv(channels, kernel, 1, kernel / 2).with_groups(channels), &[y])?;
            let y = b.add("pw", Op::conv(out, 1, 1, 0), &[y])?;
            b.add("bn", Op::batch_norm(), &[y])
        })?;
    }
    Ok(y)
}

/// ResNet's bottleneck: 1x1 to `mid` channels, 3x3 with the stride, 1x1 to `out`, added to the input. Where the shape
/// changes the input is averaged over the stride and projected.
///
/// # Errors
/// If a convolution does not fit its input, or the stride does not divide the map.
pub fn bottleneck(
    b: &mut GraphBuilder,
    x: NodeId,
    mid: usize,
    out: usize,
    stride: usize,
) -> Result<NodeId, GraphError> {
    let y = b.scope("0", |b| conv_bn(b, x, Op::conv(mid, 1, 1, 0), Some(Op::Relu)))?;
    let y = b.scope("1", |b| conv_bn(b, y, Op::conv(mid, 3, stride, 1), Some(Op::Relu)))?;
    let y = b.scope("2", |b| conv_bn(b, y, Op::conv(out, 1, 1, 0), None))?;
    let shortcut = if stride == 1 && b.shape(x).channels() == out {
        x
    } else {
        b.scope("shortcut", |b| {
            let (kernel, stride, pad) = ([stride; 2], [stride; 2], [0; 2]);
            let pooled = if stride == [1; 2] {
                x
            } else {
                b.add("pool", Op::AvgPool { kernel, stride, pad, count_padding: true }, &[x])?
            };
            conv_bn(b, pooled, Op::conv(out, 1, 1, 0), None)
        })?
    };
    let y = b.add("add", Op::Add, &[y, shortcut])?;
    b.add("relu", Op::Relu, &[y])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_rounded_as_tensorflow_does() {
        assert_eq!([9.0, 12.0, 41.6, 52.0, 166.4].map(make_divisible), [16, 16, 40, 56, 168]);
    }
}
