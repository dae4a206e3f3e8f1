//! Static costs of single operations against numbers worked out by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nasprof_graph::cost::{StaticCost, op_cost};
use nasprof_graph::{GraphBuilder, Op, Shape};

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
