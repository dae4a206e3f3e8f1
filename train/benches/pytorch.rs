//! Steps of supernet training, forward, backward and update, against the same steps in PyTorch, alternating.
//!
//! `train/benches/pytorch/run.sh` installs PyTorch and starts this; `scripts/check-gpu.sh` runs it on a GPU. From the
//! environment: THREADS (2), ROUNDS (7), STEPS of a round, CASES (mobilenet, darts, train), DEVICE (cpu, cuda), PRECISION
//! (float32, tf32), GRAPHS (1: steps are replayed where they never change), DETERMINISTIC (1: only algorithms that give the same bits),
//! LOSSES (0: so many steps of both sides from the same weights on the same batches, whose losses are compared), and STEPS_SCRIPT, the other
//! side where it is not in the sources.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and fails by panicking")]

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_graph::{Arch, Graph, Node};
use nasprof_search::config::{DartsOrder, Plan};
use nasprof_torch::cuda::{self, System};
use nasprof_train::loss::Tally;
use nasprof_train::searchers::{Darts, Searcher};
use nasprof_train::supernet::{Parameters, Path};
use nasprof_train::{Gradients, MiniBatch, Session};
use tch::{Device, Kind, Tensor};

const BATCH: i64 = 64;
/// Learning rate of the steps whose losses are compared. With that of a search, fresh networks are chaotic: weights of
/// mobilenet-cifar10 that are 1e-7 apart give losses that are 1e-2 apart after one step. With this one, a rounding grows some
/// hundred times in each step, so only the first few are alike.
const RATE_OF_LOSSES: f64 = 1e-4;

