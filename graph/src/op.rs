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
    /// An input of the network.
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
    /// Maximum over windows; padding does not count.
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
    /// Drops elements during training; does nothing at inference.
    Dropout {
        /// Probability that an element is dropped.
        probability: f64,
    },
    /// Drops a whole sample's branch during training; does nothing at inference.
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
    /// Returns its input.
    Identity,
    /// Zeros of the input's shape, spatially reduced by the stride; does not need its input's value.
    Zero {
        /// Stride.
        stride: [usize; 2],
    },
    /// A constant of zeros; the passes replace [`Op::Zero`] by it.
    Zeros {
        /// Its shape.
        shape: Shape,
    },
    /// A function of each element. Operands are broadcast; parameters replace last operands that are numbers.
    Elementwise {
        /// The function.
        function: Function,
        /// The numbers: bounds, an exponent, a summand.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        parameters: Vec<f64>,
    },
    /// Reduces all elements along some axes to one value.
    Reduce {
        /// The reduction.
        kind: Reduction,
        /// The axes, in increasing order, counted with the batch as 0.
        axes: Vec<usize>,
        /// Whether the axes stay, with size 1.
        keep: bool,
    },
    /// Reorders the axes; the data is copied.
    Transpose {
        /// For each axis of the result the axis of the operand.
        order: Vec<usize>,
    },
    /// Another shape for the same elements in the same order.
    Reshape {
        /// All sizes but the first: the first takes the remaining elements, so it grows with the batch.
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
    /// Repeats axes of size 1, without copying.
    Expand {
        /// The shape with which the operand's shape is broadcast.
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
        /// Symmetric zero padding; for a transposed convolution, the elements cut off.
        pad: Vec<usize>,
        /// Dilation.
        dilation: Vec<usize>,
        /// Elements added at the end of the output; only for a transposed convolution.
        output_pad: Vec<usize>,
        /// Groups; weights are `(out, in / groups, …)`, for a transposed convolution `(in, out / groups, …)`.
        groups: usize,
        /// Whether a bias per output channel is added.
        bias: bool,
        /// Whether it is transposed: the gradient of a convolution.
        transposed: bool,
    },
    /// Maximum or mean over windows in one to three dimensions, with everything that [`Op::MaxPool`] and
    /// [`Op::AvgPool`] lack.
    PoolNd {
        /// [`Reduction::Max`] or [`Reduction::Mean`].
        kind: Reduction,
        /// Window.
        kernel: Vec<usize>,
        /// Stride.
        stride: Vec<usize>,
        /// Symmetric padding.
        pad: Vec<usize>,
        /// Dilation; only for a maximum.
        dilation: Vec<usize>,
        /// Whether a last window may reach beyond the border.
        ceil: bool,
        /// Whether padded zeros count in the divisor of a mean.
        count_padding: bool,
    },
    /// Padding along any axes.
    PadNd {
        /// Elements before and after, for each axis.
        pads: Vec<[usize; 2]>,
        /// The values of the padding.
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
    /// A recurrent layer: `(steps, N, features)` to `(steps, N, hidden)`, or `2 * hidden` with two directions. Operands
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
    /// One kernel of a runtime that fuses: an operation, then an optional summand, then an optional non-linearity. Its
    /// operands are those of `op`, then the summand.
    Kernel {
        /// The operation; not itself a kernel.
        op: Box<Self>,
        /// Whether a last operand of the result's shape is added.
        sum: bool,
        /// A non-linearity on the result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activation: Option<Box<Self>>,
        /// Channels of a block if the runtime stores values in blocks of channels (NCHWc); 0 for the plain layout.
        block: usize,
    },
    /// Copies a value between the plain layout and blocks of channels.
    Reorder {
        /// Channels of a block.
        block: usize,
        /// Whether it copies from the plain layout to blocks; otherwise from blocks to the plain layout.
        to_blocks: bool,
    },
    /// One kernel of a runtime on 8-bit integers: its operands, its result and its stored values are 8-bit integers,
    /// except biases, which have 32 bits.
    Quantized {
        /// The operation; neither a kernel nor itself quantized.
        op: Box<Self>,
        /// A non-linearity that the range of its result implements, so that it takes no time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activation: Option<Activation>,
        /// Whether its operands and its result are stored pixel by pixel (NHWC); otherwise channel by channel.
        channels_last: bool,
    },
    /// Converts 32-bit floats to 8-bit integers.
    Quantize {
        /// A non-linearity that the range of its result implements.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        activation: Option<Activation>,
    },
    /// Converts 8-bit integers to 32-bit floats.
    Dequantize,
    /// Copies a value between the orders channel by channel (NCHW) and pixel by pixel (NHWC). Its shape is written the
    /// same in both.
    ChannelsLast {
        /// Whether it copies to pixel by pixel; otherwise to channel by channel.
        to: bool,
    },
    /// A user-defined operation; see [`crate::custom`].
    Custom {
        /// Registered name.
        kind: String,
        /// Its attributes.
        attributes: BTreeMap<String, String>,
    },
}
