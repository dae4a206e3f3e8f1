//! Networks in 32-bit floats.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{GraphBuilder, Op};

use super::{conv_norm, keys, residual};

#[test]
fn a_residual_block_becomes_three_kernels_in_blocks() {
    assert_eq!(
        keys(Runtime::OnnxRuntimeNchw16c, &residual(32)),
        [
            "conv(out=32,kernel=3x3,pad=1x1,bias,nchw16c)[3x8x8]",
            "conv(out=32,kernel=3x3,pad=1x1,groups=32,bias,relu6,nchw16c)[32x8x8]",
            "conv(out=32,kernel=1x1,bias,sum,relu,nchw16c)[32x8x8,32x8x8]",
            "global_avg_pool(nchw16c)[32x8x8]",
            "reorder(from=nchw16c)[32x1x1]",
        ]
    );
    // A control: in the plain layout there is nothing to copy.
    let plain = keys(Runtime::OnnxRuntime, &residual(32));
    assert_eq!(plain.len(), 4);
    assert!(!plain.iter().any(|key| key.contains("nchw") || key.contains("reorder")), "{plain:?}");
    assert_eq!(plain[2], "conv(out=32,kernel=1x1,bias,sum,relu)[32x8x8,32x8x8]");
    assert_eq!(keys(Runtime::TorchEager, &residual(32)).len(), 10);
}

/// Pools in blocks need channels that fill them; 24 fill blocks of 8 and not of 16.
#[test]
fn channels_that_fill_no_block_leave_it_before_a_pool() {
    let pool = |runtime| keys(runtime, &residual(24)).into_iter().rev().take(2).collect::<Vec<_>>();
    assert_eq!(pool(Runtime::OnnxRuntimeNchw16c), ["global_avg_pool()[24x8x8]", "reorder(from=nchw16c)[24x8x8]"]);
    assert_eq!(pool(Runtime::OnnxRuntimeNchw8c), ["reorder(from=nchw8c)[24x1x1]", "global_avg_pool(nchw8c)[24x8x8]"]);
}

/// Channels that cannot be copied four at a time stay plain.
#[test]
fn odd_channels_stay_plain() {
    let odd = keys(Runtime::OnnxRuntimeNchw16c, &residual(18));
    // Sixteen or more, and no multiple of four.
    assert!(odd.contains(&"conv(out=18,kernel=1x1,bias)[18x8x8]".to_owned()), "{odd:?}");
    assert!(odd.contains(&"reorder(from=nchw16c)[18x8x8]".to_owned()), "{odd:?}");
}

#[test]
fn costs_and_parameters_are_those_of_what_was_fused() {
    let graph = residual(32);
    let plain = Runtime::TorchEager.lower(&graph);
    for runtime in [Runtime::OnnxRuntime, Runtime::OnnxRuntimeNchw8c, Runtime::OnnxRuntimeNchw16c] {
        let fused = runtime.lower(&graph);
        assert_eq!(fused.cost().macs, plain.cost().macs);
        // A bias in place of scale and shift, for each of three convolutions.
        assert_eq!(fused.cost().params, plain.cost().params - 3 * 32);
        assert_eq!(fused.clone().checked().unwrap(), fused);
        assert_eq!(runtime.lower(&fused), fused, "what is fused stays as it is");
    }
}

#[test]
fn what_depends_on_constants_only_is_computed_beforehand() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 16, 8, 8]).unwrap();
    let zero = b.add("zero", Op::Zero { stride: [1, 1] }, &[x]).unwrap();
    let constant = conv_norm(&mut b, "constant", Op::conv(16, 1, 1, 0).with_bias(), zero);
    let other = conv_norm(&mut b, "other", Op::conv(16, 1, 1, 0), x);
    let both = b.add("both", Op::Concat { axis: 1 }, &[constant, other]).unwrap();
    let graph = b.build(&[both]).unwrap();
    let kinds = |runtime: Runtime| {
        let lowered = runtime.lower(&graph);
        lowered.layers().map(|(_, node)| node.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(Runtime::OnnxRuntimeNchw16c), ["x/to_blocks", "other", "other/from_blocks", "both"]);
    // A control: eager, each of them runs.
    assert_eq!(kinds(Runtime::TorchEager).len(), 5);
}

/// What a shift has made of zeros is no zero: a second lowering must not drop the addition of it.
#[test]
fn an_addition_of_a_folded_constant_stays() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 16, 8, 8]).unwrap();
    let zero = b.add("zero", Op::Zero { stride: [1, 1] }, &[x]).unwrap();
    let shifted = b.add("shifted", Op::batch_norm(), &[zero]).unwrap();
    let pool = b.add("pool", Op::MaxPool { kernel: [3, 3], stride: [1, 1], pad: [1, 1] }, &[x]).unwrap();
    // A control: zeros that nothing has shifted are added to nothing.
    let plain = b.add("plain", Op::Add, &[pool, zero]).unwrap();
    let sum = b.add("sum", Op::Add, &[plain, shifted]).unwrap();
    let graph = b.build(&[sum]).unwrap();
    let once = Runtime::OnnxRuntime.lower(&graph);
    assert_eq!(once.layers().map(|(_, node)| node.name.as_str()).collect::<Vec<_>>(), ["pool", "sum"]);
    assert_eq!(Runtime::OnnxRuntime.lower(&once), once);
}

/// In the plain layout a hard swish is two kernels; behind a convolution in blocks it is none.
#[test]
fn a_hard_swish_depends_on_the_layout() {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 16, 8, 8]).unwrap();
    let y = conv_norm(&mut b, "conv", Op::conv(16, 1, 1, 0), x);
    let y = b.add("act", Op::Hswish, &[y]).unwrap();
    let graph = b.build(&[y]).unwrap();
    let ops = |runtime: Runtime| {
        let lowered = runtime.lower(&graph);
        lowered.layers().map(|(_, node)| node.op.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ops(Runtime::OnnxRuntime), ["conv", "hsigmoid", "mul"]);
    assert_eq!(ops(Runtime::OnnxRuntimeNchw16c), ["reorder", "conv", "reorder"]);
}
