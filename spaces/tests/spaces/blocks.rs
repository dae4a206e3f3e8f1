//! Parameter counts of the composite blocks, as NNabla-NAS counts them.

use nasprof_graph::{Graph, GraphBuilder, GraphError, NodeId, Op};
use nasprof_spaces::blocks::auxiliary::auxiliary_head;
use nasprof_spaces::blocks::darts::{dil_conv, factorized_reduce, relu_conv_bn, sep_conv, stem_conv};
use nasprof_spaces::blocks::mobilenet::{InvertedResidual, conv_bn_relu6, inverted_residual};
use nasprof_spaces::blocks::zoph::{pool_to_smallest, sep_conv_bn, with_bn_relu};

/// The block on an input of `channels` 8x8 maps.
fn build(
    channels: usize,
    block: impl FnOnce(&mut GraphBuilder, NodeId) -> Result<NodeId, GraphError>,
) -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new();
    let x = b.input("in", [1, channels, 8, 8])?;
    let y = block(&mut b, x)?;
    b.build(&[y])
}

fn params(channels: usize, block: impl FnOnce(&mut GraphBuilder, NodeId) -> Result<NodeId, GraphError>) -> u64 {
    build(channels, block).unwrap().cost().params
}

fn output(graph: &Graph) -> &[usize] {
    &graph.node(graph.outputs()[0]).shape.0
}

#[test]
fn darts_blocks() {
    assert_eq!(params(16, |b, x| relu_conv_bn(b, x, 16, 1)), 288);
    assert_eq!(params(48, |b, x| relu_conv_bn(b, x, 16, 1)), 800);
    assert_eq!(params(16, |b, x| factorized_reduce(b, x, 16)), 288);
    for stride in [1, 2] {
        assert_eq!(params(16, |b, x| dil_conv(b, x, 16, 3, stride)), 432);
        assert_eq!(params(16, |b, x| dil_conv(b, x, 16, 5, stride)), 688);
        assert_eq!(params(16, |b, x| sep_conv(b, x, 16, 3, stride)), 864);
        assert_eq!(params(16, |b, x| sep_conv(b, x, 16, 5, stride)), 1376);
        let side = 8 / stride;
        for graph in [
            build(16, |b, x| dil_conv(b, x, 16, 5, stride)).unwrap(),
            build(16, |b, x| sep_conv(b, x, 16, 5, stride)).unwrap(),
        ] {
            assert_eq!(output(&graph), [1, 16, side, side]);
        }
    }
    assert_eq!(params(3, |b, x| stem_conv(b, x, 48)), 1392);
}

#[test]
fn factorized_reduce_halves_both() {
    let graph = build(16, |b, x| factorized_reduce(b, x, 32)).unwrap();
    assert_eq!(output(&graph), [1, 32, 4, 4]);
    let odd = build(16, |b, x| factorized_reduce(b, x, 15)).unwrap_err().to_string();
    assert_eq!(odd, "node `concat` (concat): 15 output channels cannot be halved");
}

#[test]
fn auxiliary_heads() {
    assert_eq!(params(16, |b, x| auxiliary_head(b, x, 10)), 404_746);
    assert_eq!(params(576, |b, x| auxiliary_head(b, x, 10)), 476_426);
    let small = build(16, |b, x| {
        let x = b.add("half", Op::MaxPool { kernel: [2; 2], stride: [2; 2], pad: [0; 2] }, &[x])?;
        auxiliary_head(b, x, 10)
    });
    let message = "node `pool` (avg_pool): needs a map of 8x8, got shape (1, 16, 4, 4)";
    assert_eq!(small.unwrap_err().to_string(), message);
}

#[test]
fn mobilenet_blocks() {
    let block = |out, stride, kernel, expansion| InvertedResidual { out, stride, kernel, expansion, squeeze: false };
    assert_eq!(params(3, |b, x| conv_bn_relu6(b, x, 32, 3, 2, 1)), 928);
    let expected = [(3, [888, 4440, 8832]), (5, [1272, 5592, 11_136]), (7, [1848, 7320, 14_592])];
    for (kernel, counts) in expected {
        for (expansion, count) in [1, 3, 6].into_iter().zip(counts) {
            assert_eq!(params(24, |b, x| inverted_residual(b, x, block(24, 1, kernel, expansion))), count);
        }
    }
    assert_eq!(params(16, |b, x| inverted_residual(b, x, block(24, 2, 3, 6))), 5136);
    assert_eq!(params(32, |b, x| inverted_residual(b, x, block(16, 1, 3, 1))), 896);
    // 32 channels behind the depthwise convolution: 8 in between, each way with biases.
    let squeezed = InvertedResidual { squeeze: true, ..block(16, 1, 3, 1) };
    assert_eq!(params(32, |b, x| inverted_residual(b, x, squeezed)), 896 + (32 * 8 + 8) + (8 * 32 + 32));
}

#[test]
fn zoph_blocks() {
    for dilation in [1, 2] {
        assert_eq!(params(64, |b, x| sep_conv_bn(b, x, 3, dilation)), 9472);
        assert_eq!(params(64, |b, x| sep_conv_bn(b, x, 5, dilation)), 11_520);
        assert_eq!(output(&build(64, |b, x| sep_conv_bn(b, x, 5, dilation)).unwrap()), [1, 64, 8, 8]);
    }
    let pool = Op::MaxPool { kernel: [3; 2], stride: [1; 2], pad: [1; 2] };
    assert_eq!(params(64, |b, x| with_bn_relu(b, x, "pool", pool)), 128);
}

#[test]
fn larger_maps_shrink_to_the_smallest() {
    let graph = build(4, |b, x| {
        let small = b.add("small", Op::MaxPool { kernel: [4; 2], stride: [4; 2], pad: [0; 2] }, &[x])?;
        let maps = pool_to_smallest(b, &[x, small])?;
        assert_eq!(maps[1], small);
        b.add("sum", Op::Add, &maps)
    });
    assert_eq!(output(&graph.unwrap()), [1, 4, 2, 2]);
}
