//! The cost of a search step besides training: the share of the regularizers in its time, and its peak memory.
//!
//! `cargo bench -p nasprof-train --bench steps`. THREADS (2) and ROUNDS (5) come from the environment.
//! Memory is measured in fresh processes of this program, with the case as an argument.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and fails by panicking")]

mod common;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use nasprof_graph::Arch;
use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_search::config::{LoadedRegularizer, Plan, Quantity, Regularizer, RegularizerKind};
use nasprof_testkit::luts as lut;
use nasprof_train::regularizers::Regularizers;
use nasprof_train::supernet::Path;
use nasprof_train::{Gradients, Session, searchers};
use tch::Device;

const BATCH: i64 = 64;
/// Architectures that the memory of a step is measured on.
const ARCHS: usize = 8;
const SPACE: &str = "mobilenet-cifar10";

/// Time of a whole iteration, weights and architecture, and of what the regularizers do in it.
fn share(space: &str, searcher: &str, rounds: usize) {
    let mut plan = common::plan(space, searcher);
    let lut = Arc::new(lut::synthetic_lut(&plan.space, "quiet", 0));
    // Any target will do: the work does not depend on it.
    plan.regularizers = vec![LoadedRegularizer { settings: constraint(), lut: Some(lut) }];
    let mut session = Session::new(&plan, Device::Cpu).unwrap();
    let mut searcher = searchers::of(plan.experiment.searcher.as_ref().unwrap()).unwrap();
    let batch = [common::batch(&plan.space, BATCH, 0).unwrap()];
    let mut regularizers = Regularizers::new(&plan.space, &plan.regularizers).unwrap();
    let (mut steps, mut costs) = (Vec::new(), Vec::new());
    // The first round warms up and does not count.
    for round in 0..=rounds {
        let archs: Vec<Arch> = (0..10).map(|_| session.sample()).collect();
        let start = Instant::now();
        searcher.train_step(&mut session, &batch).unwrap();
        searcher.arch_step(&mut session, &batch, &batch).unwrap();
        let step = start.elapsed().as_secs_f64();
        let probabilities = session.distribution().probabilities();
        let mut gradient: Vec<Vec<f64>> = probabilities.iter().map(|row| vec![0.0; row.len()]).collect();
        let start = Instant::now();
        regularizers.add_gradient(&probabilities, &mut gradient).unwrap();
        regularizers.update_multipliers();
        // REINFORCE asks twice for each of its networks.
        for arch in archs.iter().chain(&archs) {
            assert!(regularizers.reward(1.0, arch).unwrap().is_some());
        }
        if round > 0 {
            costs.push(start.elapsed().as_secs_f64());
            steps.push(step);
        }
    }
    let (step, cost) = (common::median(&steps), common::median(&costs));
    println!(
        "{space}: iteration {:.1} ms, latency constraint {:.3} ms, {:.4} %",
        1e3 * step,
        1e3 * cost,
        1e2 * cost / step
    );
}

fn constraint() -> Regularizer {
    Regularizer {
        kind: RegularizerKind::Constraint,
        quantity: Quantity::Latency,
        upper: None,
        lower: None,
        target: Some(1.0),
        weight: None,
        lut: None,
        timing: None,
    }
}

/// Peak memory of a fresh process that runs `what`, MiB.
fn peak(what: &str) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap()).arg(what).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// The same architectures in every process.
fn archs(plan: &Plan) -> Vec<Arch> {
    let mut session = Session::new(plan, Device::Cpu).unwrap();
    (0..ARCHS).map(|_| session.sample()).collect()
}

/// Runs in a process of its own: `load` builds nothing, `sample` trains the paths of all architectures in the supernet,
/// `single N` the network of one alone, `full` one mixture of all.
fn child(what: &str) {
    let mut plan = common::plan(SPACE, "proxylessnas");
    let archs = archs(&plan);
    let single = what.strip_prefix("single-").map(|n| n.parse::<usize>().unwrap());
    if let Some(index) = single {
        plan.space.graph = eliminate_dead_code(&select(&plan.space.graph, &archs[index]).unwrap());
        plan.space.choices = Vec::new();
    }
    let batch = [common::batch(&plan.space, BATCH, 0).unwrap()];
    if what != "load" {
        let mut session = Session::new(&plan, Device::Cpu).unwrap();
        let none = [Arch(Vec::new())];
        let probabilities = session.distribution().tensors(Device::Cpu).unwrap();
        let probabilities: Vec<_> = probabilities.iter().map(tch::Tensor::detach).collect();
        let paths: Vec<Path<'_>> = match what {
            "full" => vec![Path::Mixed(&probabilities)],
            "sample" => archs.iter().map(Path::Selected).collect(),
            _ => none.iter().map(Path::Selected).collect(),
        };
        // Twice: the optimizer's state appears in the first update.
        for path in paths.iter().chain(&paths) {
            let mut gradients = Gradients::new();
            session.weight_gradients(*path, &batch, &mut gradients).unwrap();
            session.update_weights(gradients).unwrap();
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0);
}

fn memory() {
    let load = peak("load");
    let singles: Vec<f64> = (0..ARCHS).map(|i| peak(&format!("single-{i}"))).collect();
    let single = singles.iter().copied().fold(0.0, f64::max);
    let least = singles.iter().copied().fold(f64::INFINITY, f64::min);
    let (sample, full) = (peak("sample"), peak("full"));
    println!("{SPACE}, batch {BATCH}: peak memory of a process, MiB");
    println!("  libtorch and images only    {load:8.1}");
    println!("  one network alone           {single:8.1}, the largest of {ARCHS} (smallest {least:.1})");
    for (name, value) in [("sample mode, all of these", sample), ("full mode", full)] {
        let (whole, own) = (value / single, (value - load) / (single - load));
        println!("  {name:<27} {value:8.1}, {whole:.2} times; without what loading takes {own:.2} times");
    }
}

fn main() {
    common::prepare(common::setting("THREADS", 2));
    match std::env::args().nth(1).as_deref().filter(|a| !a.starts_with('-')) {
        Some(what) => child(what),
        None => {
            memory();
            let rounds = common::setting("ROUNDS", 5);
            share("mobilenet-cifar10", "proxylessnas", rounds);
            share("darts-cifar10", "darts", rounds);
        }
    }
}
