//! Static costs of single operations against numbers worked out by hand.

use nasprof_graph::cost::{StaticCost, op_cost};
use nasprof_graph::{Cell, Function, Graph, GraphBuilder, Op, PadMode, Reduction, Shape};

/// Cost of `op` on inputs of the given shapes.
fn cost<const N: usize>(op: Op, inputs: &[[usize; N]]) -> StaticCost {
    let mut b = GraphBuilder::new();
    let ids: Vec<_> = inputs.iter().enumerate().map(|(i, s)| b.input(&format!("in{i}"), *s).unwrap()).collect();
    let y = b.add("op", op, &ids).unwrap();
    let graph = b.build(&[y]).unwrap();
    graph.node_cost(graph.node(y))
}

#[test]
fn convolutions() {
    let plain = cost(Op::conv(8, 3, 1, 1), &[[1, 3, 32, 32]]);
    assert_eq!((plain.params, plain.macs), (216, 221_184));
    assert_eq!(plain.bytes_read, 4 * (3 * 1024 + 216));
    assert_eq!(plain.bytes_written, 4 * 8 * 1024);
    let biased = cost(Op::conv(8, 3, 1, 1).with_bias(), &[[1, 3, 32, 32]]);
    assert_eq!((biased.params, biased.macs), (224, 221_184));
    // The reference divides by the groups twice and gets an eighth of this.
    let depthwise = cost(Op::conv(8, 3, 1, 1).with_groups(8).with_bias(), &[[1, 8, 32, 32]]);
    assert_eq!((depthwise.params, depthwise.macs), (80, 73_728));
    let grouped = cost(Op::conv(8, 3, 1, 1).with_groups(2), &[[1, 8, 32, 32]]);
    assert_eq!((grouped.params, grouped.macs), (288, 294_912));
    let strided = cost(Op::conv(8, 3, 2, 1), &[[1, 3, 32, 32]]);
    assert_eq!(strided.macs * 4, plain.macs);
    let dilated = cost(Op::conv(8, 3, 1, 2).with_dilation(2), &[[1, 3, 32, 32]]);
    assert_eq!(dilated, plain);
}

#[test]
fn the_batch_multiplies_the_work_and_not_the_parameters() {
    let (one, four) = (cost(Op::conv(8, 3, 1, 1), &[[1, 3, 32, 32]]), cost(Op::conv(8, 3, 1, 1), &[[4, 3, 32, 32]]));
    assert_eq!((four.params, four.macs), (one.params, 4 * one.macs));
    assert_eq!(four.bytes_written, 4 * one.bytes_written);
}

#[test]
fn linear_layers_and_products() {
    let linear = cost(Op::Linear { out_features: 3, bias: false }, &[[1, 5]]);
    assert_eq!((linear.params, linear.macs), (15, 15));
    let biased = cost(Op::Linear { out_features: 3, bias: true }, &[[1, 5]]);
    assert_eq!((biased.params, biased.macs), (18, 15));
    // Over the last dimension: seven rows of five features.
    assert_eq!(cost(Op::Linear { out_features: 3, bias: false }, &[[1, 7, 5]]).macs, 105);
    assert_eq!(cost(Op::MatMul, &[[1, 4, 5], [1, 5, 4]]).macs, 80);
}

#[test]
fn layers_without_multiplications() {
    let norm = cost(Op::batch_norm(), &[[1, 8, 32, 32]]);
    assert_eq!((norm.params, norm.buffers, norm.macs), (16, 16, 0));
    let add = cost(Op::Add, &[[1, 8, 4, 4], [1, 8, 4, 4]]);
    assert_eq!((add.macs, add.bytes_read, add.bytes_written), (0, 1024, 512));
    for view in [Op::Identity, Op::Flatten, Op::Dropout { probability: 0.5 }, Op::Crop { top: 1, left: 0 }] {
        assert_eq!(cost(view, &[[1, 8, 4, 4]]), StaticCost::default());
    }
    let scaled = cost(Op::Mul, &[[1, 8, 4, 4], [1, 8, 1, 1]]);
    assert_eq!(scaled.bytes_read, 4 * (128 + 8));
}

#[test]
fn the_largest_shapes_saturate() {
    let input = Shape::from([1, 1, 1, 1]);
    let op = Op::conv(1, 1 << 17, 1, 1 << 17);
    let mut b = GraphBuilder::new();
    let x = b.input("in", input.clone()).unwrap();
    let y = b.add("op", op.clone(), &[x]).unwrap();
    assert_eq!(op_cost(&op, &[&input], b.shape(y)).macs, u64::MAX);
}

/// A convolution in any number of dimensions.
fn conv_nd(dimensions: usize, transposed: bool) -> Op {
    Op::ConvNd {
        out_channels: 4,
        kernel: vec![3; dimensions],
        stride: vec![2; dimensions],
        pad: vec![1; dimensions],
        dilation: vec![1; dimensions],
        output_pad: vec![usize::from(transposed); dimensions],
        groups: 2,
        bias: true,
        transposed,
    }
}

#[test]
fn convolutions_in_any_number_of_dimensions() {
    // (9 + 2 - 3) / 2 + 1 = 5 outputs, each of 4 channels over 1 channel and 3 elements.
    let one = cost(conv_nd(1, false), &[[1, 2, 9]]);
    assert_eq!((one.params, one.macs), (4 * 3 + 4, 4 * 5 * 3));
    let three = cost(conv_nd(3, false), &[[1, 2, 9, 9, 9]]);
    assert_eq!((three.params, three.macs), (4 * 27 + 4, 4 * 125 * 27));
    // Every one of 2 x 9 x 9 inputs meets 2 channels in a window of 9; (9 - 1) 2 - 2 + 3 + 1 = 18 outputs.
    let up = cost(conv_nd(2, true), &[[1, 2, 9, 9]]);
    assert_eq!((up.params, up.macs), (2 * 2 * 9 + 4, 2 * 81 * 2 * 9));
    assert_eq!(up.bytes_written, 4 * 4 * 18 * 18);
}

