//! Graph operations as libtorch calls.

mod elementwise;
mod general;

use nasprof_graph::{Op, Padding, ResizeMode, Shape};
use tch::{Device, Kind, TchError, Tensor};

pub use general::General;

/// Height and width.
pub type Pair = [i64; 2];

/// An operation without its weights, ready to call.
#[derive(Debug, Clone)]
pub enum Kernel {
    /// Weights: kernel `(out, in / groups, kh, kw)`, and an optional bias `(out)`.
    Conv {
        /// Stride.
        stride: Pair,
        /// Zero padding.
        pad: Pair,
        /// Dilation.
        dilation: Pair,
        /// Groups.
        groups: i64,
    },
    /// Weights: matrix `(out, in)`, and an optional bias `(out)`.
    Linear,
    /// Weights: scale, shift, mean, variance, each `(channels)`.
    BatchNorm {
        /// Added to the variance.
        epsilon: f64,
    },
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6)
    Relu6,
    /// One weight: the slope of the negative part, a tensor of one element.
    LeakyRelu,
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
        axis: i64,
    },
    /// Maximum over windows.
    MaxPool {
        /// Window.
        kernel: Pair,
        /// Stride.
        stride: Pair,
        /// Padding, which is never the maximum.
        pad: Pair,
    },
    /// Mean over windows.
    AvgPool {
        /// Window.
        kernel: Pair,
        /// Stride.
        stride: Pair,
        /// Zero padding.
        pad: Pair,
        /// Whether padded zeros count in the divisor.
        count_padding: bool,
    },
    /// `(N, C, H, W)` to `(N, C, 1, 1)`.
    GlobalAvgPool,
    /// Sum of all operands.
    Add,
    /// Product of all operands.
    Mul,
    /// Concatenation.
    Concat {
        /// The axis, counted with the batch as 0.
        axis: i64,
    },
    /// `(N, …)` to `(N, product)`.
    Flatten,
    /// Removes rows at the top and columns at the left.
    Crop {
        /// Rows removed.
        top: i64,
        /// Columns removed.
        left: i64,
    },
    /// Zero padding: left, right, top, bottom.
    Pad {
        /// The padding in libtorch's order.
        padding: [i64; 4],
    },
    /// Spatial resize.
    Resize {
        /// New height and width.
        size: Pair,
        /// Interpolation.
        mode: ResizeMode,
    },
    /// Matrix product of two operands.
    MatMul,
    /// An operation on any number of dimensions.
    General(General),
    /// Returns its operand.
    Identity,
}

impl Kernel {
    /// Prepares an operation for inference.
    ///
    /// # Errors
    /// If libtorch has no such operation.
    pub fn new(op: &Op) -> Result<Self, String> {
        let op = op.plain();
        if let Some(general) = General::new(op) {
            return Ok(Self::General(general));
        }
        Ok(match op {
            Op::Conv { stride, pad, dilation, groups, activation: None, .. } => {
                Self::Conv { stride: pair(*stride), pad: pair(*pad), dilation: pair(*dilation), groups: *groups as i64 }
            }
            Op::Linear { .. } => Self::Linear,
            Op::BatchNorm { epsilon } => Self::BatchNorm { epsilon: *epsilon },
            Op::Relu => Self::Relu,
            Op::Relu6 => Self::Relu6,
            Op::LeakyRelu { .. } => Self::LeakyRelu,
            Op::Hsigmoid => Self::Hsigmoid,
            Op::Hswish => Self::Hswish,
            Op::Sigmoid => Self::Sigmoid,
            Op::Tanh => Self::Tanh,
            Op::Softmax { axis } => Self::Softmax { axis: *axis as i64 },
            Op::MaxPool { kernel, stride, pad } => {
                Self::MaxPool { kernel: pair(*kernel), stride: pair(*stride), pad: pair(*pad) }
            }
            Op::AvgPool { kernel, stride, pad, count_padding } => Self::AvgPool {
                kernel: pair(*kernel),
                stride: pair(*stride),
                pad: pair(*pad),
                count_padding: *count_padding,
            },
            Op::GlobalAvgPool => Self::GlobalAvgPool,
            Op::Add => Self::Add,
            Op::Mul => Self::Mul,
            Op::Concat { axis } => Self::Concat { axis: *axis as i64 },
            Op::Flatten => Self::Flatten,
            Op::Crop { top, left } => Self::Crop { top: *top as i64, left: *left as i64 },
            Op::Pad { padding } => Self::Pad { padding: torch_padding(*padding) },
            Op::Resize { size, mode } => Self::Resize { size: pair(*size), mode: *mode },
            Op::MatMul => Self::MatMul,
            Op::Identity | Op::Dropout { .. } | Op::DropPath { .. } => Self::Identity,
            other => return Err(format!("the torch back end cannot run `{}`", other.name())),
        })
    }

