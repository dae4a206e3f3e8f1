//! The passes remove dead parts and keep the rest, as the pruning of NNabla-NAS' static graphs does.

use nasprof_graph::passes::{
    elide_identities, eliminate_dead_code, fold_zeros, fuse_conv_batch_norm_activation, merge_common_subexpressions,
    select,
};
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Activation, Arch, Graph, GraphBuilder, NodeId, Op};

const ZERO: Op = Op::Zero { stride: [1, 1] };

fn conv(channels: usize) -> Op {
    Op::conv(channels, 3, 1, 1)
}

/// A graph on an input of (1, 8, 16, 16).
fn graph(build: impl FnOnce(&mut GraphBuilder, NodeId) -> NodeId) -> Graph {
    let mut b = GraphBuilder::new();
    let x = b.input("in", [1, 8, 16, 16]).unwrap();
    let y = build(&mut b, x);
    b.build(&[y]).unwrap()
}

fn layers(graph: &Graph) -> Vec<&str> {
    graph.layers().map(|(_, node)| node.name.as_str()).collect()
}

fn pruned(graph: &Graph) -> Graph {
    Runtime::TorchEager.lower(graph)
}

/// in -> conv1 -> {zero, conv2} -> choice -> conv3
fn worked_example() -> Graph {
    graph(|b, x| {
        let conv1 = b.add("conv1", conv(8).with_bias(), &[x]).unwrap();
        let zero = b.add("zero", ZERO, &[conv1]).unwrap();
        let conv2 = b.add("conv2", conv(8).with_bias(), &[conv1]).unwrap();
        let choice = b.choice("choice", vec![("zero".to_owned(), zero), ("conv2".to_owned(), conv2)]).unwrap();
        b.add("conv3", conv(8).with_bias(), &[choice]).unwrap()
    })
}

#[test]
fn selecting_the_zero_prunes_all_that_feeds_it() {
    let subnet = Runtime::TorchEager.subnet(&worked_example(), &Arch(vec![0])).unwrap();
    // conv3 has a bias: of zeros it makes a constant that is not zero, so it runs, and it runs alone.
    assert_eq!(layers(&subnet), ["conv3"]);
    assert_eq!(subnet.cost().params, 584);
}

#[test]
fn selecting_the_convolution_keeps_all_three() {
    let subnet = Runtime::TorchEager.subnet(&worked_example(), &Arch(vec![1])).unwrap();
    assert_eq!(layers(&subnet), ["conv1", "conv2", "conv3"]);
    assert_eq!(subnet.cost().params, 1752);
}

#[test]
fn a_node_that_a_surviving_user_shares_survives() {
    let g = graph(|b, x| {
        let conv1 = b.add("conv1", conv(8), &[x]).unwrap();
        let zero = b.add("zero", ZERO, &[conv1]).unwrap();
        let biased = b.add("biased", conv(8).with_bias(), &[zero]).unwrap();
        b.add("sum", Op::Add, &[conv1, biased]).unwrap()
    });
    assert_eq!(layers(&pruned(&g)), ["conv1", "biased", "sum"]);
}

#[test]
fn zero_runs_through_what_maps_zero_to_zero() {
    let through = [
        conv(4),
        Op::Relu,
        Op::Relu6,
        Op::Hswish,
        Op::Tanh,
        Op::LeakyRelu { slope: 0.1 },
        Op::MaxPool { kernel: [3; 2], stride: [2; 2], pad: [1; 2] },
        Op::AvgPool { kernel: [3; 2], stride: [1; 2], pad: [1; 2], count_padding: true },
        Op::GlobalAvgPool,
        Op::Crop { top: 1, left: 1 },
        Op::Pad { padding: [1; 4] },
        Op::Flatten,
        Op::Dropout { probability: 0.5 },
        Op::Linear { out_features: 3, bias: false },
    ];
    for op in through {
        let g = graph(|b, x| {
            let zero = b.add("zero", ZERO, &[x]).unwrap();
            b.add("op", op.clone(), &[zero]).unwrap()
        });
        let after = pruned(&g);
        assert_eq!(layers(&after), [""; 0], "{op:?}");
        assert_eq!(after.node(after.outputs()[0]).shape, g.node(g.outputs()[0]).shape, "{op:?}");
    }
}

