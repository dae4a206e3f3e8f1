//! Operations on any number of dimensions as libtorch calls.

use nasprof_graph::{Cell, Function, Op, PadMode, Reduction, Shape};
use tch::{Device, Kind, TchError, Tensor};

use super::{elementwise, weight};

/// An operation on any number of dimensions, ready to call.
#[derive(Debug, Clone)]
pub enum General {
    /// A function of each element.
    Elementwise(Function, Vec<f64>),
    /// Reduction of axes to one value: kind, axes, whether the axes remain with size 1.
    Reduce(Reduction, Vec<i64>, bool),
    /// Another order of the axes, copied.
    Transpose(Vec<i64>),
    /// Another shape, whose first size is derived from the others.
    Reshape(Vec<i64>),
    /// Axis, first index, index after the last, step.
    Slice([i64; 4]),
    /// Weights: the indices along this axis.
    Gather(i64),
    /// Repeats axes of size 1 up to this shape.
    Expand(Vec<i64>),
    /// Weights: kernel and bias, as those of a convolution.
    Conv(Conv),
    /// Windows.
    Pool(Pool),
    /// Padding before and after each axis, from the last axis on, and how it is filled.
    Pad(Vec<i64>, PadMode),
    /// Weights: scale and shift.
    LayerNorm(f64),
    /// Groups. Weights: scale and shift.
    GroupNorm(i64, f64),
    /// Weights: those of each direction, then the initial states.
    Recurrent {
        /// Its cell.
        cell: Cell,
        /// Whether it runs in both directions.
        bidirectional: bool,
    },
}

/// A convolution in one to three dimensions.
#[derive(Debug, Clone)]
pub struct Conv {
    stride: Vec<i64>,
    pad: Vec<i64>,
    dilation: Vec<i64>,
    output_pad: Vec<i64>,
    groups: i64,
    transposed: bool,
}

/// A pool in one to three dimensions.
#[derive(Debug, Clone)]
pub struct Pool {
    kind: Reduction,
    kernel: Vec<i64>,
    stride: Vec<i64>,
    pad: Vec<i64>,
    dilation: Vec<i64>,
    ceil: bool,
    count_padding: bool,
}

impl General {
    /// Prepares an operation; `None` if it is not one of these.
    pub(super) fn new(op: &Op) -> Option<Self> {
        Some(match op {
            Op::Elementwise { function, parameters } => Self::Elementwise(*function, parameters.clone()),
            Op::Reduce { kind, axes, keep } => Self::Reduce(*kind, sizes(axes), *keep),
            Op::Transpose { order } => Self::Transpose(sizes(order)),
            Op::Reshape { rest } => Self::Reshape(std::iter::once(-1).chain(sizes(rest)).collect()),
            Op::Slice { axis, start, end, step } => Self::Slice([*axis, *start, *end, *step].map(|v| v as i64)),
            Op::Gather { axis, .. } => Self::Gather(*axis as i64),
            Op::Expand { shape } => Self::Expand(sizes(&shape.0)),
            Op::ConvNd { stride, pad, dilation, output_pad, groups, transposed, .. } => Self::Conv(Conv {
                stride: sizes(stride),
                pad: sizes(pad),
                dilation: sizes(dilation),
                output_pad: sizes(output_pad),
                groups: *groups as i64,
                transposed: *transposed,
            }),
            Op::PoolNd { kind, kernel, stride, pad, dilation, ceil, count_padding } => Self::Pool(Pool {
                kind: *kind,
                kernel: sizes(kernel),
                stride: sizes(stride),
                pad: sizes(pad),
                dilation: sizes(dilation),
                ceil: *ceil,
                count_padding: *count_padding,
            }),
            Op::PadNd { pads, mode } => Self::Pad(from_the_last(pads, *mode), *mode),
            Op::LayerNorm { epsilon, .. } => Self::LayerNorm(*epsilon),
            Op::GroupNorm { groups, epsilon } => Self::GroupNorm(*groups as i64, *epsilon),
            Op::Recurrent { cell, bidirectional, .. } => Self::Recurrent { cell: *cell, bidirectional: *bidirectional },
            _ => return None,
        })
    }

