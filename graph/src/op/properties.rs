//! Properties of a single operation.

use super::{Function, Op, Reduction};

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
            Self::Elementwise { function, .. } => function.name(),
            Self::Reduce { kind, .. } => kind.name(),
            Self::Transpose { .. } => "transpose",
            Self::Reshape { .. } => "reshape",
            Self::Slice { .. } => "slice",
            Self::Gather { .. } => "gather",
            Self::Expand { .. } => "expand",
            Self::ConvNd { transposed: false, .. } => "conv_nd",
            Self::ConvNd { transposed: true, .. } => "conv_transpose",
            Self::PoolNd { kind: Reduction::Max, .. } => "max_pool_nd",
            Self::PoolNd { .. } => "avg_pool_nd",
            Self::PadNd { .. } => "pad_nd",
            Self::LayerNorm { .. } => "layer_norm",
            Self::GroupNorm { .. } => "group_norm",
            Self::Recurrent { cell, .. } => cell.name(),
            Self::Constant { .. } => "constant",
            Self::Unbatched { op } => op.name(),
            Self::Choice { .. } => "choice",
            Self::Kernel { op, .. } | Self::Quantized { op, .. } => op.name(),
            Self::Reorder { .. } | Self::ChannelsLast { .. } => "reorder",
            Self::Quantize { .. } => "quantize",
            Self::Dequantize => "dequantize",
            Self::Custom { kind, .. } => kind,
        }
    }

    /// The operation itself, without anything that a runtime fused into it.
    #[must_use]
    pub fn core(&self) -> &Self {
        if let Self::Kernel { op, .. } | Self::Quantized { op, .. } = self { op } else { self }
    }

    /// Whether runtimes have a kernel for it whose 8-bit result has another range than its operands.
    #[must_use]
    pub fn rescales(&self) -> bool {
        matches!(
            self,
            Self::Conv { .. }
                | Self::Linear { .. }
                | Self::Add
                | Self::Mul
                | Self::Concat { .. }
                | Self::AvgPool { .. }
                | Self::GlobalAvgPool
                | Self::Sigmoid
                | Self::LeakyRelu { .. }
                | Self::Softmax { .. }
        )
    }

    /// Whether runtimes have a kernel for it on 8-bit integers.
    #[must_use]
    pub fn has_integer_kernel(&self) -> bool {
        let moves =
            matches!(self, Self::MaxPool { .. } | Self::Flatten | Self::Crop { .. } | Self::ChannelsLast { .. });
        moves || self.rescales()
    }

    /// Whether its result is 8-bit integers.
    #[must_use]
    pub fn gives_int8(&self) -> bool {
        matches!(self, Self::Quantized { .. } | Self::Quantize { .. })
    }

    /// Whether its operands are 8-bit integers.
    #[must_use]
    pub fn takes_int8(&self) -> bool {
        matches!(self, Self::Quantized { .. } | Self::Dequantize)
    }

    /// Whether it changes each element separately, so that a runtime can fuse it into the layer before.
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

    /// Whether a runtime spends time on it. Inputs and constants exist before a network runs.
    #[must_use]
    pub fn is_layer(&self) -> bool {
        !matches!(self, Self::Input { .. }) && !self.is_stored()
    }

    /// Whether its value is part of the model.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        matches!(self, Self::Zeros { .. } | Self::Constant { .. })
    }

    /// Whether it can have trained parameters.
    #[must_use]
    pub fn has_parameters(&self) -> bool {
        match self {
            Self::Conv { .. }
            | Self::Linear { .. }
            | Self::BatchNorm { .. }
            | Self::ConvNd { .. }
            | Self::LayerNorm { .. }
            | Self::GroupNorm { .. }
            | Self::Recurrent { .. }
            | Self::Constant { .. }
            | Self::Custom { .. } => true,
            Self::Unbatched { op } | Self::Kernel { op, .. } | Self::Quantized { op, .. } => op.has_parameters(),
            _ => false,
        }
    }

    /// The operation itself, whatever the first dimension of its operands is.
    #[must_use]
    pub fn plain(&self) -> &Self {
        match self {
            Self::Unbatched { op } => op.plain(),
            op => op,
        }
    }

    /// Whether its values are booleans instead of floats.
    #[must_use]
    pub fn gives_truth(&self) -> bool {
        let Self::Elementwise { function, .. } = self.plain() else { return false };
        matches!(
            function,
            Function::Equal
                | Function::Less
                | Function::LessOrEqual
                | Function::Greater
                | Function::GreaterOrEqual
                | Function::And
                | Function::Or
                | Function::Not
        )
    }
}
