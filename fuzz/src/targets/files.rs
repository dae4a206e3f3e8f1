//! Files that people write, and models of other programs.

use std::cell::OnceCell;

use nasprof_devices::find;
use nasprof_graph::runtime::Runtime;
use nasprof_onnx::{Weights, read, write};
use nasprof_search::config::Experiment;
use nasprof_spaces::{SpaceSpec, builtin_names, builtin_text};
use rand::SeedableRng;
use tempfile::TempDir;

use super::measured;
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
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let space = measured::space();
    let network = |space: &nasprof_spaces::Space, rng: &mut rand_chacha::ChaCha8Rng| {
        let arch = space.sample(rng);
        Runtime::TorchEager
            .subnet(&space.graph, &arch)
            .expect("an architecture of the space is selected")
            .graph()
            .clone()
    };
    let mut graphs = vec![network(&space, &mut rng), network(&space, &mut rng)];
    graphs.extend(operations());
    let model = |graph| write(&graph, "seed", &Weights::Random { seed: 0 }, &[]).expect("a small network is written");
    graphs.into_iter().map(model).collect()
}

/// Networks with operations that the small space lacks.
fn operations() -> Vec<nasprof_graph::Graph> {
    let darts = "format_version = 1\nkind = \"darts\"\ninput = [1, 8, 8]\nnum_classes = 2\nchannels = 2\ncells = 3\n";
    let Ok(space) = SpaceSpec::parse(darts).and_then(|spec| spec.build("cells")) else { return Vec::new() };
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let arch = space.sample(&mut rng);
    Runtime::TorchEager.subnet(&space.graph, &arch).map(|network| network.graph().clone()).into_iter().collect()
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
