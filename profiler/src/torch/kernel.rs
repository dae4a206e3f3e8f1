//! Graph operations as libtorch calls.

use nasprof_graph::{Op, Padding, ResizeMode, Shape};
use tch::{Device, Kind, TchError, Tensor};

type Pair = [i64; 2];

/// An operation with its weights, ready to call.
pub(super) enum Kernel {
    Conv { weight: Tensor, bias: Option<Tensor>, stride: Pair, pad: Pair, dilation: Pair, groups: i64 },
    Linear { weight: Tensor, bias: Option<Tensor> },
    BatchNorm { scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, epsilon: f64 },
    Relu,
    Relu6,
    LeakyRelu { slope: Tensor },
    Hsigmoid,
    Hswish,
    Sigmoid,
    Tanh,
    Softmax { axis: i64 },
    MaxPool { kernel: Pair, stride: Pair, pad: Pair },
    AvgPool { kernel: Pair, stride: Pair, pad: Pair, count_padding: bool },
    GlobalAvgPool,
    Add,
    Mul,
    Concat { axis: i64 },
    Flatten,
    Crop { top: i64, left: i64 },
    Pad { padding: [i64; 4] },
    Resize { size: Pair, mode: ResizeMode },
    MatMul,
    Identity,
}

impl Kernel {
    /// Prepares an operation for inputs of the given shapes.
    pub(super) fn build(op: &Op, inputs: &[&Shape]) -> Result<Self, String> {
        let text = |e: TchError| e.to_string().lines().next().unwrap_or_default().to_owned();
        Ok(match op {
            Op::Conv { out_channels, kernel, stride, pad, dilation, groups, bias, activation: None } => {
                let per_group = inputs[0].channels() / groups;
                let dims = [*out_channels as i64, per_group as i64, kernel[0] as i64, kernel[1] as i64];
                Self::Conv {
                    weight: weight(&dims, per_group * kernel[0] * kernel[1]).map_err(text)?,
                    bias: bias.then(|| vector(*out_channels, 0.01)).transpose().map_err(text)?,
                    stride: pair(*stride),
                    pad: pair(*pad),
                    dilation: pair(*dilation),
                    groups: *groups as i64,
                }
            }
            Op::Linear { out_features, bias } => {
                let features = inputs[0].0.last().copied().unwrap_or(1);
                Self::Linear {
                    weight: weight(&[*out_features as i64, features as i64], features).map_err(text)?,
                    bias: bias.then(|| vector(*out_features, 0.01)).transpose().map_err(text)?,
                }
            }
            Op::BatchNorm { epsilon } => {
                let channels = inputs[0].channels();
                Self::BatchNorm {
                    scale: vector(channels, 1.0).map_err(text)?,
                    shift: vector(channels, 0.0).map_err(text)?,
                    mean: vector(channels, 0.0).map_err(text)?,
                    variance: vector(channels, 1.0).map_err(text)?,
                    epsilon: *epsilon,
                }
            }
            Op::Relu => Self::Relu,
            Op::Relu6 => Self::Relu6,
            Op::LeakyRelu { slope } => Self::LeakyRelu { slope: vector(1, *slope).map_err(text)? },
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

    /// Computes the value from the operands' slots.
    pub(super) fn run(&self, slots: &[Option<Tensor>], operands: &[usize]) -> Result<Tensor, TchError> {
        let operand = |i: usize| -> Result<&Tensor, TchError> {
            operands
                .get(i)
                .and_then(|&slot| slots[slot].as_ref())
                .ok_or_else(|| TchError::Shape("an operand was freed too early".to_owned()))
        };
        let x = operand(0)?;
        match self {
            Self::Conv { weight, bias, stride, pad, dilation, groups } => {
                x.f_conv2d(weight, bias.as_ref(), stride, pad, dilation, *groups)
            }
            Self::Linear { weight, bias } => x.f_linear(weight, bias.as_ref()),
            Self::BatchNorm { scale, shift, mean, variance, epsilon } => {
                x.f_batch_norm(Some(scale), Some(shift), Some(mean), Some(variance), false, 0.1, *epsilon, false)
            }
            Self::Relu => x.f_relu(),
            Self::Relu6 => x.f_relu6(),
            // tch's leaky_relu has a fixed slope; prelu with one weight is the same function.
            Self::LeakyRelu { slope } => x.f_prelu(slope),
            Self::Hsigmoid => x.f_hardsigmoid(),
            Self::Hswish => x.f_hardswish(),
            Self::Sigmoid => x.f_sigmoid(),
            Self::Tanh => x.f_tanh(),
            Self::Softmax { axis } => x.f_softmax(*axis, None),
            Self::MaxPool { kernel, stride, pad } => x.f_max_pool2d(kernel, stride, pad, [1, 1], false),
            Self::AvgPool { kernel, stride, pad, count_padding } => {
                x.f_avg_pool2d(kernel, stride, pad, false, *count_padding, None)
            }
            Self::GlobalAvgPool => x.f_adaptive_avg_pool2d([1, 1]),
            Self::Add => fold(operands.len(), operand, Tensor::f_add, Tensor::f_add_),
            Self::Mul => fold(operands.len(), operand, Tensor::f_mul, Tensor::f_mul_),
            Self::Concat { axis } => {
                let all = (0..operands.len()).map(operand).collect::<Result<Vec<_>, _>>()?;
                Tensor::f_cat(&all, *axis)
            }
            Self::Flatten => x.f_flatten(1, -1),
            Self::Crop { top, left } => x.f_slice(2, *top, None, 1)?.f_slice(3, *left, None, 1),
            Self::Pad { padding } => x.f_constant_pad_nd(padding),
            Self::Resize { size, mode: ResizeMode::Nearest } => x.f_upsample_nearest2d(size, None, None),
            Self::Resize { size, mode: ResizeMode::Bilinear } => x.f_upsample_bilinear2d(size, false, None, None),
            Self::MatMul => x.f_matmul(operand(1)?),
            Self::Identity => Ok(x.shallow_clone()),
        }
    }
}

/// A merge of any number of operands: the first two make a new value, the others are merged into it.
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
    Tensor::f_randn(dims, (Kind::Float, Device::Cpu))?.f_mul_scalar(scale)
}

fn vector(length: usize, value: f64) -> Result<Tensor, TchError> {
    Tensor::f_full([length as i64], value, (Kind::Float, Device::Cpu))
}

fn pair(values: [usize; 2]) -> Pair {
    values.map(|v| v as i64)
}

/// libtorch counts from the last dimension: left, right, top, bottom.
fn torch_padding([top, bottom, left, right]: Padding) -> [i64; 4] {
    [left, right, top, bottom].map(|v| v as i64)
}
