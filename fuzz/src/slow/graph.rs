//! Shapes and multiply-accumulates of a graph counted again, position by position.

use nasprof_graph::{Graph, Op};

/// Larger sizes take too long to be counted.
const MOST: usize = 1 << 16;

/// Refuses a graph whose nodes have other shapes or MACs than a count gives.
pub fn recount(graph: &Graph) -> Result<(), String> {
    let mut total = 0_u128;
    for node in graph.nodes() {
        let inputs: Vec<&[usize]> = graph.input_shapes(node).iter().map(|shape| &shape.0[..]).collect();
        if inputs.iter().copied().chain([&node.shape.0[..]]).flatten().any(|&size| size > MOST) {
            return Ok(());
        }
        let about = |problem: String| format!("node {}: {problem}", node.name);
        if let Some(shape) = shape(&node.op, &inputs)
            && shape != node.shape.0
        {
            return Err(about(format!("has the shape {:?}, counted {shape:?}", node.shape.0)));
        }
        let counted = macs(&node.op, &inputs, &node.shape.0);
        let said = graph.node_cost(node).macs;
        if u128::from(said) != counted.min(u128::from(u64::MAX)) {
            return Err(about(format!("has {said} MACs, counted {counted}")));
        }
        total += counted;
    }
    let said = graph.cost().macs;
    if u128::from(said) == total.min(u128::from(u64::MAX)) {
        return Ok(());
    }
    Err(format!("the graph has {said} MACs, counted {total}"))
}

/// Places of a window: from the first, step by step, as long as its last element is inside.
fn places(size: usize, kernel: usize, stride: usize, pad: usize, dilation: usize) -> usize {
    let end = size + 2 * pad;
    (0..end).step_by(stride.max(1)).filter(|start| start + dilation * (kernel - 1) < end).count()
}

/// The output's shape; `None` where it is not counted here.
fn shape(op: &Op, inputs: &[&[usize]]) -> Option<Vec<usize>> {
    let windows =
        |channels: usize, kernel: &[usize; 2], stride: &[usize; 2], pad: &[usize; 2], dilation: &[usize; 2]| {
            let small = kernel.iter().chain(stride).chain(pad).chain(dilation).all(|&n| n <= MOST);
            let of = |axis: usize| places(inputs[0][2 + axis], kernel[axis], stride[axis], pad[axis], dilation[axis]);
            small.then(|| vec![inputs[0][0], channels, of(0), of(1)])
        };
    match op.plain() {
        Op::Conv { out_channels, kernel, stride, pad, dilation, .. } => {
            windows(*out_channels, kernel, stride, pad, dilation)
        }
        Op::MaxPool { kernel, stride, pad } | Op::AvgPool { kernel, stride, pad, .. } => {
            windows(inputs[0][1], kernel, stride, pad, &[1, 1])
        }
        Op::GlobalAvgPool => Some(vec![inputs[0][0], inputs[0][1], 1, 1]),
        Op::Linear { out_features, .. } => {
            let mut dims = inputs[0].to_vec();
            *dims.last_mut()? = *out_features;
            Some(dims)
        }
        Op::Transpose { order } => Some(order.iter().map(|&axis| inputs[0][axis]).collect()),
        Op::Slice { axis, start, end, step } => {
            let mut dims = inputs[0].to_vec();
            dims[*axis] = (*start..*end).step_by(*step).count();
            Some(dims)
        }
        Op::ConvNd { out_channels, kernel, stride, pad, dilation, transposed: false, .. } => {
            let small = [kernel, stride, pad, dilation].into_iter().flatten().all(|&n| n <= MOST);
            let of = |i: usize| places(inputs[0][2 + i], kernel[i], stride[i], pad[i], dilation[i]);
            small.then(|| [inputs[0][0], *out_channels].into_iter().chain((0..kernel.len()).map(of)).collect())
        }
        Op::Recurrent { hidden, bidirectional, .. } => {
            Some(vec![inputs[0][0], inputs[0][1], hidden * if *bidirectional { 2 } else { 1 }])
        }
        Op::Flatten => Some(vec![inputs[0][0], inputs[0][1..].iter().product()]),
        Op::Concat { axis } => {
            let mut dims = inputs[0].to_vec();
            dims[*axis] = inputs.iter().map(|shape| shape[*axis]).sum();
            Some(dims)
        }
        Op::BatchNorm { .. }
        | Op::Relu
        | Op::Relu6
        | Op::LeakyRelu { .. }
        | Op::Hsigmoid
        | Op::Hswish
        | Op::Sigmoid
        | Op::Tanh
        | Op::Softmax { .. }
        | Op::Dropout { .. }
        | Op::Identity
        | Op::Add => Some(inputs[0].to_vec()),
        _ => None,
    }
}

/// Multiplications: for every element of the output, those of its window or row.
fn macs(op: &Op, inputs: &[&[usize]], output: &[usize]) -> u128 {
    let elements = output.iter().fold(1_u128, |product, &size| product * size as u128);
    let each = match op.plain() {
        // Every element of what a transposed convolution reads meets the outputs of its group.
        Op::ConvNd { kernel, groups, transposed: true, .. } => {
            let read = inputs[0].iter().fold(1_u128, |product, &size| product * size as u128);
            let outputs = (0..output[1]).step_by(*groups).count() as u128;
            return kernel.iter().fold(read * outputs, |product, &size| product.saturating_mul(size as u128));
        }
        Op::ConvNd { kernel, groups, .. } => {
            (0..inputs[0][1]).step_by(*groups).count() * kernel.iter().product::<usize>()
        }
        // A gate of an element sees the input and the state.
        Op::Recurrent { cell, hidden, .. } => cell.gates() * (inputs[0][2] + hidden),
        // An output channel sees the channels of its group.
        Op::Conv { kernel, groups, .. } => (0..inputs[0][1]).step_by(*groups).count() * kernel[0] * kernel[1],
        Op::Linear { .. } | Op::MatMul => *inputs[0].last().unwrap_or(&0),
        _ => 0,
    };
    elements * each as u128
}
