//! The operations of graph nodes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Shape;

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
    /// An operation of the user's; see [`crate::custom`].
    Custom {
        /// Registered name.
        kind: String,
        /// Its attributes.
        attributes: BTreeMap<String, String>,
    },
}

impl Op {
    /// Name of the operation, as LUT rows use it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Input { .. } => "input",
            Self::Conv { .. } => "conv",
            Self::Linear { .. } => "linear",
            Self::BatchNorm { .. } => "batch_norm",
            Self::Relu => "relu",
            Self::Relu6 => "relu6",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Hsigmoid => "hsigmoid",
            Self::Hswish => "hswish",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Softmax { .. } => "softmax",
            Self::MaxPool { .. } => "max_pool",
            Self::AvgPool { .. } => "avg_pool",
            Self::GlobalAvgPool => "global_avg_pool",
            Self::Dropout { .. } => "dropout",
            Self::DropPath { .. } => "drop_path",
            Self::Add => "add",
            Self::Mul => "mul",
            Self::Concat { .. } => "concat",
            Self::Flatten => "flatten",
            Self::Crop { .. } => "crop",
            Self::Pad { .. } => "pad",
            Self::Resize { .. } => "resize",
            Self::MatMul => "matmul",
            Self::Identity => "identity",
            Self::Zero { .. } => "zero",
            Self::Zeros { .. } => "zeros",
            Self::Choice { .. } => "choice",
            Self::Kernel { op, .. } => op.name(),
            Self::Reorder { .. } => "reorder",
            Self::Custom { kind, .. } => kind,
        }
    }

    /// The operation itself, without what a runtime has fused into it.
    #[must_use]
    pub fn core(&self) -> &Self {
        if let Self::Kernel { op, .. } = self { op } else { self }
    }

    /// Whether it changes each element by itself, so that a runtime can fuse it into the layer before.
    #[must_use]
    pub fn is_activation(&self) -> bool {
        matches!(
            self,
            Self::Relu
                | Self::Relu6
                | Self::LeakyRelu { .. }
                | Self::Hsigmoid
                | Self::Hswish
                | Self::Sigmoid
                | Self::Tanh
        )
    }

    /// Whether a runtime spends time on it. Inputs and constants are there before a network runs.
    #[must_use]
    pub fn is_layer(&self) -> bool {
        !matches!(self, Self::Input { .. } | Self::Zeros { .. })
    }

    /// Whether it can have trained parameters.
    #[must_use]
    pub fn has_parameters(&self) -> bool {
        matches!(self.core(), Self::Conv { .. } | Self::Linear { .. } | Self::BatchNorm { .. } | Self::Custom { .. })
    }

    /// A convolution with equal height and width attributes.
    #[must_use]
    pub fn conv(out_channels: usize, kernel: usize, stride: usize, pad: usize) -> Self {
        Self::Conv {
            out_channels,
            kernel: [kernel; 2],
            stride: [stride; 2],
            pad: [pad; 2],
            dilation: [1; 2],
            groups: 1,
            bias: false,
            activation: None,
        }
    }

    /// The same convolution with a bias; other operations are returned as they are.
    #[must_use]
    pub fn with_bias(mut self) -> Self {
        if let Self::Conv { bias, .. } | Self::Linear { bias, .. } = &mut self {
            *bias = true;
        }
        self
    }

    /// The same convolution in groups; other operations are returned as they are.
    #[must_use]
    pub fn with_groups(mut self, count: usize) -> Self {
        if let Self::Conv { groups, .. } = &mut self {
            *groups = count;
        }
        self
    }

    /// The same convolution dilated; other operations are returned as they are.
    #[must_use]
    pub fn with_dilation(mut self, by: usize) -> Self {
        if let Self::Conv { dilation, .. } = &mut self {
            *dilation = [by; 2];
        }
        self
    }

    /// Batch normalisation with the reference's epsilon of 1e-5.
    #[must_use]
    pub fn batch_norm() -> Self {
        Self::BatchNorm { epsilon: 1e-5 }
    }
}
