//! Shape inference: one rule for each operation, used by the builder and for graphs from outside.

mod general;

use std::collections::HashSet;

use crate::error::GraphErrorKind as Kind;
use crate::shape::join;
use crate::{Op, Shape, custom};

/// Output shape of `op` on `inputs`.
///
/// # Errors
/// What does not fit, without the node's name (the caller knows it).
pub(crate) fn output_shape(op: &Op, inputs: &[&Shape]) -> Result<Shape, Kind> {
    check_count(op, inputs.len())?;
    if let Some(shape) = general::output_shape(op, inputs) {
        return sane(shape?);
    }
    let shape = match op {
        Op::Input { shape } | Op::Zeros { shape } | Op::Constant { shape } => shape.clone(),
        Op::Unbatched { op } => unbatched(op, inputs)?,
        Op::Conv { .. } => conv(op, inputs[0])?,
        Op::Linear { out_features, .. } => {
            positive("out_features", *out_features)?;
            let mut dims = inputs[0].0.clone();
            let last = dims.last_mut().filter(|_| inputs[0].rank() >= 2);
            let last = last.ok_or_else(|| Kind::AtLeastRank { least: 2, actual: inputs[0].clone() })?;
            sane(Shape::from([*last, *out_features]))?;
            *last = *out_features;
            Shape(dims)
        }
        Op::MaxPool { kernel, stride, pad } | Op::AvgPool { kernel, stride, pad, .. } => {
            if pad[0] > kernel[0] / 2 || pad[1] > kernel[1] / 2 {
                return Err(Kind::Attribute(format!(
                    "a padding of {} is more than half the window {}",
                    join(pad),
                    join(kernel)
                )));
            }
            windowed(inputs[0], inputs[0].channels(), *kernel, *stride, *pad, [1, 1])?
        }
        Op::GlobalAvgPool => {
            let [n, c, _, _] = rank4(inputs[0])?;
            Shape::from([n, c, 1, 1])
        }
        Op::Add => equal_shapes(inputs)?,
        Op::Mul => product(inputs)?,
        Op::Concat { axis } => concat(inputs, *axis)?,
        Op::Flatten => {
            let batch = inputs[0].batch();
            Shape::from([batch, inputs[0].elements() as usize / batch.max(1)])
        }
        Op::Crop { top, left } => {
            let [n, c, h, w] = rank4(inputs[0])?;
            if *top >= h || *left >= w {
                return Err(Kind::Window { window: format!("crop of {top} and {left}"), input: inputs[0].clone() });
            }
            Shape::from([n, c, h - top, w - left])
        }
        Op::Pad { padding: [top, bottom, left, right] } => {
            let [n, c, h, w] = rank4(inputs[0])?;
            let grown = |size: usize, a: usize, b: usize| {
                size.checked_add(a).and_then(|s| s.checked_add(b)).ok_or_else(|| Kind::TooLarge(inputs[0].clone()))
            };
            Shape::from([n, c, grown(h, *top, *bottom)?, grown(w, *left, *right)?])
        }
        Op::Resize { size, .. } => {
            let [n, c, _, _] = rank4(inputs[0])?;
            Shape::from([n, c, size[0], size[1]])
        }
        Op::MatMul => matmul(inputs[0], inputs[1])?,
        Op::Zero { stride } => strided(inputs[0], *stride)?,
        Op::Choice { choice, candidates } => select(choice, candidates, inputs)?,
        Op::Kernel { op, sum, activation, .. } => kernel(op, *sum, activation.as_deref(), inputs)?,
        Op::Quantized { op, .. } => quantized(op, inputs)?,
        Op::Reorder { .. } | Op::ChannelsLast { .. } => {
            rank4(inputs[0])?;
            inputs[0].clone()
        }
        Op::Custom { kind, attributes } => custom::find(kind)
            .ok_or_else(|| Kind::Attribute(format!("no custom op `{kind}` is registered")))?
            .shape(attributes, inputs)
            .map_err(Kind::Attribute)?,
        Op::BatchNorm { epsilon } => {
            if !(epsilon.is_finite() && *epsilon >= 0.0) {
                return Err(Kind::Attribute(format!("epsilon {epsilon} is not a finite number of at least 0")));
            }
            if inputs[0].rank() < 2 {
                return Err(Kind::AtLeastRank { least: 2, actual: inputs[0].clone() });
            }
            inputs[0].clone()
        }
        Op::Dropout { probability } | Op::DropPath { probability } => {
            if !(0.0..1.0).contains(probability) {
                return Err(Kind::Attribute(format!("probability {probability} is not in [0, 1)")));
            }
            inputs[0].clone()
        }
        Op::Softmax { axis } => {
            if *axis >= inputs[0].rank() {
                return Err(Kind::Attribute(format!("axis {axis} is not in shape {}", inputs[0])));
            }
            inputs[0].clone()
        }
        // Operations on any number of dimensions were handled above.
        _ => inputs[0].clone(),
    };
    sane(shape)
}