    /// Computes the operation's value for `count` operands.
    ///
    /// # Errors
    /// libtorch's message, or if a weight or operand is missing.
    pub fn run<'a>(
        &self,
        weights: &[Tensor],
        count: usize,
        operand: impl Fn(usize) -> Result<&'a Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        let x = operand(0)?;
        match (self, weights) {
            (Self::Conv { stride, pad, dilation, groups }, [weight, bias @ ..]) => {
                x.f_conv2d(weight, bias.first(), stride, pad, dilation, *groups)
            }
            (Self::Linear, [weight, bias @ ..]) => x.f_linear(weight, bias.first()),
            (Self::BatchNorm { epsilon }, [scale, shift, mean, variance]) => {
                x.f_batch_norm(Some(scale), Some(shift), Some(mean), Some(variance), false, 0.1, *epsilon, false)
            }
            // tch's leaky_relu has a fixed slope; prelu with one weight is the same function.
            (Self::LeakyRelu, [slope]) => x.f_prelu(slope),
            (Self::Conv { .. } | Self::Linear | Self::BatchNorm { .. } | Self::LeakyRelu, _) => {
                Err(TchError::Shape(format!("{} weights for {self:?}", weights.len())))
            }
            (Self::Relu, _) => x.f_relu(),
            (Self::Relu6, _) => x.f_relu6(),
            (Self::Hsigmoid, _) => x.f_hardsigmoid(),
            (Self::Hswish, _) => x.f_hardswish(),
            (Self::Sigmoid, _) => x.f_sigmoid(),
            (Self::Tanh, _) => x.f_tanh(),
            (Self::Softmax { axis }, _) => x.f_softmax(*axis, None),
            (Self::MaxPool { kernel, stride, pad }, _) => x.f_max_pool2d(kernel, stride, pad, [1, 1], false),
            (Self::AvgPool { kernel, stride, pad, count_padding }, _) => {
                x.f_avg_pool2d(kernel, stride, pad, false, *count_padding, None)
            }
            (Self::GlobalAvgPool, _) => x.f_adaptive_avg_pool2d([1, 1]),
            (Self::Add, _) => fold(count, operand, Tensor::f_add, Tensor::f_add_),
            // The product is not computed in place, because its gradient needs the factors.
            (Self::Mul, _) => fold(count, operand, Tensor::f_mul, |product, x| product.f_mul(x)),
            (Self::Concat { axis }, _) => {
                let all = (0..count).map(operand).collect::<Result<Vec<_>, _>>()?;
                Tensor::f_cat(&all, *axis)
            }
            (Self::Flatten, _) => x.f_flatten(1, -1),
            (Self::Crop { top, left }, _) => x.f_slice(2, *top, None, 1)?.f_slice(3, *left, None, 1),
            (Self::Pad { padding }, _) => x.f_constant_pad_nd(padding),
            (Self::Resize { size, mode: ResizeMode::Nearest }, _) => x.f_upsample_nearest2d(size, None, None),
            (Self::Resize { size, mode: ResizeMode::Bilinear }, _) => x.f_upsample_bilinear2d(size, false, None, None),
            (Self::Resize { size, mode: ResizeMode::Bicubic }, _) => x.f_upsample_bicubic2d(size, false, None, None),
            (Self::MatMul, _) => x.f_matmul(operand(1)?),
            (Self::General(general), _) => {
                let all = (0..count).map(operand).collect::<Result<Vec<_>, _>>()?;
                general.run(weights, &all)
            }
            (Self::Identity, _) => Ok(x.shallow_clone()),
        }
    }
}

/// Random weights in the order of [`Kernel::run`], for inputs of the given shapes.
pub(super) fn random_weights(op: &Op, inputs: &[&Shape]) -> Result<Vec<Tensor>, TchError> {
    match op.plain() {
        Op::Conv { out_channels, kernel, groups, bias, .. } => {
            let per_group = inputs[0].channels() / groups;
            let dims = [*out_channels as i64, per_group as i64, kernel[0] as i64, kernel[1] as i64];
            let first = weight(&dims, per_group * kernel[0] * kernel[1]);
            std::iter::once(first).chain(bias.then(|| vector(*out_channels, 0.01))).collect()
        }
        Op::Linear { out_features, bias } => {
            let features = inputs[0].0.last().copied().unwrap_or(1);
            let first = weight(&[*out_features as i64, features as i64], features);
            std::iter::once(first).chain(bias.then(|| vector(*out_features, 0.01))).collect()
        }
        Op::BatchNorm { .. } => [1.0, 0.0, 0.0, 1.0].map(|v| vector(inputs[0].channels(), v)).into_iter().collect(),
        Op::LeakyRelu { slope } => Ok(vec![vector(1, *slope)?]),
        op => general::random_weights(op, inputs),
    }
}

/// Merges any number of operands: `first` makes a new value of two operands, `next` merges each of the others into it.
fn fold<'a>(
    count: usize,
    operand: impl Fn(usize) -> Result<&'a Tensor, TchError>,
    first: impl Fn(&Tensor, &Tensor) -> Result<Tensor, TchError>,
    next: impl Fn(&mut Tensor, &Tensor) -> Result<Tensor, TchError>,
) -> Result<Tensor, TchError> {
    if count < 2 {
        return Ok(operand(0)?.shallow_clone());
    }
    let mut sum = first(operand(0)?, operand(1)?)?;
    for i in 2..count {
        sum = next(&mut sum, operand(i)?)?;
    }
    Ok(sum)
}

fn weight(dims: &[i64], fan_in: usize) -> Result<Tensor, TchError> {
    let scale = (2.0 / fan_in.max(1) as f64).sqrt();
    // Scaled in place: a second tensor would leave a hole in the heap, which would count as the network's memory.
    Tensor::f_randn(dims, (Kind::Float, Device::Cpu))?.f_mul_scalar_(scale)
}

fn vector(length: usize, value: f64) -> Result<Tensor, TchError> {
    Tensor::f_full([length as i64], value, (Kind::Float, Device::Cpu))
}

fn pair(values: [usize; 2]) -> Pair {
    values.map(|v| v as i64)
}

/// libtorch pads from the last dimension on: left, right, top, bottom.
fn torch_padding([top, bottom, left, right]: Padding) -> [i64; 4] {
    [left, right, top, bottom].map(|v| v as i64)
}
