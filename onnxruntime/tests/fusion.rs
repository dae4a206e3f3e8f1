//! What ONNX Runtime makes of networks is what the passes say: compared with the runtime's own optimised models.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "what was compared is said")]

use nasprof_graph::passes::fuse_as_onnx_runtime;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, GraphBuilder, Op};
use nasprof_onnxruntime::OnnxRuntimeDevice;
use nasprof_profiler::protocol::{Allocator, Device, Layout, Precision, Setup};
use nasprof_spaces::{Space, builtin_names};
use nasprof_testkit::skip::skip;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Architectures of a space.
const ARCHS: usize = 50;
/// Spaces whose networks have many weights get fewer: writing weights is what takes time.
const WEIGHTS: u64 = 100_000_000;
const FEWEST: usize = 12;

/// The device and its runtime; `None` where there is no library.
fn device(precision: Precision) -> Option<(OnnxRuntimeDevice, Runtime)> {
    let mut device = OnnxRuntimeDevice::named("onnxruntime").unwrap().unwrap();
    let setup = Setup {
        backend: "onnxruntime".to_owned(),
        threads: 1,
        cores: Vec::new(),
        allocator: Allocator::System,
        precision,
        layout: Layout::ChannelsFirst,
        timing: None,
        seed: 0,
        session: 0,
        clocks: None,
        clock_copy: String::new(),
    };
    match device.configure(&setup) {
        Ok(fingerprint) => {
            assert_eq!(fingerprint.facts["precision"], precision.name());
            let layout = &fingerprint.facts["layout"];
            if precision == Precision::Int8 {
                assert_eq!(layout, "NHWC");
                return Some((device, Runtime::OnnxRuntimeInt8));
            }
            let block = layout.strip_prefix("NCHW").unwrap().trim_end_matches('c').parse().unwrap_or(0);
            Some((device, Runtime::onnx_runtime(block).unwrap()))
        }
        Err(error) if error.to_string().contains("found no libonnxruntime") => {
            skip(error);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Compares networks of every built-in space with what the runtime makes of them.
fn compare(device: &OnnxRuntimeDevice, runtime: Runtime) {
    let mut wrong = Vec::new();
    for name in builtin_names() {
        let space = Space::builtin(name).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut done, mut weights) = (0, 0);
        while done < ARCHS && (weights < WEIGHTS || done < FEWEST) {
            let network = runtime.subnet(&space.graph, &space.sample(&mut rng)).unwrap();
            weights += network.cost().params;
            done += 1;
            if let Err(error) = device.agrees(network.graph()) {
                wrong.push(format!("{name}, architecture {done}: {error}"));
            }
        }
        eprintln!("{name}: {done} architectures compared");
    }
    assert!(wrong.is_empty(), "{} networks came out otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn networks_come_out_as_predicted() {
    let Some((device, runtime)) = device(Precision::Float32) else { return };
    compare(&device, runtime);
    // The control: what another runtime would make of a network is told from it.
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let arch = space.sample(&mut ChaCha8Rng::seed_from_u64(1));
    for other in [Runtime::TorchEager, Runtime::OnnxRuntimeNchw8c, Runtime::OnnxRuntime] {
        let network = other.subnet(&space.graph, &arch).unwrap();
        if runtime.subnet(&space.graph, &arch).unwrap() != network {
            assert!(device.agrees(network.graph()).is_err() || other == Runtime::OnnxRuntimeNchw8c, "{other:?}");
        }
    }
}

/// A convolution of so many channels between two of 16, with what follows it.
fn between(channels: usize, groups: usize, after: &[Op]) -> Graph {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 16, 8, 8]).unwrap();
    let first = b.add("first", Op::conv(channels, 1, 1, 0).with_bias(), &[x]).unwrap();
    let conv = Op::conv(channels, 3, 1, 1).with_groups(groups).with_bias();
    let mut last = b.add("middle", conv, &[first]).unwrap();
    for (i, op) in after.iter().enumerate() {
        last = b.add(&format!("after{i}"), op.clone(), &[last]).unwrap();
    }
    let last = b.add("last", Op::conv(16, 1, 1, 0).with_bias(), &[last]).unwrap();
    let flat = b.add("flat", Op::Flatten, &[last]).unwrap();
    b.build(&[flat]).unwrap()
}

/// A network of a convolution, a sum with its operand if one is asked for, and what follows, which ends it.
fn ends(sum: bool, after: &[Op]) -> Graph {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 16, 8, 8]).unwrap();
    let first = b.add("first", Op::conv(16, 1, 1, 0).with_bias(), &[x]).unwrap();
    let mut last = b.add("middle", Op::conv(16, 3, 1, 1).with_bias(), &[first]).unwrap();
    if sum {
        last = b.add("sum", Op::Add, &[last, first]).unwrap();
    }
    for (i, op) in after.iter().enumerate() {
        last = b.add(&format!("after{i}"), op.clone(), &[last]).unwrap();
    }
    b.build(&[last]).unwrap()
}

