//! Shapes of the general operations: on any number of dimensions, broadcast as NumPy does it.

use super::{positive, sane};
use crate::error::GraphErrorKind as Kind;
use crate::shape::join;
use crate::{Function, Op, PadMode, Reduction, Shape};

/// Most dimensions of a tensor: libtorch's limit for most operators, and more than any network has.
const MAX_RANK: usize = 8;

/// Output shape of an operation that works on any number of dimensions; `None` for another one.
pub(super) fn output_shape(op: &Op, inputs: &[&Shape]) -> Option<Result<Shape, Kind>> {
    Some(match op {
        Op::Elementwise { function, parameters } => elementwise(*function, parameters, inputs),
        Op::Reduce { kind, axes, keep } => reduce(*kind, axes, *keep, inputs[0]),
        Op::Transpose { order } => transpose(order, inputs[0]),
        Op::Reshape { rest } => reshape(rest, inputs[0]),
        Op::Slice { axis, start, end, step } => slice(*axis, [*start, *end, *step], inputs[0]),
        Op::Gather { axis, count } => with_size(inputs[0], *axis, *count),
        Op::Expand { shape } => expand(shape, inputs[0]),
        Op::ConvNd { .. } => conv(op, inputs[0]),
        Op::PoolNd { .. } => pool(op, inputs[0]),
        Op::PadNd { pads, mode } => pad(pads, *mode, inputs[0]),
        Op::LayerNorm { axis, epsilon, .. } => {
            checked_epsilon(*epsilon).and_then(|()| axis_in(*axis, inputs[0])).map(|()| inputs[0].clone())
        }
        Op::GroupNorm { groups, epsilon } => group_norm(*groups, *epsilon, inputs[0]),
        Op::Recurrent { hidden, bidirectional, .. } => recurrent(*hidden, *bidirectional, inputs),
        _ => return None,
    })
}

/// The shape to which several shapes broadcast: sizes are compared from the last on, and 1 matches any other.
pub(crate) fn broadcast(shapes: &[&Shape]) -> Result<Shape, Kind> {
    let rank = shapes.iter().map(|shape| shape.rank()).max().unwrap_or(0);
    let mut dims = vec![1; rank];
    for shape in shapes {
        for (size, &other) in dims[rank - shape.rank()..].iter_mut().zip(&shape.0) {
            if *size != other && *size != 1 && other != 1 {
                return Err(Kind::ShapeMismatch { left: shapes[0].clone(), right: (*shape).clone() });
            }
            *size = if *size == 1 { other } else { *size };
        }
    }
    Ok(Shape(dims))
}

fn elementwise(function: Function, parameters: &[f64], inputs: &[&Shape]) -> Result<Shape, Kind> {
    if inputs.len() + parameters.len() != function.arity() {
        let (name, wanted) = (function.name(), function.arity());
        let got = format!("{} operands and {} parameters", inputs.len(), parameters.len());
        return Err(Kind::Attribute(format!("`{name}` takes {wanted} operands or parameters, got {got}")));
    }
    if let Some(wrong) = parameters.iter().find(|p| !p.is_finite()) {
        return Err(Kind::Attribute(format!("parameter {wrong} is not finite")));
    }
    broadcast(inputs)
}

fn axis_in(axis: usize, shape: &Shape) -> Result<(), Kind> {
    if axis < shape.rank() { Ok(()) } else { Err(Kind::Attribute(format!("axis {axis} is not in shape {shape}"))) }
}

fn with_size(shape: &Shape, axis: usize, size: usize) -> Result<Shape, Kind> {
    axis_in(axis, shape)?;
    let mut dims = shape.0.clone();
    dims[axis] = size;
    Ok(Shape(dims))
}

fn reduce(kind: Reduction, axes: &[usize], keep: bool, input: &Shape) -> Result<Shape, Kind> {
    if axes.is_empty() || axes.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Kind::Attribute(format!("axes {axes:?} are not in increasing order")));
    }
    if kind == Reduction::Prod && axes.len() > 1 {
        return Err(Kind::Attribute("a product reduces only one axis".to_owned()));
    }
    axes.iter().try_for_each(|&axis| axis_in(axis, input))?;
    let size = |(axis, &size): (usize, &usize)| match (axes.contains(&axis), keep) {
        (false, _) => Some(size),
        (true, true) => Some(1),
        (true, false) => None,
    };
    Ok(Shape(input.0.iter().enumerate().filter_map(size).collect()))
}

fn transpose(order: &[usize], input: &Shape) -> Result<Shape, Kind> {
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..input.rank()) {
        return Err(Kind::Attribute(format!("{order:?} is not a permutation of the axes of {input}")));
    }
    Ok(Shape(order.iter().map(|&axis| input.0[axis]).collect()))
}