#[test]
fn zero_stops_at_what_adds_something() {
    let adding = [
        conv(4).with_bias(),
        Op::batch_norm(),
        Op::Hsigmoid,
        Op::Sigmoid,
        Op::Softmax { axis: 1 },
        Op::Linear { out_features: 3, bias: true },
    ];
    for op in adding {
        let g = graph(|b, x| {
            let zero = b.add("zero", ZERO, &[x]).unwrap();
            b.add("op", op.clone(), &[zero]).unwrap()
        });
        assert_eq!(layers(&pruned(&g)), ["op"], "{op:?}");
    }
}

#[test]
fn a_sum_drops_its_zero_operands() {
    let sum = |zeros: usize| {
        graph(|b, x| {
            let mut operands: Vec<NodeId> = Vec::new();
            for i in 0..3 {
                let op = if i < zeros { ZERO } else { conv(8) };
                operands.push(b.add(&format!("operand{i}"), op, &[x]).unwrap());
            }
            let sum = b.add("sum", Op::Add, &operands).unwrap();
            b.add("after", Op::batch_norm(), &[sum]).unwrap()
        })
    };
    let expected: [&[&str]; 4] = [
        &["operand0", "operand1", "operand2", "sum", "after"],
        &["operand1", "operand2", "sum", "after"],
        &["operand2", "after"],
        &["after"],
    ];
    for (zeros, expected) in expected.into_iter().enumerate() {
        assert_eq!(layers(&pruned(&sum(zeros))), expected, "{zeros} zeros");
    }
}

#[test]
fn a_product_with_zero_is_zero_and_cuts_the_other_factor() {
    // NNabla-NAS runs all of these except the convolution above the zero.
    let g = graph(|b, x| {
        let above = b.add("above", conv(8), &[x]).unwrap();
        let zero = b.add("zero", ZERO, &[above]).unwrap();
        let sum = b.add("sum", Op::Add, &[zero, x]).unwrap();
        let beside = b.add("beside", conv(8), &[sum]).unwrap();
        let product = b.add("product", Op::Mul, &[zero, beside]).unwrap();
        b.add("after", conv(8), &[product]).unwrap()
    });
    assert_eq!(layers(&pruned(&g)), [""; 0]);
}

#[test]
fn a_concatenation_keeps_its_shape() {
    let concat = |all: bool| {
        graph(|b, x| {
            let zero = b.add("zero", ZERO, &[x]).unwrap();
            let other = if all { zero } else { b.add("other", conv(8), &[x]).unwrap() };
            b.add("concat", Op::Concat { axis: 1 }, &[zero, other]).unwrap()
        })
    };
    for all in [false, true] {
        let after = pruned(&concat(all));
        assert_eq!(layers(&after), if all { vec![] } else { vec!["other", "concat"] });
        assert_eq!(after.node(after.outputs()[0]).shape.0, [1, 16, 16, 16]);
    }
}

#[test]
fn identities_go() {
    let g = graph(|b, x| {
        let y = b.add("identity", Op::Identity, &[x]).unwrap();
        let y = b.add("conv", conv(8), &[y]).unwrap();
        let y = b.add("dropout", Op::Dropout { probability: 0.2 }, &[y]).unwrap();
        let y = b.add("drop_path", Op::DropPath { probability: 0.2 }, &[y]).unwrap();
        let y = b.add("sum_of_one", Op::Add, &[y]).unwrap();
        b.add("concat_of_one", Op::Concat { axis: 1 }, &[y]).unwrap()
    });
    let after = elide_identities(&g);
    assert_eq!(layers(&after), ["conv"]);
    assert_eq!(after.node(after.outputs()[0]).name, "conv");
}

#[test]
fn inputs_stay_even_if_nothing_reads_them() {
    let g = graph(|b, x| b.add("zero", ZERO, &[x]).unwrap());
    assert_eq!(pruned(&g).data_shapes().len(), 1);
}

#[test]
fn equal_subexpressions_are_computed_once() {
    let g = graph(|b, x| {
        let mut operands = Vec::new();
        for i in 0..2 {
            let relu = b.add(&format!("relu{i}"), Op::Relu, &[x]).unwrap();
            let pool = Op::MaxPool { kernel: [3; 2], stride: [1; 2], pad: [1; 2] };
            operands.push(b.add(&format!("pool{i}"), pool, &[relu]).unwrap());
            operands.push(b.add(&format!("conv{i}"), conv(8), &[relu]).unwrap());
        }
        b.add("sum", Op::Add, &operands).unwrap()
    });
    let after = merge_common_subexpressions(&g);
    // The convolutions have weights of their own.
    assert_eq!(layers(&after), ["relu0", "pool0", "conv0", "conv1", "sum"]);
    assert_eq!(after.nodes().last().unwrap().inputs.len(), 4);
}