#[test]
fn networks_in_8_bit_integers_come_out_as_predicted() {
    let Some((device, runtime)) = device(Precision::Int8) else { return };
    compare(&device, runtime);
    // The control: a layer in another layout is told.
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let network = runtime.subnet(&space.graph, &space.sample(&mut ChaCha8Rng::seed_from_u64(1))).unwrap().into_graph();
    let json = serde_json::to_string(&network).unwrap();
    let other = json.replacen("\"channels_last\":true", "\"channels_last\":false", 1);
    assert_ne!(json, other);
    let error = device.agrees(&serde_json::from_str(&other).unwrap()).unwrap_err().to_string();
    assert!(error.contains("ONNX Runtime runs QLinearConv in NHWC on"), "{error}");
}

/// What computes with floats between integers, and values that several kernels read in several layouts.
#[test]
fn floats_and_branches_among_8_bit_integers_come_out_as_predicted() {
    let Some((device, runtime)) = device(Precision::Int8) else { return };
    let mut wrong = Vec::new();
    let cases = cases();
    for graph in &cases {
        if let Err(error) = device.agrees(&runtime.lower(graph)) {
            let ops: Vec<&str> = graph.nodes().iter().map(|node| node.op.name()).collect();
            wrong.push(format!("{}: {error}", ops.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Networks whose values go several ways, and the ones of [`odd`].
fn cases() -> Vec<Graph> {
    // What becomes of a maximum that only a ReLU reads is not predicted (docs/onnxruntime.md).
    let is_relu_of_maximum = |graph: &Graph| {
        graph.nodes().iter().any(|node| {
            let of = node.inputs.first().map(|id| &graph.node(*id).op);
            matches!(node.op, Op::Relu | Op::Relu6) && matches!(of, Some(Op::MaxPool { .. }))
        })
    };
    let mut cases: Vec<Graph> = odd().into_iter().filter(|graph| !is_relu_of_maximum(graph)).collect();
    // Of two that read a convolution's value, one is of each kind.
    let kinds = [
        Op::conv(16, 1, 1, 0).with_bias(),
        Op::MaxPool { kernel: [3, 3], stride: [1, 1], pad: [1, 1] },
        Op::AvgPool { kernel: [3, 3], stride: [1, 1], pad: [1, 1], count_padding: true },
        Op::batch_norm(),
        Op::Relu,
        Op::Sigmoid,
        Op::Hswish,
        Op::Tanh,
    ];
    for (left, right) in kinds.iter().flat_map(|left| kinds.iter().map(move |right| (left, right))) {
        for join in [Op::Add, Op::Concat { axis: 1 }, Op::Mul] {
            for ends_in_conv in [false, true] {
                let mut b = GraphBuilder::new();
                let x = b.input("x", [1, 16, 8, 8]).unwrap();
                let stem = b.add("stem", Op::conv(16, 3, 1, 1).with_bias(), &[x]).unwrap();
                let left = b.add("left", left.clone(), &[stem]).unwrap();
                let right = b.add("right", right.clone(), &[stem]).unwrap();
                let join = b.add("join", join.clone(), &[left, right, stem]).unwrap();
                let last = if ends_in_conv { Op::conv(16, 1, 1, 0).with_bias() } else { Op::GlobalAvgPool };
                let last = b.add("last", last, &[join]).unwrap();
                let flat = b.add("flat", Op::Flatten, &[last]).unwrap();
                let linear = b.add("linear", Op::Linear { out_features: 10, bias: true }, &[flat]).unwrap();
                cases.push(b.build(&[linear]).unwrap());
            }
        }
    }
    cases
}

/// Where the rules bend: channels that fit no block, groups, every activation.
#[test]
fn odd_channels_groups_and_activations_come_out_as_predicted() {
    let Some((device, runtime)) = device(Precision::Float32) else { return };
    let block = runtime.onnx_runtime_block().unwrap();
    let cases = odd();
    let mut wrong = Vec::new();
    for graph in &cases {
        // Parts that shrink to nothing are no graphs of ours.
        if let Err(error) = device.agrees(&fuse_as_onnx_runtime(graph, block)) {
            let ops: Vec<&str> = graph.nodes().iter().map(|node| node.op.name()).collect();
            wrong.push(format!("{} {:?}: {error}", ops.join(" "), graph.nodes()[2].op));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Networks of odd channels, groups and activations.
fn odd() -> Vec<Graph> {
    let max_pool = Op::MaxPool { kernel: [3, 3], stride: [1, 1], pad: [1, 1] };
    let avg_pool = Op::AvgPool { kernel: [3, 3], stride: [2, 2], pad: [1, 1], count_padding: false };
    let mut cases = Vec::new();
    for channels in [1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 30, 32, 36, 48] {
        for groups in [1, 2, channels] {
            if channels % groups == 0 {
                cases.push(between(channels, groups, &[]));
                cases.push(between(channels, groups, &[Op::Relu]));
                cases.push(between(channels, groups, &[max_pool.clone(), Op::batch_norm(), Op::Relu]));
            }
        }
    }
    for op in [
        Op::Relu,
        Op::Relu6,
        Op::LeakyRelu { slope: 0.1 },
        Op::Hsigmoid,
        Op::Hswish,
        Op::Sigmoid,
        Op::Tanh,
        Op::Softmax { axis: 1 },
        Op::GlobalAvgPool,
        avg_pool,
        Op::Crop { top: 1, left: 1 },
    ] {
        for channels in [16, 20] {
            cases.push(between(channels, 1, std::slice::from_ref(&op)));
            // Of one pixel nothing can be cut off.
            if !matches!(op, Op::Crop { .. }) {
                cases.push(between(channels, 1, &[Op::GlobalAvgPool, op.clone()]).with_inputs(Clone::clone).unwrap());
            }
        }
    }
    let pad = Op::Pad { padding: [1, 1, 2, 2] };
    for op in
        [Op::Relu, Op::Relu6, Op::Hsigmoid, Op::Hswish, Op::Sigmoid, max_pool.clone(), Op::GlobalAvgPool, pad.clone()]
    {
        for sum in [false, true] {
            cases.push(ends(sum, &[]));
            cases.push(ends(sum, &[op.clone(), max_pool.clone()]));
            // A hard swish that ends a network is not predicted (docs/onnxruntime.md).
            if op != Op::Hswish {
                cases.push(ends(sum, std::slice::from_ref(&op)));
            }
            cases.push(ends(sum, &[max_pool.clone(), op.clone()]));
            cases.push(ends(sum, &[op.clone(), Op::conv(16, 3, 1, 1).with_bias()]));
            cases.push(ends(sum, &[max_pool.clone(), op.clone(), Op::conv(16, 3, 1, 1).with_bias()]));
        }
    }
    cases
}