fn reshape(rest: &[usize], input: &Shape) -> Result<Shape, Kind> {
    if rest.len() >= MAX_RANK {
        return Err(Kind::Attribute(format!("more than {MAX_RANK} dimensions")));
    }
    let rest_shape = sane(Shape(rest.to_vec()))?;
    let (all, known) = (input.elements(), rest_shape.elements());
    if !all.is_multiple_of(known) {
        return Err(Kind::Attribute(format!("{input} does not divide into parts of {}", join(rest))));
    }
    let first = usize::try_from(all / known).map_err(|_| Kind::TooLarge(input.clone()))?;
    Ok(Shape(std::iter::once(first).chain(rest.iter().copied()).collect()))
}

fn slice(axis: usize, [start, end, step]: [usize; 3], input: &Shape) -> Result<Shape, Kind> {
    axis_in(axis, input)?;
    positive("step", step)?;
    if start >= end || end > input.0[axis] {
        return Err(Kind::Window {
            window: format!("slice from {start} to {end} in axis {axis}"),
            input: input.clone(),
        });
    }
    with_size(input, axis, (end - start).div_ceil(step))
}

fn expand(shape: &Shape, input: &Shape) -> Result<Shape, Kind> {
    if shape.rank() > MAX_RANK {
        return Err(Kind::Attribute(format!("more than {MAX_RANK} dimensions")));
    }
    broadcast(&[input, shape])
}

fn checked_epsilon(epsilon: f64) -> Result<(), Kind> {
    if epsilon.is_finite() && epsilon >= 0.0 {
        return Ok(());
    }
    Err(Kind::Attribute(format!("epsilon {epsilon} is not a finite number of at least 0")))
}

fn group_norm(groups: usize, epsilon: f64, input: &Shape) -> Result<Shape, Kind> {
    checked_epsilon(epsilon)?;
    positive("groups", groups)?;
    if input.rank() < 3 {
        return Err(Kind::AtLeastRank { least: 3, actual: input.clone() });
    }
    if !input.channels().is_multiple_of(groups) {
        return Err(Kind::Attribute(format!("groups {groups} must divide channels {}", input.channels())));
    }
    Ok(input.clone())
}

/// The spatial sizes of an input for a window of some dimensions.
fn spatial<'a>(input: &'a Shape, lists: &[&[usize]]) -> Result<&'a [usize], Kind> {
    let dimensions = lists[0].len();
    if !(1..=3).contains(&dimensions) || lists.iter().any(|list| list.len() != dimensions) {
        return Err(Kind::Attribute(
            "kernel, stride, padding and dilation must have one to three sizes each".to_owned(),
        ));
    }
    if input.rank() != dimensions + 2 {
        return Err(Kind::Rank { expected: dimensions + 2, actual: input.clone() });
    }
    Ok(&input.0[2..])
}

fn conv(op: &Op, input: &Shape) -> Result<Shape, Kind> {
    let Op::ConvNd { out_channels, kernel, stride, pad, dilation, output_pad, groups, transposed, .. } = op else {
        return Err(Kind::Attribute("not a convolution".to_owned()));
    };
    let sizes = spatial(input, &[kernel, stride, pad, dilation, output_pad])?;
    positive("out_channels", *out_channels)?;
    positive("groups", *groups)?;
    let channels = input.channels();
    if !channels.is_multiple_of(*groups) || !out_channels.is_multiple_of(*groups) {
        return Err(Kind::Attribute(format!(
            "groups {groups} must divide input channels {channels} and output channels {out_channels}"
        )));
    }
    let (from, to) = if *transposed { (*out_channels, channels) } else { (channels, *out_channels) };
    sane(Shape([&[to, from / groups], &kernel[..]].concat()))?;
    let mut dims = vec![input.batch(), *out_channels];
    for (axis, &size) in sizes.iter().enumerate() {
        let window =
            Window { size, kernel: kernel[axis], stride: stride[axis], pad: pad[axis], dilation: dilation[axis] };
        let fits = if *transposed { window.transposed(output_pad[axis]) } else { window.outputs(false) };
        let misfit = || Kind::Window { window: join(kernel), input: input.clone() };
        dims.push(fits.filter(|_| *transposed || output_pad[axis] == 0).ok_or_else(misfit)?);
    }
    Ok(Shape(dims))
}