/// The other side.
struct PyTorch {
    child: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl PyTorch {
    /// Starts it and checks that its network has tensors of the same shapes.
    fn new(case: &str, threads: usize, session: &Session<'_>) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pytorch/steps.py").to_owned();
        let script = std::env::var("STEPS_SCRIPT").unwrap_or(script);
        let python = std::env::var("PYTHON").expect("train/benches/pytorch/run.sh starts this bench");
        let device = if session.net().device().is_cuda() { "cuda" } else { "cpu" };
        let mut child = Command::new(python)
            .args([script.as_str(), case, &threads.to_string(), &BATCH.to_string(), device, &precision()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        // None: the other side is a fake, in a dry run of scripts/check-gpu.sh.
        let theirs: Option<Vec<Vec<i64>>> = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        let parameters = session.net().parameters().all();
        let mut ours: Vec<Vec<i64>> = parameters.iter().filter(|p| p.trainable).map(|p| p.tensor.size()).collect();
        ours.sort();
        // There a network stays in its supernet.
        let same = |theirs: Vec<Vec<i64>>| {
            if case == "train" { ours.iter().all(|shape| theirs.contains(shape)) } else { ours == theirs }
        };
        assert!(theirs.is_none_or(same), "the two networks differ");
        Self { child, requests, answers }
    }

    /// Losses of the steps of a file; `None` from a fake.
    fn losses(&mut self, file: &std::path::Path) -> Option<Vec<f64>> {
        writeln!(self.requests, "losses {}", file.display()).unwrap();
        serde_json::from_str(&self.answers.next().unwrap().unwrap()).unwrap()
    }

    /// Seconds of steps along some paths.
    fn steps(&mut self, archs: &[Arch]) -> f64 {
        let path = |arch: &Arch| arch.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        writeln!(self.requests, "{}", archs.iter().map(path).collect::<Vec<_>>().join(";")).unwrap();
        self.answers.next().unwrap().unwrap().parse().unwrap()
    }
}

impl Drop for PyTorch {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// One step here.
fn step_of(case: &str, session: &mut Session<'_>, batch: &[MiniBatch], arch: &Arch) -> Tally {
    if case != "mobilenet" {
        return Darts::new(DartsOrder::First, false).train_step(session, batch).unwrap();
    }
    // What ProxylessNAS does with an architecture of its own drawing.
    let mut gradients = Gradients::new();
    let tally = session.weight_gradients(Path::Selected(arch), batch, &mut gradients).unwrap();
    session.update_weights(gradients).unwrap();
    tally
}

/// Seconds of steps here. As there, the losses are read after the last one.
fn steps(case: &str, session: &mut Session<'_>, batch: &[MiniBatch], archs: &[Arch]) -> f64 {
    let start = Instant::now();
    let mut tally = Tally::default();
    for arch in archs {
        tally = tally.and(step_of(case, session, batch, arch));
    }
    assert!(tally.score().unwrap().loss.is_finite());
    start.elapsed().as_secs_f64()
}

/// Whether a variable is 1.
fn is_on(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| value == "1")
}

fn precision() -> String {
    std::env::var("PRECISION").unwrap_or_else(|_| "float32".to_owned())
}

/// The device that DEVICE names, set up.
fn device() -> Device {
    if std::env::var("DEVICE").is_ok_and(|name| name == "cuda") {
        cuda::ThisProcess.load().unwrap();
        println!("on {}", cuda::ThisProcess.open(0).unwrap());
        cuda::allow_tf32(precision() == "tf32").unwrap();
        if is_on("DETERMINISTIC") {
            cuda::make_deterministic().unwrap();
        }
        return Device::Cuda(0);
    }
    Device::Cpu
}

fn on(device: Device, MiniBatch { images, labels }: MiniBatch) -> MiniBatch {
    MiniBatch { images: images.to_device(device), labels: labels.to_device(device) }
}

/// Sets the learning rate of the weights, and returns the one before.
fn set_rate(plan: &mut Plan, rate: f64) -> f64 {
    let weights = plan.experiment.optimizers.weights.as_mut().unwrap();
    std::mem::replace(&mut weights.learning_rate, rate)
}

/// Compares the losses of steps from the same weights, each on a batch of its own. `always` is the path of each step, if it
/// never changes.
fn compare_losses(case: &str, plan: &Plan, always: Option<&Arch>, count: usize, python: &mut PyTorch, device: Device) {
    let mut session = Session::new(plan, device).unwrap();
    let weights = in_order_of_layers(&plan.space.graph, session.net().parameters());
    let mut numbers: Vec<f32> = weights.iter().flat_map(values).collect();
    let shapes: Vec<Vec<i64>> = weights.iter().map(Tensor::size).collect();
    let (mut paths, mut rates, mut ours, mut images) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for step in 1..=count {
        let batch = common::batch(&plan.space, BATCH, step as i64).unwrap();
        numbers.extend(values(&batch.images).into_iter().chain(values(&batch.labels)));
        images = batch.images.size();
        let arch = always.cloned().unwrap_or_else(|| session.sample());
        rates.push(session.learning_rate());
        ours.push(step_of(case, &mut session, &[on(device, batch)], &arch).score().unwrap().loss);
        paths.push(arch.0);
    }
    let head = serde_json::json!({ "shapes": shapes, "images": images, "paths": paths, "rates": rates });
    let file = std::env::temp_dir().join(format!("nasprof-losses-{}.bin", std::process::id()));
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
    std::fs::write(&file, format!("{head}\n").into_bytes().into_iter().chain(bytes).collect::<Vec<u8>>()).unwrap();
    let theirs = python.losses(&file);
    std::fs::remove_file(file).unwrap();
    let Some(theirs) = theirs else { return };
    assert_eq!(theirs.len(), count);
    for (step, (here, there)) in ours.iter().zip(&theirs).enumerate() {
        println!("{case} step {}: loss {here:.6} here, {there:.6} PyTorch", step + 1);
    }
    let apart = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    // Steps differ by this much: losses of other steps would not agree.
    let between = ours.windows(2).map(|pair| (pair[0] - pair[1]).abs()).collect::<Vec<_>>();
    println!(
        "{case}: losses of {count} steps at most {apart:.2e} apart; {:.2e} between one step and the next, in the median",
        common::median(&between)
    );
}

/// The trained tensors as PyTorch lists them: layer by layer, the scale of a normalisation before its shift.
fn in_order_of_layers(graph: &Graph, parameters: &Parameters) -> Vec<Tensor> {
    let of_node = |node: &Node| ["weight", "scale", "shift", "bias"].map(|kind| format!("{}/{kind}", node.name));
    let mut seen = HashSet::new();
    let names = graph.nodes().iter().flat_map(of_node).filter(|name| seen.insert(name.clone()));
    let trained = names.filter_map(|name| parameters.find(&name)).filter(|parameter| parameter.trainable);
    trained.map(|parameter| parameter.tensor.shallow_clone()).collect()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).flatten(0, -1)).unwrap()
}

fn compare(case: &str, mut plan: Plan, count: usize, threads: usize, rounds: usize, device: Device) {
    plan.experiment.training.as_mut().unwrap().cuda_graphs = is_on("GRAPHS");
    let mut always = None;
    if case == "train" {
        // One network, whose steps are those of a mixture without choices.
        let arch = Session::new(&plan, Device::Cpu).unwrap().sample();
        plan.space.graph = eliminate_dead_code(&select(&plan.space.graph, &arch).unwrap());
        plan.space.choices = Vec::new();
        always = Some(arch);
    }
    let mut python = PyTorch::new(case, threads, &Session::new(&plan, device).unwrap());
    let compared = common::setting("LOSSES", 0);
    if compared > 0 {
        let usual = set_rate(&mut plan, RATE_OF_LOSSES);
        compare_losses(case, &plan, always.as_ref(), compared, &mut python, device);
        set_rate(&mut plan, usual);
    }
    if rounds == 0 {
        return;
    }
    let mut session = Session::new(&plan, device).unwrap();
    let batch = [on(device, common::batch(&plan.space, BATCH, 0).unwrap())];
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms both up and does not count.
    for round in 0..=rounds {
        let sampled = |session: &mut Session<'_>| always.clone().unwrap_or_else(|| session.sample());
        let archs: Vec<Arch> = (0..count).map(|_| sampled(&mut session)).collect();
        let (mut here, mut there) = (0.0, 0.0);
        for side in [round % 2, 1 - round % 2] {
            match side {
                0 => here = steps(case, &mut session, &batch, &archs),
                _ => there = python.steps(&archs),
            }
        }
        if round > 0 {
            ours.push(1e3 * here / count as f64);
            theirs.push(1e3 * there / count as f64);
            ratios.push(here / there);
            println!(
                "{case} round {round}: {:.1} ms here, {:.1} ms PyTorch, ratio {:.3}",
                ours[round - 1],
                theirs[round - 1],
                here / there
            );
        }
    }
    let range = |v: &[f64]| (v.iter().copied().fold(f64::INFINITY, f64::min), v.iter().copied().fold(0.0, f64::max));
    let (least, most) = range(&ratios);
    println!(
        "{case}: batch {BATCH}, {threads} threads, {rounds} rounds of {count} steps: median {:.1} ms here, {:.1} ms in PyTorch; \
         ratio {:.3} ({least:.3} to {most:.3})",
        common::median(&ours),
        common::median(&theirs),
        common::median(&ratios),
    );
}

fn main() {
    let (threads, rounds) = (common::setting("THREADS", 2), common::setting("ROUNDS", 7));
    common::prepare(threads);
    let device = device();
    let cases = std::env::var("CASES").unwrap_or_else(|_| "mobilenet darts".to_owned());
    for case in cases.split_whitespace() {
        let (space, searcher, steps) = match case {
            "darts" => ("darts-cifar10", "darts", 1),
            // The same network in every step, and another one in each.
            "train" | "mobilenet" => ("mobilenet-cifar10", "proxylessnas", 10),
            other => panic!("there is no case {other}"),
        };
        compare(case, common::plan(space, searcher), common::setting("STEPS", steps), threads, rounds, device);
    }
}
