//! The operations of graph nodes.

mod function;
mod make;
mod properties;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Shape;

pub use function::{Cell, Function, PadMode, Reduction};

/// A non-linearity that a runtime can fuse into the layer before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6)
    Relu6,
}

/// How [`Op::Resize`] fills in values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMode {
    /// Nearest neighbour.
    Nearest,
    /// Bilinear.
    Bilinear,
    /// Bicubic.
    Bicubic,
}

/// Zero padding of the two spatial dimensions: top, bottom, left, right.
pub type Padding = [usize; 4];

/// What a node computes. Shapes are `(N, C, H, W)` unless said otherwise; pairs are `[height, width]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Op {
    /// Where data enters.
    Input {
        /// Shape of the data, batch first.
        shape: Shape,
    },
    /// 2-D convolution; depthwise when `groups` equals the input channels.
    Conv {
        /// Output channels.
        out_channels: usize,
        /// Kernel size.
        kernel: [usize; 2],
        /// Stride.
        stride: [usize; 2],
        /// Symmetric zero padding.
        pad: [usize; 2],
        /// Dilation.
        dilation: [usize; 2],
        /// Groups; weights are `(out, in / groups, kh, kw)`.
        groups: usize,
        /// Whether a bias per output channel is added.
        bias: bool,
        /// A non-linearity fused by the runtime.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activation: Option<Activation>,
    },
    /// Fully connected over the last dimension: `(…, in)` to `(…, out)`.
    Linear {
        /// Output features.
        out_features: usize,
        /// Whether a bias is added.
        bias: bool,
    },
    /// Batch normalisation over channels with trained statistics (inference).
    BatchNorm {
        /// Added to the variance.
        epsilon: f64,
    },
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6)
    Relu6,
    /// x for x > 0, else slope * x
    LeakyRelu {
        /// Slope of the negative part.
        slope: f64,
    },
    /// relu6(x + 3) / 6
    Hsigmoid,
    /// x * relu6(x + 3) / 6
    Hswish,
    /// Logistic function.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Softmax over one axis.
    Softmax {
        /// The axis, counted with the batch as 0.
        axis: usize,
    },
    /// Maximum over windows; padding never wins.
    MaxPool {
        /// Window.
        kernel: [usize; 2],
        /// Stride.
        stride: [usize; 2],
        /// Symmetric padding.
        pad: [usize; 2],
    },
    /// Mean over windows.
    AvgPool {
        /// Window.
        kernel: [usize; 2],
        /// Stride.
        stride: [usize; 2],
        /// Symmetric zero padding.
        pad: [usize; 2],
        /// Whether padded zeros count in the divisor (the reference's behaviour).
        count_padding: bool,
    },
    /// `(N, C, H, W)` to `(N, C, 1, 1)`.
    GlobalAvgPool,
    /// Drops elements while training; nothing at inference.
    Dropout {
        /// Probability that an element is dropped.
        probability: f64,
    },
    /// Drops a whole sample's branch while training; nothing at inference.
    DropPath {
        /// Probability that a branch is dropped.
        probability: f64,
    },
    /// Sum of any number of equal shapes.
    Add,
    /// Product; the second operand may have 1 in spatial dimensions (squeeze-excite).
    Mul,
    /// Concatenation along an axis.
    Concat {
        /// The axis, counted with the batch as 0.
        axis: usize,
    },
    /// `(N, …)` to `(N, product)`.
    Flatten,
    /// Removes rows at the top and columns at the left (the shifted branch of factorised reduce).
    Crop {
        /// Rows removed at the top.
        top: usize,
        /// Columns removed at the left.
        left: usize,
    },
    /// Zero padding.
    Pad {
        /// Rows and columns added.
        padding: Padding,
    },
    /// Spatial resize to a given size.
    Resize {
        /// New height and width.
        size: [usize; 2],
        /// Interpolation.
        mode: ResizeMode,
    },
    /// Matrix product of the last two dimensions of two inputs.
    MatMul,
    /// Hands its input on.
    Identity,
    /// Zeros of the input's shape, spatially reduced by the stride; does not need its input's value.
    Zero {
        /// Stride.
        stride: [usize; 2],
    },
    /// A constant of zeros; what the passes leave of a [`Op::Zero`].
    Zeros {
        /// Its shape.
        shape: Shape,
    },
    /// A function of each element. Operands are broadcast; parameters stand for the last operands where those are numbers.
    Elementwise {
        /// What is computed.
        function: Function,
        /// The numbers: bounds, an exponent, a summand.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        parameters: Vec<f64>,
    },
    /// One value for all elements along some axes.
    Reduce {
        /// Which.
        kind: Reduction,
        /// The axes, in increasing order, counted with the batch as 0.
        axes: Vec<usize>,
        /// Whether they stay, with size 1.
        keep: bool,
    },
    /// Another order of the axes; the data is copied.
    Transpose {
        /// For each axis of the result the axis of the operand.
        order: Vec<usize>,
    },
    /// Another shape for the same elements in the same order.
    Reshape {
        /// All sizes but the first, which takes what is left: so it grows with the batch.
        rest: Vec<usize>,
    },
    /// Part of a tensor along one axis.
    Slice {
        /// The axis, counted with the batch as 0.
        axis: usize,
        /// First index.
        start: usize,
        /// Index after the last.
        end: usize,
        /// Step from one index to the next.
        step: usize,
    },
    /// Elements at fixed indices along an axis.
    Gather {
        /// The axis, counted with the batch as 0.
        axis: usize,
        /// How many indices.
        count: usize,
    },
    /// Sizes of 1 repeated, without copying.
    Expand {
        /// What the operand's shape is broadcast with.
        shape: Shape,
    },
    /// Convolution in one to three dimensions, also transposed.
    ConvNd {
        /// Output channels.
        out_channels: usize,
        /// Kernel size.
        kernel: Vec<usize>,
        /// Stride.
        stride: Vec<usize>,
        /// Symmetric zero padding; of a transposed one, what is cut off.
        pad: Vec<usize>,
        /// Dilation.
        dilation: Vec<usize>,
        /// Added to the output's sizes at the end; of a transposed one only.
        output_pad: Vec<usize>,
        /// Groups; weights are `(out, in / groups, …)`, of a transposed one `(in, out / groups, …)`.
        groups: usize,
        /// Whether a bias per output channel is added.
        bias: bool,
        /// Whether it is the gradient of a convolution.
        transposed: bool,
    },
    /// Maximum or mean over windows in one to three dimensions, with everything that [`Op::MaxPool`] and [`Op::AvgPool`] lack.
    PoolNd {
        /// [`Reduction::Max`] or [`Reduction::Mean`].
        kind: Reduction,
        /// Window.
        kernel: Vec<usize>,
        /// Stride.
        stride: Vec<usize>,
        /// Symmetric padding.
        pad: Vec<usize>,
        /// Dilation; of a maximum only.
        dilation: Vec<usize>,
        /// Whether a last window may reach over the border.
        ceil: bool,
        /// Whether padded zeros count in the divisor of a mean.
        count_padding: bool,
    },
    /// Padding along any axes.
    PadNd {
        /// Elements before and after, for each axis.
        pads: Vec<[usize; 2]>,
        /// With what.
        mode: PadMode,
    },
    /// Normalisation over the axes from one on (Ba et al. 2016), with a trained scale.
    LayerNorm {
        /// First axis, counted with the batch as 0.
        axis: usize,
        /// Added to the variance.
        epsilon: f64,
        /// Whether a trained shift is added.
        bias: bool,
    },
    /// Normalisation over groups of channels (Wu and He 2018), with trained scale and shift; as many groups as channels is
    /// instance normalisation.
    GroupNorm {
        /// Groups.
        groups: usize,
        /// Added to the variance.
        epsilon: f64,
    },
    /// A recurrent layer over `(steps, N, features)`, giving `(steps, N, hidden)`, of two directions twice as much. Operands
    /// after the first are its initial states.
    Recurrent {
        /// Its cell.
        cell: Cell,
        /// Hidden size.
        hidden: usize,
        /// Whether it runs in both directions.
        bidirectional: bool,
    },
    /// Stored values.
    Constant {
        /// Their shape.
        shape: Shape,
    },
    /// An operation on operands whose first dimension is not the batch: its key holds that dimension too.
    Unbatched {
        /// The operation.
        op: Box<Self>,
    },
    /// Selects one of its inputs; the search decides which.
    Choice {
        /// Name of the choice; nodes with the same name always select the same candidate.
        choice: String,
        /// A name for each input.
        candidates: Vec<String>,
    },
    /// One kernel of a runtime that fuses: an operation, what is added to its result, and a non-linearity after that. Its
    /// operands are those of `op`, then the summand.
    Kernel {
        /// The operation; not itself a kernel.
        op: Box<Self>,
        /// Whether a last operand of the result's shape is added.
        sum: bool,
        /// A non-linearity on the result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activation: Option<Box<Self>>,
        /// Channels of a block, where the runtime keeps values in blocks of channels (NCHWc); 0: values are plain.
        block: usize,
    },
    /// Copies a value between the plain layout and blocks of channels.
    Reorder {
        /// Channels of a block.
        block: usize,
        /// Whether it makes blocks of a plain value; else the other way.
        to_blocks: bool,
    },
    /// One kernel of a runtime on 8-bit integers: its operands are such, and so is its result. What it stores are 8-bit integers too,
    /// but for biases, which have 32 bits.
    Quantized {
        /// The operation; neither a kernel nor itself quantized.
        op: Box<Self>,
        /// A non-linearity that the range of its result stands for, so that it takes no time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activation: Option<Activation>,
        /// Whether the runtime has its operands and its result pixel by pixel (NHWC); else channel by channel.
        channels_last: bool,
    },
    /// 8-bit integers of 32-bit floats.
    Quantize {
        /// A non-linearity that the range of its result stands for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activation: Option<Activation>,
    },
    /// 32-bit floats of 8-bit integers.
    Dequantize,
    /// Copies a value between the orders channel by channel (NCHW) and pixel by pixel (NHWC). Its shape is written alike in both.
    ChannelsLast {
        /// Whether it gives the value pixel by pixel; else the other way.
        to: bool,
    },
    /// An operation of the user's; see [`crate::custom`].
    Custom {
        /// Registered name.
        kind: String,
        /// Its attributes.
        attributes: BTreeMap<String, String>,
    },
}