/// Only layers are wrapped, and only once: the wrapper would hide the other roles of an operation.
fn unbatched(op: &Op, inputs: &[&Shape]) -> Result<Shape, Kind> {
    if !op.is_layer() || matches!(op, Op::Unbatched { .. } | Op::Choice { .. } | Op::Zero { .. }) {
        return Err(Kind::Attribute(format!("`{}` has no form without a batch", op.name())));
    }
    output_shape(op, inputs)
}

/// A kernel's result and its summand have the shape of its operation's result.
fn kernel(op: &Op, sum: bool, activation: Option<&Op>, inputs: &[&Shape]) -> Result<Shape, Kind> {
    if matches!(op, Op::Kernel { .. } | Op::Reorder { .. } | Op::Input { .. } | Op::Zeros { .. } | Op::Choice { .. }) {
        return Err(Kind::Attribute(format!("a kernel has no operation `{}`", op.name())));
    }
    if let Some(activation) = activation.filter(|op| !op.is_activation()) {
        return Err(Kind::Attribute(format!("`{}` is not an activation", activation.name())));
    }
    let (own, summands) = inputs.split_at(inputs.len() - usize::from(sum));
    let shape = output_shape(op, own)?;
    match summands {
        [summand] => equal_shapes(&[&shape, summand]),
        _ => Ok(shape),
    }
}

fn quantized(op: &Op, inputs: &[&Shape]) -> Result<Shape, Kind> {
    if !op.has_integer_kernel() {
        return Err(Kind::Attribute(format!("`{}` has no form on 8-bit integers", op.name())));
    }
    output_shape(op, inputs)
}

fn sane(shape: Shape) -> Result<Shape, Kind> {
    if shape.is_sane() {
        Ok(shape)
    } else if shape.0.contains(&0) {
        Err(Kind::Empty(shape))
    } else {
        Err(Kind::TooLarge(shape))
    }
}

fn check_count(op: &Op, actual: usize) -> Result<(), Kind> {
    let (fits, expected) = match op {
        Op::Input { .. } | Op::Zeros { .. } | Op::Constant { .. } => (actual == 0, "no"),
        Op::Unbatched { op } | Op::Quantized { op, .. } => return check_count(op, actual),
        Op::Elementwise { function, .. } => (actual >= 1 && actual <= function.arity(), "1 to 3"),
        Op::Recurrent { cell, .. } => (actual == 1 || actual == 1 + cell.states(), "1, or also its initial states"),
        Op::MatMul => (actual == 2, "2"),
        Op::Add | Op::Mul | Op::Concat { .. } | Op::Choice { .. } | Op::Custom { .. } | Op::Kernel { .. } => {
            (actual >= 1, "1 or more")
        }
        _ => (actual == 1, "1"),
    };
    if fits { Ok(()) } else { Err(Kind::InputCount { expected, actual }) }
}

fn positive(name: &str, value: usize) -> Result<(), Kind> {
    if value == 0 { Err(Kind::Attribute(format!("{name} must be at least 1"))) } else { Ok(()) }
}

fn rank4(shape: &Shape) -> Result<[usize; 4], Kind> {
    <[usize; 4]>::try_from(shape.0.as_slice()).map_err(|_| Kind::Rank { expected: 4, actual: shape.clone() })
}

fn conv(op: &Op, input: &Shape) -> Result<Shape, Kind> {
    let Op::Conv { out_channels, kernel, stride, pad, dilation, groups, .. } = op else {
        return Err(Kind::Attribute("not a convolution".to_owned()));
    };
    let [_, channels, _, _] = rank4(input)?;
    positive("out_channels", *out_channels)?;
    positive("kernel", kernel[0].min(kernel[1]))?;
    positive("groups", *groups)?;
    if channels % groups != 0 || out_channels % groups != 0 {
        return Err(Kind::Attribute(format!(
            "groups {groups} must divide input channels {channels} and output channels {out_channels}"
        )));
    }
    // The weights are a tensor too: 10^9 channels on a 1x1 map must not pass.
    sane(Shape::from([*out_channels, channels / groups, kernel[0], kernel[1]]))?;
    windowed(input, *out_channels, *kernel, *stride, *pad, *dilation)
}