    /// Computes the value.
    pub(super) fn run(&self, weights: &[Tensor], operands: &[&Tensor]) -> Result<Tensor, TchError> {
        let x = *operands.first().ok_or_else(|| TchError::Shape("no operand".to_owned()))?;
        match (self, weights) {
            (Self::Elementwise(function, parameters), _) => elementwise::run(*function, operands, parameters),
            (Self::Reduce(kind, axes, keep), _) => reduce(*kind, x, axes, *keep),
            (Self::Transpose(order), _) => x.f_permute(order)?.f_contiguous(),
            (Self::Reshape(shape), _) => x.f_reshape(shape),
            (Self::Slice([axis, start, end, step]), _) => x.f_slice(*axis, *start, *end, *step),
            (Self::Gather(axis), [indices]) => x.f_index_select(*axis, indices),
            (Self::Expand(shape), _) => expand(x, shape),
            (Self::Conv(conv), [weight, bias @ ..]) => conv.run(x, weight, bias.first()),
            (Self::Pool(pool), _) => pool.run(x),
            (Self::Pad(pads, PadMode::Constant), _) => x.f_constant_pad_nd(pads),
            (Self::Pad(pads, PadMode::Reflect), _) => x.f_pad(pads, "reflect", None),
            (Self::Pad(pads, PadMode::Edge), _) => x.f_pad(pads, "replicate", None),
            (Self::LayerNorm(epsilon), [scale, shift @ ..]) => {
                x.f_layer_norm(scale.size(), Some(scale), shift.first(), *epsilon, false)
            }
            // If there are as many groups as channels, libtorch has separate code.
            (Self::GroupNorm(groups, epsilon), [scale, shift]) if x.size().get(1) == Some(groups) => {
                x.f_instance_norm(Some(scale), Some(shift), None, None, true, 0.1, *epsilon, false)
            }
            (Self::GroupNorm(groups, epsilon), [scale, shift]) => {
                x.f_group_norm(*groups, Some(scale), Some(shift), *epsilon, false)
            }
            (Self::Recurrent { cell, bidirectional }, all) => recurrent(*cell, *bidirectional, operands, all),
            (other, all) => Err(TchError::Shape(format!("{} weights for {other:?}", all.len()))),
        }
    }
}

/// Random weights in the order of [`General::run`].
pub(super) fn random_weights(op: &Op, inputs: &[&Shape]) -> Result<Vec<Tensor>, TchError> {
    let full = |dims: &[usize], value: f64| Tensor::f_full(sizes(dims), value, (Kind::Float, Device::Cpu));
    match op {
        Op::ConvNd { out_channels, kernel, groups, bias, transposed, .. } => {
            let channels = inputs[0].channels();
            let (first, second) =
                if *transposed { (channels, out_channels / groups) } else { (*out_channels, channels / groups) };
            let fan_in = kernel.iter().product::<usize>() * channels / groups;
            let first = weight(&sizes(&[&[first, second], &kernel[..]].concat()), fan_in);
            std::iter::once(first).chain(bias.then(|| full(&[*out_channels], 0.01))).collect()
        }
        Op::LayerNorm { axis, bias, .. } => {
            let dims = inputs[0].0.get(*axis..).unwrap_or_default();
            std::iter::once(full(dims, 1.0)).chain(bias.then(|| full(dims, 0.0))).collect()
        }
        Op::GroupNorm { .. } => [1.0, 0.0].into_iter().map(|value| full(&[inputs[0].channels()], value)).collect(),
        Op::Gather { axis, count } => {
            let size = inputs[0].0.get(*axis).copied().unwrap_or(1).max(1);
            let indices: Vec<i64> = (0..*count).map(|i| (i % size) as i64).collect();
            Ok(vec![Tensor::f_from_slice(&indices)?])
        }
        Op::Recurrent { cell, hidden, bidirectional } => {
            let (features, batch) = (inputs[0].0.last().copied().unwrap_or(1), inputs[0].channels());
            let (rows, directions) = (cell.gates() * hidden, if *bidirectional { 2 } else { 1 });
            let mut all = Vec::new();
            for _ in 0..directions {
                for columns in [features, *hidden] {
                    all.push(weight(&sizes(&[rows, columns]), rows.max(columns))?);
                }
                all.extend([full(&[rows], 0.0)?, full(&[rows], 0.0)?]);
            }
            for _ in 0..cell.states() {
                all.push(full(&[directions, batch, *hidden], 0.0)?);
            }
            Ok(all)
        }
        _ => Ok(Vec::new()),
    }
}

