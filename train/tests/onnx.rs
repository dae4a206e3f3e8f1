//! Exported models on ONNX Runtime give the numbers that the network gives here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path as FilePath;

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Function, Graph, GraphBuilder, NodeId, Op, PadMode, Reduction, ResizeMode};
use nasprof_onnx::{Weights, write};
use nasprof_spaces::Space;
use nasprof_testkit::draws::normal;
use nasprof_testkit::graphs::conv_nd;
use nasprof_testkit::python::{ONNX, python};
use nasprof_train::supernet::{Path, Phase, Supernet};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

/// Runs each model on its data, and prints the largest error relative to the largest expected value.
const RUN: &str = r#"
import json, sys, numpy, onnx, onnxruntime
errors = []
for folder in sys.argv[1:]:
    onnx.checker.check_model(folder + "/model.onnx", full_check=True)
    session = onnxruntime.InferenceSession(folder + "/model.onnx", providers=["CPUExecutionProvider"])
    data = numpy.fromfile(folder + "/data", numpy.float32).reshape(session.get_inputs()[0].shape)
    values = session.run(None, {session.get_inputs()[0].name: data})
    expected = numpy.fromfile(folder + "/expected", numpy.float32)
    actual = numpy.concatenate([value.flatten() for value in values])
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    errors.append(float(numpy.abs(actual - expected).max() / numpy.abs(expected).max()))
print(json.dumps(errors))
"#;