/// Size of a sliding window's output: `(size + 2 pad - dilation (kernel - 1) - 1) / stride + 1`.
fn windowed(
    input: &Shape,
    channels: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
    dilation: [usize; 2],
) -> Result<Shape, Kind> {
    let [n, _, h, w] = rank4(input)?;
    let mut out = [0; 2];
    for (axis, size) in [h, w].into_iter().enumerate() {
        positive("kernel", kernel[axis])?;
        positive("stride", stride[axis])?;
        positive("dilation", dilation[axis])?;
        let misfit = || Kind::Window { window: join(&kernel), input: input.clone() };
        let window =
            (kernel[axis] - 1).checked_mul(dilation[axis]).and_then(|v| v.checked_add(1)).ok_or_else(misfit)?;
        let padded = pad[axis].checked_mul(2).and_then(|v| v.checked_add(size)).ok_or_else(misfit)?;
        out[axis] = padded.checked_sub(window).ok_or_else(misfit)? / stride[axis] + 1;
    }
    Ok(Shape::from([n, channels, out[0], out[1]]))
}

/// `Zero` with a stride takes every stride-th element: the reference's 1x1 max pool, ⌊(H - 1) / s⌋ + 1 = ⌈H / s⌉.
/// The reference states ⌊H / s⌋; both agree on the even maps it is used on, and this one also fits the strided
/// convolution beside it on odd maps.
fn strided(input: &Shape, stride: [usize; 2]) -> Result<Shape, Kind> {
    if stride == [1, 1] {
        return Ok(input.clone());
    }
    windowed(input, input.channels(), [1, 1], stride, [0, 0], [1, 1])
}

fn equal_shapes(inputs: &[&Shape]) -> Result<Shape, Kind> {
    match inputs.iter().find(|s| **s != inputs[0]) {
        Some(other) => Err(Kind::ShapeMismatch { left: inputs[0].clone(), right: (*other).clone() }),
        None => Ok(inputs[0].clone()),
    }
}

fn product(inputs: &[&Shape]) -> Result<Shape, Kind> {
    for other in &inputs[1..] {
        let fits = other.rank() == inputs[0].rank()
            && other.0.iter().zip(&inputs[0].0).enumerate().all(|(axis, (a, b))| a == b || (axis >= 2 && *a == 1));
        if !fits {
            return Err(Kind::ShapeMismatch { left: inputs[0].clone(), right: (*other).clone() });
        }
    }
    Ok(inputs[0].clone())
}

fn concat(inputs: &[&Shape], axis: usize) -> Result<Shape, Kind> {
    let mut dims = inputs[0].0.clone();
    if axis >= dims.len() {
        return Err(Kind::Attribute(format!("axis {axis} is not in shape {}", inputs[0])));
    }
    for other in &inputs[1..] {
        let fits = other.rank() == dims.len()
            && other.0.iter().zip(&inputs[0].0).enumerate().all(|(i, (a, b))| i == axis || a == b);
        if !fits {
            return Err(Kind::ShapeMismatch { left: inputs[0].clone(), right: (*other).clone() });
        }
        dims[axis] = dims[axis].checked_add(other.0[axis]).ok_or_else(|| Kind::TooLarge((*other).clone()))?;
    }
    Ok(Shape(dims))
}

/// Products of matrices; the dimensions before them are broadcast.
fn matmul(a: &Shape, b: &Shape) -> Result<Shape, Kind> {
    let misfit = || Kind::ShapeMismatch { left: a.clone(), right: b.clone() };
    let (Some((a_batch, [rows, inner])), Some((b_batch, [b_inner, columns]))) =
        (a.0.split_last_chunk::<2>(), b.0.split_last_chunk::<2>())
    else {
        return Err(misfit());
    };
    if inner != b_inner {
        return Err(misfit());
    }
    let batch = general::broadcast(&[&Shape(a_batch.to_vec()), &Shape(b_batch.to_vec())]).map_err(|_| misfit())?;
    Ok(Shape([&batch.0[..], &[*rows, *columns]].concat()))
}

fn select(choice: &str, candidates: &[String], inputs: &[&Shape]) -> Result<Shape, Kind> {
    let fail = |problem: String| Kind::Choice { choice: choice.to_owned(), problem };
    if candidates.len() != inputs.len() {
        return Err(fail(format!("{} candidate names for {} inputs", candidates.len(), inputs.len())));
    }
    // An architecture holds indices of 16 bits.
    if candidates.len() > usize::from(u16::MAX) {
        return Err(fail(format!("{} candidates (limit {})", candidates.len(), u16::MAX)));
    }
    let mut seen = HashSet::new();
    for (i, name) in candidates.iter().enumerate() {
        if !seen.insert(name) {
            return Err(fail(format!("candidate `{name}` is listed twice")));
        }
        if inputs[i] != inputs[0] {
            return Err(fail(format!(
                "candidate `{}` gives {}, candidate `{name}` gives {}",
                candidates[0], inputs[0], inputs[i]
            )));
        }
    }
    Ok(inputs[0].clone())
}