impl Conv {
    fn run(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, TchError> {
        let Self { stride, pad, dilation, output_pad, groups, transposed } = self;
        match (stride.len(), transposed) {
            (1, false) => x.f_conv1d(weight, bias, stride, pad, dilation, *groups),
            (2, false) => x.f_conv2d(weight, bias, stride, pad, dilation, *groups),
            (_, false) => x.f_conv3d(weight, bias, stride, pad, dilation, *groups),
            (1, true) => x.f_conv_transpose1d(weight, bias, stride, pad, output_pad, *groups, dilation),
            (2, true) => x.f_conv_transpose2d(weight, bias, stride, pad, output_pad, *groups, dilation),
            (_, true) => x.f_conv_transpose3d(weight, bias, stride, pad, output_pad, *groups, dilation),
        }
    }
}

impl Pool {
    fn run(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let Self { kind, kernel, stride, pad, dilation, ceil, count_padding } = self;
        match (kernel.len(), kind) {
            (1, Reduction::Max) => x.f_max_pool1d(kernel, stride, pad, dilation, *ceil),
            (2, Reduction::Max) => x.f_max_pool2d(kernel, stride, pad, dilation, *ceil),
            (_, Reduction::Max) => x.f_max_pool3d(kernel, stride, pad, dilation, *ceil),
            (1, _) => x.f_avg_pool1d(kernel, stride, pad, *ceil, *count_padding),
            (2, _) => x.f_avg_pool2d(kernel, stride, pad, *ceil, *count_padding, None),
            (_, _) => x.f_avg_pool3d(kernel, stride, pad, *ceil, *count_padding, None),
        }
    }
}

fn reduce(kind: Reduction, x: &Tensor, axes: &[i64], keep: bool) -> Result<Tensor, TchError> {
    match kind {
        Reduction::Mean => x.f_mean_dim(axes, keep, None),
        Reduction::Sum => x.f_sum_dim_intlist(axes, keep, None),
        Reduction::Max => x.f_amax(axes, keep),
        Reduction::Min => x.f_amin(axes, keep),
        Reduction::Prod => x.f_prod_dim_int(axes.first().copied().unwrap_or(0), keep, None),
        Reduction::L2 => x.f_norm_scalaropt_dim(2.0, axes, keep),
        Reduction::LogSumExp => x.f_logsumexp(axes, keep),
    }
}

/// A size of 1 in `shape` keeps the operand's size.
fn expand(x: &Tensor, shape: &[i64]) -> Result<Tensor, TchError> {
    let size = x.size();
    let rank = size.len().max(shape.len());
    let at = |dims: &[i64], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |i| dims[i]);
    let full: Vec<i64> = (0..rank).map(|axis| at(&size, axis).max(at(shape, axis))).collect();
    x.f_expand(full, false)
}

fn recurrent(cell: Cell, bidirectional: bool, operands: &[&Tensor], all: &[Tensor]) -> Result<Tensor, TchError> {
    let states = all.len().checked_sub(cell.states()).filter(|&at| at > 0);
    let (weights, zeros) = all.split_at(states.ok_or_else(|| TchError::Shape("weights are missing".to_owned()))?);
    let given = &operands[1..];
    let start: Vec<&Tensor> = if given.is_empty() { zeros.iter().collect() } else { given.to_vec() };
    let weights: Vec<&Tensor> = weights.iter().collect();
    match cell {
        Cell::Lstm => Ok(operands[0].f_lstm(&start, &weights, true, 1, 0.0, false, bidirectional, false)?.0),
        Cell::Gru => Ok(operands[0].f_gru(start[0], &weights, true, 1, 0.0, false, bidirectional, false)?.0),
        Cell::Rnn => Ok(operands[0].f_rnn_tanh(start[0], &weights, true, 1, 0.0, false, bidirectional, false)?.0),
    }
}

fn sizes(values: &[usize]) -> Vec<i64> {
    values.iter().map(|&v| v as i64).collect()
}

/// libtorch pads from the last axis on, and by reflection or repetition only spatial axes.
fn from_the_last(pads: &[[usize; 2]], mode: PadMode) -> Vec<i64> {
    let padded = if mode == PadMode::Constant { pads } else { pads.get(2..).unwrap_or_default() };
    padded.iter().rev().flatten().map(|&v| v as i64).collect()
}
