//! Files that people write, and models of other programs.

use std::cell::OnceCell;

use nasprof_devices::find;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, GraphBuilder, GraphError, Op};
use nasprof_onnx::{Weights, read, write};
use nasprof_search::config::Experiment;
use nasprof_spaces::{SpaceSpec, builtin_names, builtin_text};
use rand::SeedableRng;
use tempfile::TempDir;

use crate::slow;

/// Most parameters of a network whose model is written again: weights are made for it.
const MOST_PARAMETERS: u64 = 10_000;

pub(super) fn onnx(data: &[u8]) {
    let Ok(graph) = read(data) else { return };
    slow::recount(&graph).expect("shapes and MACs are those that are counted");
    let cost = graph.cost();
    if cost.params.saturating_add(cost.buffers) > MOST_PARAMETERS {
        return;
    }
    // Written as a model and read again, it is as large and does as much.
    if let Ok(model) = write(&graph, "again", &Weights::Random { seed: 0 }, &[]) {
        let again = read(&model).expect("a model of ours is read");
        let macs = again.cost().macs;
        assert_eq!(macs, cost.macs, "MACs of the model written again");
    }
}

pub(super) fn onnx_seeds() -> Vec<Vec<u8>> {
    let graphs = [operations(), activations()].map(|graph| graph.expect("the graph is built"));
    let model = |graph| write(&graph, "seed", &Weights::Random { seed: 0 }, &[]).expect("a small network is written");
    graphs.into_iter().map(model).collect()
}

/// A network with most operations. It is small: fuzzing reads no more than 64 KiB, and a model that is cut is refused at the first look.
fn operations() -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 4, 8, 8])?;
    let conv = b.add("conv", Op::conv(4, 3, 1, 1).with_bias(), &[x])?;
    let norm = b.add("norm", Op::batch_norm(), &[conv])?;
    let relu = b.add("relu", Op::Relu6, &[norm])?;
    let depthwise = b.add("depthwise", Op::conv(4, 3, 1, 1).with_groups(4), &[relu])?;
    let gate = b.add("gate", Op::Sigmoid, &[depthwise])?;
    let product = b.add("product", Op::Mul, &[depthwise, gate])?;
    let sum = b.add("sum", Op::Add, &[product, x])?;
    let padded = b.add("pad", Op::Pad { padding: [1, 0, 1, 0] }, &[sum])?;
    let cropped = b.add("crop", Op::Crop { top: 1, left: 1 }, &[padded])?;
    let (kernel, stride, pad) = ([2, 2], [2, 2], [0, 0]);
    let largest = b.add("largest", Op::MaxPool { kernel, stride, pad }, &[cropped])?;
    let mean = b.add("mean", Op::AvgPool { kernel, stride, pad, count_padding: true }, &[cropped])?;
    let both = b.add("both", Op::Concat { axis: 1 }, &[largest, mean])?;
    let whole = b.add("whole", Op::GlobalAvgPool, &[both])?;
    let flat = b.add("flat", Op::Flatten, &[whole])?;
    let linear = b.add("linear", Op::Linear { out_features: 3, bias: true }, &[flat])?;
    let softmax = b.add("softmax", Op::Softmax { axis: 1 }, &[linear])?;
    b.build(&[softmax])
}

/// The functions between layers.
fn activations() -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new();
    let mut value = b.input("x", [1, 2, 4, 4])?;
    for (name, op) in [("relu", Op::Relu), ("tanh", Op::Tanh), ("hard", Op::Hsigmoid), ("swish", Op::Hswish)] {
        value = b.add(name, op, &[value])?;
    }
    b.build(&[value])
}

pub(super) fn space(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(spec) = SpaceSpec::parse(text) else { return };
    if let Ok(space) = spec.build("fuzzed") {
        slow::recount(&space.graph).expect("shapes and MACs are those that are counted");
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
        let _ = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng));
    }
}

pub(super) fn space_seeds() -> Vec<Vec<u8>> {
    builtin_names().filter_map(|name| builtin_text(name).ok()).map(|text| text.as_bytes().to_vec()).collect()
}

pub(super) fn device(data: &[u8]) {
    thread_local! {
        static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
    }
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| tempfile::tempdir().expect("a temporary folder is made"));
        std::fs::write(folder.path().join("fuzzed.toml"), data).expect("a file is written");
        let _ = find("fuzzed", Some(folder.path()), &[]);
    });
}

pub(super) fn device_seeds() -> Vec<Vec<u8>> {
    let files = [
        include_str!("../../../configs/devices/local.toml"),
        include_str!("../../../configs/devices/jetson.toml"),
        include_str!("../../../configs/devices/raspberry-pi.toml"),
        "format_version = 1\ndevices = [\"local\", \"jetson\"]\n",
    ];
    files.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(super) fn experiment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(experiment) = Experiment::parse(text, &[]) else { return };
    // What a run keeps in its folder is the same experiment.
    let again = Experiment::parse(&experiment.resolved_toml(), &[]).expect("a written experiment is read");
    assert_eq!(again, experiment);
}

pub(super) fn experiment_seeds() -> Vec<Vec<u8>> {
    let files = [
        include_str!("../../../configs/experiments/quick-pnas.toml"),
        include_str!("../../../configs/experiments/quick-darts.toml"),
        include_str!("../../../configs/experiments/quick-evolution.toml"),
        include_str!("../../../configs/experiments/quick-train.toml"),
    ];
    files.map(|text| text.as_bytes().to_vec()).to_vec()
}
