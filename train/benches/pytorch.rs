//! Steps of supernet training, forward, backward and update, against the same steps in PyTorch, alternating.
//!
//! `train/benches/pytorch/run.sh` installs PyTorch and starts this; `scripts/check-gpu.sh` runs it on a GPU. From the
//! environment: THREADS (2), ROUNDS (7), STEPS of a round, CASES (mobilenet, darts, train), DEVICE (cpu, cuda), PRECISION
//! (float32, tf32), GRAPHS (1: steps are replayed where they never change), DETERMINISTIC (1: only algorithms that give the same bits), and
//! STEPS_SCRIPT, the other side where it is not in the sources.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use nasprof_graph::Arch;
use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_search::config::{DartsOrder, Plan};
use nasprof_torch::cuda::{self, System};
use nasprof_train::loss::Tally;
use nasprof_train::searchers::{Darts, Searcher};
use nasprof_train::supernet::Path;
use nasprof_train::{Gradients, MiniBatch, Session};
use tch::Device;

const BATCH: i64 = 64;

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

/// Seconds of steps here. As there, the losses are read after the last one.
fn steps(case: &str, session: &mut Session<'_>, batch: &[MiniBatch], archs: &[Arch]) -> f64 {
    let start = Instant::now();
    let mut tally = Tally::default();
    for arch in archs {
        tally = tally.and(if case != "mobilenet" {
            Darts::new(DartsOrder::First, false).train_step(session, batch).unwrap()
        } else {
            // What ProxylessNAS does with an architecture of its own drawing.
            let mut gradients = Gradients::new();
            let tally = session.weight_gradients(Path::Selected(arch), batch, &mut gradients).unwrap();
            session.update_weights(gradients).unwrap();
            tally
        });
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
    let mut session = Session::new(&plan, device).unwrap();
    let MiniBatch { images, labels } = common::batch(&plan.space, BATCH).unwrap();
    let batch = [MiniBatch { images: images.to_device(device), labels: labels.to_device(device) }];
    let mut python = PyTorch::new(case, threads, &session);
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