/// Writes data, the network's values, and the model of `exported` with the network's weights.
fn prepare(folder: &FilePath, network: &Graph, exported: &Graph) {
    let net = Supernet::new(network.clone(), 3, Device::Cpu).unwrap();
    let _guard = tch::no_grad_guard();
    for (i, p) in net.parameters().all().iter().enumerate() {
        // Every statistic and bias takes part, and activations stay near one.
        let mut tensor = p.tensor.detach();
        let random = Tensor::from_slice(&normal(1 + i as u64, tensor.numel())).view_as(&tensor);
        match p.name.rsplit('/').next().unwrap() {
            "weight" => {
                let inputs = tensor.size()[1..].iter().product::<i64>() as f64;
                tensor.copy_(&(random * (2.0 / inputs).sqrt()));
            }
            "slope" => {}
            _ => tensor.copy_(&(&tensor + random.abs() * 0.1)),
        }
    }
    let dims: Vec<i64> = network.data_shapes()[0].0.iter().map(|&d| d as i64).collect();
    let count = dims.iter().product::<i64>() as usize;
    let data = Tensor::from_slice(&normal(0, count)).view(dims.as_slice());
    let values = net.forward(&data, Path::Selected(&Arch(Vec::new())), Phase::Evaluate).unwrap().values;
    let expected = Tensor::cat(&values.iter().map(|v| v.flatten(0, -1)).collect::<Vec<_>>(), 0);
    assert!(expected.abs().max().double_value(&[]) > 1e-3, "values that vanish show nothing");
    let named: Vec<(String, Tensor)> =
        net.parameters().all().iter().map(|p| (format!("net/{}", p.name), p.tensor.shallow_clone())).collect();
    let file = folder.join("weights.safetensors");
    Tensor::write_safetensors(&named, &file).unwrap();
    let bytes = std::fs::read(file).unwrap();
    let model = write(exported, "test", &Weights::trained(&bytes).unwrap(), &[]).unwrap();
    std::fs::write(folder.join("model.onnx"), model).unwrap();
    for (name, tensor) in [("data", &data), ("expected", &expected)] {
        let values: Vec<f32> = tensor.flatten(0, -1).iter::<f64>().unwrap().map(|v| v as f32).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Errors of models against networks; `None` where there is no ONNX Runtime.
fn errors(pairs: &[(Graph, Graph)]) -> Option<Vec<f64>> {
    let folder = tempfile::tempdir().unwrap();
    let folders: Vec<_> = (0..pairs.len()).map(|i| folder.path().join(i.to_string())).collect();
    for (folder, (network, exported)) in folders.iter().zip(pairs) {
        std::fs::create_dir(folder).unwrap();
        prepare(folder, network, exported);
    }
    let output = python(ONNX, RUN, &folders.iter().map(|f| f.as_path()).collect::<Vec<_>>())?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A network of one operation after another, on maps of odd size.
fn chain(ops: &[Op]) -> Graph {
    let mut b = GraphBuilder::new();
    let mut x = b.input("x", [2, 8, 11, 13]).unwrap();
    for (i, op) in ops.iter().enumerate() {
        x = b.add(&format!("op_{i}"), op.clone(), &[x]).unwrap();
    }
    b.build(&[x]).unwrap()
}

fn joined(add: impl Fn(&mut GraphBuilder, NodeId) -> Vec<NodeId>) -> Graph {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [2, 8, 11, 13]).unwrap();
    let outputs = add(&mut b, x);
    b.build(&outputs).unwrap()
}

fn conv() -> Op {
    Op::Conv {
        out_channels: 12,
        kernel: [5, 3],
        stride: [2, 1],
        pad: [2, 1],
        dilation: [1, 2],
        groups: 4,
        bias: true,
        activation: None,
    }
}

fn average(count_padding: bool) -> Op {
    Op::AvgPool { kernel: [3, 3], stride: [2, 2], pad: [1, 1], count_padding }
}

/// Operations on any number of dimensions, each after what makes its operand fit.
fn general_operations() -> Vec<Vec<Op>> {
    let of = Op::elementwise;
    let with = |function, parameters: &[f64]| Op::Elementwise { function, parameters: parameters.to_vec() };
    let positive = || vec![of(Function::Abs), with(Function::BroadcastAdd, &[0.1])];
    let reduce = |kind, axes: &[usize], keep| Op::Reduce { kind, axes: axes.to_vec(), keep };
    let pool = |kind, ceil, dilation| Op::PoolNd {
        kind,
        kernel: vec![3, 2],
        stride: vec![2, 2],
        pad: vec![1, 0],
        dilation: vec![dilation; 2],
        ceil,
        count_padding: true,
    };
    let convolution = |dimensions, transposed| conv_nd(6, dimensions, transposed);
    let functions = [
        Function::Neg,
        Function::Exp,
        Function::Erf,
        Function::Gelu,
        Function::Silu,
        Function::Mish,
        Function::Softplus,
        Function::Softsign,
        Function::Elu,
        Function::Selu,
        Function::Sin,
        Function::Cos,
        Function::Floor,
        Function::Ceil,
        Function::Sign,
    ];
    let mut all: Vec<Vec<Op>> = functions.into_iter().map(|function| vec![of(function)]).collect();
    for function in [Function::Log, Function::Sqrt, Function::Reciprocal] {
        all.push([positive(), vec![of(function)]].concat());
    }
    for (function, number) in [
        (Function::Sub, 0.3),
        (Function::BroadcastMul, 1.7),
        (Function::Div, 3.0),
        (Function::Pow, 2.0),
        (Function::Max, 0.1),
        (Function::Min, 0.1),
    ] {
        all.push(vec![with(function, &[number])]);
    }
    all.extend([
        vec![with(Function::Clamp, &[-0.5, 0.25])],
        vec![with(Function::Greater, &[0.1]), of(Function::ToFloat)],
        vec![reduce(Reduction::Mean, &[1], true)],
        vec![reduce(Reduction::Sum, &[0, 3], false)],
        vec![reduce(Reduction::Max, &[2], false)],
        vec![reduce(Reduction::Min, &[1, 2, 3], true)],
        vec![reduce(Reduction::Prod, &[1], false)],
        vec![reduce(Reduction::L2, &[2, 3], true)],
        vec![reduce(Reduction::LogSumExp, &[1], true)],
        vec![Op::Transpose { order: vec![0, 2, 3, 1] }],
        vec![Op::Reshape { rest: vec![4, 2, 143] }, Op::Transpose { order: vec![0, 2, 1, 3] }],
        vec![Op::Slice { axis: 3, start: 1, end: 12, step: 3 }],
        vec![reduce(Reduction::Mean, &[2], true), Op::Expand { shape: [1, 8, 5, 13].into() }],
        vec![convolution(2, false)],
        vec![convolution(2, true)],
        vec![Op::Reshape { rest: vec![8, 143] }, convolution(1, false), convolution(1, true)],
        vec![Op::Reshape { rest: vec![4, 2, 11, 13] }, convolution(3, false)],
        vec![pool(Reduction::Max, true, 1)],
        vec![pool(Reduction::Max, false, 2)],
        vec![pool(Reduction::Mean, false, 1)],
        vec![Op::PadNd { pads: vec![[0, 0], [1, 2], [0, 0], [3, 0]], mode: PadMode::Constant }],
        vec![Op::PadNd { pads: vec![[0, 0], [0, 0], [1, 2], [3, 0]], mode: PadMode::Reflect }],
        vec![Op::PadNd { pads: vec![[0, 0], [0, 0], [1, 2], [3, 0]], mode: PadMode::Edge }],
        vec![Op::LayerNorm { axis: 3, epsilon: 1e-3, bias: true }],
        vec![Op::LayerNorm { axis: 2, epsilon: 1e-5, bias: false }],
        vec![Op::GroupNorm { groups: 8, epsilon: 1e-3 }],
    ]);
    all
}

fn every_operation() -> Vec<Graph> {
    let pool = Op::MaxPool { kernel: [3, 2], stride: [2, 1], pad: [1, 0] };
    let resize = |size, mode| Op::Resize { size, mode };
    let mut graphs: Vec<Graph> = [
        vec![conv(), Op::batch_norm(), Op::Relu6],
        vec![Op::BatchNorm { epsilon: 0.1 }, Op::Relu],
        vec![Op::LeakyRelu { slope: 0.2 }, Op::Tanh],
        vec![Op::Hsigmoid],
        vec![Op::Hswish],
        vec![Op::Sigmoid, Op::Softmax { axis: 1 }],
        vec![pool],
        vec![average(true)],
        vec![average(false)],
        vec![Op::GlobalAvgPool, Op::Flatten, Op::Linear { out_features: 5, bias: true }],
        vec![Op::Linear { out_features: 5, bias: true }, Op::Linear { out_features: 6, bias: false }],
        vec![Op::Dropout { probability: 0.5 }, Op::DropPath { probability: 0.5 }, Op::Identity],
        vec![Op::Crop { top: 1, left: 2 }],
        vec![Op::Pad { padding: [1, 2, 3, 4] }],
        vec![resize([22, 39], ResizeMode::Nearest)],
        vec![resize([7, 5], ResizeMode::Nearest)],
        vec![resize([22, 20], ResizeMode::Bilinear)],
        vec![resize([1, 6], ResizeMode::Bilinear)],
    ]
    .into_iter()
    .chain(general_operations())
    .map(|ops| chain(&ops))
    .collect();
    graphs.push(joined(|b, x| {
        let y = b.add("tanh", Op::Tanh, &[x]).unwrap();
        let two = b.add("two", Op::Add, &[x, y]).unwrap();
        let three = b.add("three", Op::Add, &[x, y, two]).unwrap();
        let zero = b.add("zero", Op::Zero { stride: [1, 1] }, &[x]).unwrap();
        vec![b.add("all", Op::Concat { axis: 1 }, &[three, x, zero]).unwrap(), two, two]
    }));
    graphs.push(joined(|b, x| {
        let gate = b.add("gate", Op::GlobalAvgPool, &[x]).unwrap();
        let gated = b.add("gated", Op::Mul, &[x, gate, x]).unwrap();
        let turned = b.add("turned", Op::Resize { size: [13, 11], mode: ResizeMode::Nearest }, &[x]).unwrap();
        vec![b.add("product", Op::MatMul, &[gated, turned]).unwrap(), x]
    }));
    graphs
}

#[test]
fn every_operation_means_the_same() {
    let pairs: Vec<_> = every_operation().into_iter().map(|g| (g.clone(), g)).collect();
    let Some(errors) = errors(&pairs) else { return };
    for ((graph, _), error) in pairs.iter().zip(errors) {
        assert!(error < 1e-4, "{error}: {:?}", graph.nodes());
    }
}

/// The control: where the exported network differs in one attribute, the numbers do.
#[test]
fn a_wrong_attribute_is_seen() {
    let with = |op: Op| chain(&[op]);
    let pairs = [
        (with(average(true)), with(average(false))),
        (with(Op::Hswish), with(Op::Relu6)),
        (with(Op::BatchNorm { epsilon: 1e-5 }), with(Op::BatchNorm { epsilon: 1e-2 })),
        (with(Op::LeakyRelu { slope: 0.2 }), with(Op::LeakyRelu { slope: 0.201 })),
        (with(Op::Softmax { axis: 1 }), with(Op::Softmax { axis: 2 })),
        (
            with(Op::Resize { size: [22, 20], mode: ResizeMode::Bilinear }),
            with(Op::Resize { size: [22, 20], mode: ResizeMode::Nearest }),
        ),
    ];
    let Some(errors) = errors(&pairs) else { return };
    for (error, (network, _)) in errors.iter().zip(&pairs) {
        assert!(*error > 1e-4, "{error}: {:?}", network.nodes());
    }
}

#[test]
fn sampled_networks_give_the_same_numbers() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let pairs: Vec<_> = [
        "mobilenet-cifar10",
        "darts-cifar10",
        "zoph-cifar10",
        "random-wired-cifar10",
        "ofa-mbv3",
        "ofa-resnet50",
        "ofa-xception",
        "fairnas-cifar10",
    ]
    .iter()
    .map(|name| {
        let space = Space::builtin(name).unwrap();
        let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng)).unwrap().into_graph();
        (graph.clone(), graph)
    })
    .collect();
    let Some(errors) = errors(&pairs) else { return };
    for (i, error) in errors.iter().enumerate() {
        assert!(*error < 1e-4, "{i}: {error}");
    }
}
