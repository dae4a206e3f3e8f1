//! What the benches of training steps share: an experiment on images made up here, and how times are written.

#![allow(dead_code, reason = "each bench uses its part")]

use nasprof_search::config::{Experiment, Plan};
use nasprof_spaces::{Space, SpaceSpec, builtin_text};
use nasprof_train::{MiniBatch, SearchError};
use tch::{Device, Kind, Tensor};

/// A search of a built-in space, without images: the benches make their own.
pub(crate) fn plan(space: &str, searcher: &str) -> Plan {
    let text = format!(
        "format_version = 1\nspace = {space:?}\n\
         [data]\ndataset = \"cifar10\"\n\
         [training]\nepochs = 1\nbatch_size = 64\ncompute = \"cpu\"\n\
         [optimizers.weights]\nkind = \"momentum\"\nlearning_rate = 0.025\nmomentum = 0.9\nweight_decay = 3e-4\n\
         [optimizers.architecture]\nkind = \"adam\"\nlearning_rate = 3e-4\nbetas = [0.5, 0.999]\n\
         [searcher]\nkind = \"{searcher}\"\n"
    );
    let experiment = Experiment::parse(&text, &[]).unwrap();
    let spec = SpaceSpec::parse(builtin_text(space).unwrap()).unwrap();
    let space = Space::builtin(space).unwrap();
    Plan { experiment, spec, space, loaders: None, network: None, regularizers: Vec::new(), warnings: Vec::new() }
}

/// Random images and classes for the networks of a space.
pub(crate) fn batch(space: &Space, images: i64, seed: i64) -> Result<MiniBatch, SearchError> {
    let mut dims: Vec<i64> = space.graph.data_shapes()[0].0.iter().map(|&d| d as i64).collect();
    dims[0] = images;
    tch::manual_seed(seed);
    let labels = Tensor::f_randint(10, [images], (Kind::Int64, Device::Cpu))?;
    Ok(MiniBatch { images: Tensor::f_randn(dims, (Kind::Float, Device::Cpu))?, labels })
}

/// Threads from the environment, and the allocator as `nasprof-search` has it.
pub(crate) fn prepare(threads: usize) {
    nasprof_agent::retain_freed_memory().unwrap();
    tch::set_num_threads(threads as i32);
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}