#[test]
fn recurrent_layers_and_normalisations() {
    let lstm = cost(Op::Recurrent { cell: Cell::Lstm, hidden: 3, bidirectional: true }, &[[7, 1, 5]]);
    assert_eq!((lstm.params, lstm.macs), (2 * (12 * 5 + 12 * 3 + 24), 7 * 2 * 12 * 8));
    let gru = cost(Op::Recurrent { cell: Cell::Gru, hidden: 3, bidirectional: false }, &[[7, 2, 5]]);
    assert_eq!((gru.params, gru.macs), (9 * 5 + 9 * 3 + 18, 7 * 2 * 9 * 8));
    let layer = cost(Op::LayerNorm { axis: 2, epsilon: 1e-5, bias: true }, &[[1, 16, 64]]);
    assert_eq!((layer.params, layer.macs, layer.bytes_read), (128, 0, 4 * (1024 + 128)));
    let group = cost(Op::GroupNorm { groups: 2, epsilon: 1e-5 }, &[[1, 8, 4, 4]]);
    assert_eq!((group.params, group.buffers), (16, 0));
}

#[test]
fn views_are_free_and_copies_are_not() {
    for view in [
        Op::Reshape { rest: vec![4, 32] },
        Op::Slice { axis: 1, start: 2, end: 4, step: 1 },
        Op::Expand { shape: [3, 8, 4, 4].into() },
    ] {
        assert_eq!(cost(view, &[[1, 8, 4, 4]]), StaticCost::default());
    }
    for copy in [
        Op::Transpose { order: vec![0, 2, 3, 1] },
        Op::elementwise(Function::Erf),
        Op::PadNd { pads: vec![[0, 0]; 4], mode: PadMode::Constant },
    ] {
        let found = cost(copy, &[[1, 8, 4, 4]]);
        assert_eq!((found.macs, found.bytes_read, found.bytes_written), (0, 512, 512));
    }
    let mean = cost(Op::Reduce { kind: Reduction::Mean, axes: vec![1], keep: false }, &[[1, 8, 4, 4]]);
    assert_eq!((mean.bytes_read, mean.bytes_written), (512, 64));
    // Heads are broadcast: 2 x 8 products of 3x5 and 5x4.
    let products = cost(Op::MatMul, &[[2, 8, 3, 5], [1, 8, 5, 4]]);
    assert_eq!(products.macs, 2 * 8 * 3 * 5 * 4);
}

/// Stored values are parameters, which is where memory counts them: once.
#[test]
fn stored_values_count_as_parameters() {
    let build = |shape: [usize; 4]| -> Graph {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 8, 4, 4]).unwrap();
        let c = b.add("c", Op::Constant { shape: shape.into() }, &[]).unwrap();
        let y = b.add("y", Op::elementwise(Function::Sub), &[x, c]).unwrap();
        b.build(&[y]).unwrap()
    };
    let (small, large) = (build([1, 1, 1, 1]), build([1, 8, 4, 4]));
    assert_eq!((small.cost().params, large.cost().params), (1, 128));
    assert_eq!(large.cost().bytes_read, 4 * 256);
    let memory = |graph: &Graph| graph.peak_memory_bytes(nasprof_graph::Overhead::none);
    assert_eq!(memory(&large) - memory(&small), 4 * 127);
    assert_eq!(large.layers().count(), 1);
}

#[test]
fn what_general_operations_cannot_do_is_refused() {
    let refused = |op: Op, shape: &[usize]| {
        let mut b = GraphBuilder::new();
        let x = b.input("in", Shape(shape.to_vec())).unwrap();
        b.add("op", op, &[x]).unwrap_err().to_string()
    };
    let image = &[1, 8, 4, 4][..];
    for (op, naming) in [
        (Op::Reshape { rest: vec![7] }, "does not divide"),
        (Op::Reshape { rest: vec![0] }, "has no elements"),
        (Op::Transpose { order: vec![0, 1, 1, 3] }, "is not a permutation of the axes"),
        (Op::Slice { axis: 1, start: 3, end: 3, step: 1 }, "slice from 3 to 3"),
        (Op::Slice { axis: 9, start: 0, end: 1, step: 1 }, "axis 9 is not in shape"),
        (Op::Slice { axis: 1, start: 0, end: 1, step: 0 }, "step must be at least 1"),
        (Op::Reduce { kind: Reduction::Mean, axes: vec![2, 1], keep: true }, "not in increasing order"),
        (Op::Elementwise { function: Function::Pow, parameters: vec![f64::NAN] }, "is not finite"),
        (Op::elementwise(Function::Pow), "takes 2 operands or parameters"),
        (Op::Expand { shape: [1, 3, 4, 4].into() }, "do not match"),
        (Op::PadNd { pads: vec![[0, 0], [0, 0], [4, 0], [0, 0]], mode: PadMode::Reflect }, "a reflection padding of 4"),
        (Op::GroupNorm { groups: 3, epsilon: 1e-5 }, "groups 3 must divide"),
        (conv_nd(1, false), "rank 3"),
        (Op::Unbatched { op: Box::new(Op::Zero { stride: [1, 1] }) }, "has no form without a batch"),
        (Op::Recurrent { cell: Cell::Gru, hidden: 3, bidirectional: false }, "rank 3"),
    ] {
        let error = refused(op, image);
        assert!(error.contains(naming), "no `{naming}` in: {error}");
    }
}