fn pool(op: &Op, input: &Shape) -> Result<Shape, Kind> {
    let Op::PoolNd { kind, kernel, stride, pad, dilation, ceil, .. } = op else {
        return Err(Kind::Attribute("not a pool".to_owned()));
    };
    let sizes = spatial(input, &[kernel, stride, pad, dilation])?;
    match kind {
        Reduction::Max => {}
        Reduction::Mean if dilation.iter().all(|&d| d == 1) => {}
        Reduction::Mean => return Err(Kind::Attribute("a mean pool does not support dilation".to_owned())),
        other => return Err(Kind::Attribute(format!("no pool of {}", other.name()))),
    }
    let mut dims = vec![input.batch(), input.channels()];
    for (axis, &size) in sizes.iter().enumerate() {
        if pad[axis] > kernel[axis] / 2 {
            let (pad, kernel) = (join(pad), join(kernel));
            return Err(Kind::Attribute(format!("a padding of {pad} is more than half the window {kernel}")));
        }
        let window =
            Window { size, kernel: kernel[axis], stride: stride[axis], pad: pad[axis], dilation: dilation[axis] };
        let misfit = || Kind::Window { window: join(kernel), input: input.clone() };
        dims.push(window.outputs(*ceil).ok_or_else(misfit)?);
    }
    Ok(Shape(dims))
}

/// A window along one axis.
struct Window {
    size: usize,
    kernel: usize,
    stride: usize,
    pad: usize,
    dilation: usize,
}

impl Window {
    /// Elements that the kernel spans; `None` if a size is 0 or the span overflows.
    fn span(&self) -> Option<usize> {
        if self.stride == 0 || self.dilation == 0 {
            return None;
        }
        self.kernel.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }

    /// `(size + 2 pad - span) / stride + 1`, rounded down or up. A last window that would start in the padding after the
    /// input is left out, as ONNX and libtorch do it.
    fn outputs(&self, ceil: bool) -> Option<usize> {
        let room = self.pad.checked_mul(2)?.checked_add(self.size)?.checked_sub(self.span()?)?;
        let count = if ceil { room.div_ceil(self.stride) } else { room / self.stride }.checked_add(1)?;
        let starts_outside = ceil && (count - 1).checked_mul(self.stride)? >= self.size.checked_add(self.pad)?;
        Some(count - usize::from(starts_outside))
    }

    /// `(size - 1) stride - 2 pad + span + output_pad`.
    fn transposed(&self, output_pad: usize) -> Option<usize> {
        let full = self.size.checked_sub(1)?.checked_mul(self.stride)?.checked_add(self.span()?)?;
        // libtorch's condition: a larger padding would add outputs without any contribution.
        let fits = output_pad < self.stride.max(self.dilation);
        full.checked_add(output_pad).filter(|_| fits)?.checked_sub(self.pad.checked_mul(2)?)
    }
}

fn pad(pads: &[[usize; 2]], mode: PadMode, input: &Shape) -> Result<Shape, Kind> {
    if pads.len() != input.rank() {
        return Err(Kind::Rank { expected: pads.len(), actual: input.clone() });
    }
    let mut dims = Vec::with_capacity(pads.len());
    for (&size, &[before, after]) in input.0.iter().zip(pads) {
        if mode == PadMode::Reflect && before.max(after) >= size {
            return Err(Kind::Attribute(format!("a reflection padding of {} does not fit {input}", before.max(after))));
        }
        let grown = size.checked_add(before).and_then(|s| s.checked_add(after));
        dims.push(grown.ok_or_else(|| Kind::TooLarge(input.clone()))?);
    }
    let is_spatial = pads.len() <= 5 && pads.iter().take(2).all(|pad| *pad == [0, 0]) && pads.len() > 2;
    if mode != PadMode::Constant && !is_spatial {
        return Err(Kind::Attribute(format!("padding of mode {} is for spatial dimensions only", mode.name())));
    }
    Ok(Shape(dims))
}

fn recurrent(hidden: usize, bidirectional: bool, inputs: &[&Shape]) -> Result<Shape, Kind> {
    positive("hidden", hidden)?;
    let [steps, batch, features] = <[usize; 3]>::try_from(inputs[0].0.as_slice())
        .map_err(|_| Kind::Rank { expected: 3, actual: inputs[0].clone() })?;
    let directions = if bidirectional { 2 } else { 1 };
    let state = Shape::from([directions, batch, hidden]);
    if let Some(other) = inputs[1..].iter().find(|shape| ***shape != state) {
        return Err(Kind::ShapeMismatch { left: state, right: (*other).clone() });
    }
    let wide = hidden.checked_mul(4).and_then(|gates| gates.checked_mul(features.max(hidden)));
    sane(Shape::from([wide.ok_or_else(|| Kind::TooLarge(inputs[0].clone()))?]))?;
    Ok(Shape::from([steps, batch, directions * hidden]))
}