fn conv_bn_relu6(b: &mut GraphBuilder, x: NodeId) -> [NodeId; 3] {
    let y = b.add("conv", conv(8), &[x]).unwrap();
    let z = b.add("bn", Op::batch_norm(), &[y]).unwrap();
    [y, z, b.add("relu6", Op::Relu6, &[z]).unwrap()]
}

#[test]
fn convolution_normalisation_and_activation_become_one() {
    let g = graph(|b, x| conv_bn_relu6(b, x)[2]);
    let after = Runtime::OnnxRuntime.lower(&g);
    assert_eq!(layers(&after), ["conv"]);
    let Op::Conv { bias, activation, .. } = after.nodes()[1].op else { panic!("not a convolution") };
    assert!(bias);
    assert_eq!(activation, Some(Activation::Relu6));
    assert_eq!(layers(&Runtime::TorchEager.lower(&g)), ["conv", "bn", "relu6"]);
}

#[test]
fn a_value_that_something_else_reads_is_not_fused_away() {
    let read_twice = graph(|b, x| {
        let [conv, _, relu6] = conv_bn_relu6(b, x);
        b.add("sum", Op::Add, &[conv, relu6]).unwrap()
    });
    assert_eq!(layers(&Runtime::OnnxRuntime.lower(&read_twice)), ["conv", "bn", "relu6", "sum"]);

    let middle_read_twice = graph(|b, x| {
        let [_, bn, relu6] = conv_bn_relu6(b, x);
        b.add("sum", Op::Add, &[bn, relu6]).unwrap()
    });
    assert_eq!(layers(&Runtime::OnnxRuntime.lower(&middle_read_twice)), ["conv", "relu6", "sum"]);

    let mut b = GraphBuilder::new();
    let x = b.input("in", [1, 8, 16, 16]).unwrap();
    let [conv, _, relu6] = conv_bn_relu6(&mut b, x);
    let output_too = b.build(&[conv, relu6]).unwrap();
    assert_eq!(layers(&Runtime::OnnxRuntime.lower(&output_too)), ["conv", "bn", "relu6"]);
}

#[test]
fn nothing_is_fused_after_an_activation() {
    let g = graph(|b, x| {
        let y = b.add("conv", conv(8), &[x]).unwrap();
        let y = b.add("relu", Op::Relu, &[y]).unwrap();
        let y = b.add("bn", Op::batch_norm(), &[y]).unwrap();
        b.add("relu6", Op::Relu6, &[y]).unwrap()
    });
    assert_eq!(layers(&fuse_conv_batch_norm_activation(&g)), ["conv", "bn", "relu6"]);
}

#[test]
fn another_batch_or_input_is_one_call() {
    let g = worked_example();
    let batch = g.with_batch(4).unwrap();
    assert!(batch.nodes().iter().all(|n| n.shape.batch() == 4));
    assert_eq!(batch.cost().macs, 4 * g.cost().macs);
    assert_eq!(batch.with_batch(1).unwrap(), g);
    let pruned = pruned(&select(&g, &Arch(vec![0])).unwrap());
    assert_eq!(pruned.with_batch(4).unwrap().node(pruned.outputs()[0]).shape.0, [4, 8, 16, 16]);
    let small = g.with_inputs(|_| [1, 8, 4, 4].into()).unwrap();
    assert_eq!(small.node(small.outputs()[0]).shape.0, [1, 8, 4, 4]);
    assert!(g.with_batch(0).is_err());
    assert!(g.with_inputs(|_| [1, 8].into()).unwrap_err().to_string().starts_with("node `conv1` (conv): "));
}

#[test]
fn passes_do_not_depend_on_how_often_they_run() {
    let g = select(&worked_example(), &Arch(vec![0])).unwrap();
    for runtime in [Runtime::TorchEager, Runtime::OnnxRuntime] {
        let once = runtime.lower(&g);
        assert_eq!(runtime.lower(&once), once);
    }
    assert_eq!(fold_zeros(&fold_zeros(&g)), fold_zeros(&g));
    assert_eq!(eliminate_dead_code(&eliminate_dead_code(&g)), eliminate_dead_code(&g));
}

#[test]
fn an_architecture_of_another_graph_is_refused() {
    let g = worked_example();
    for (arch, message) in [
        (vec![], "the architecture selects 0 choices, the graph has 1"),
        (vec![0, 0], "the architecture selects 2 choices, the graph has 1"),
        (vec![2], "choice `choice` has 2 candidates, index 2 selected"),
    ] {
        assert_eq!(select(&g, &Arch(arch)).unwrap_err().to_string(), message);
    }
}
