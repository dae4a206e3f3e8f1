//! Steps of supernet training, forward, backward and update, against the same steps in PyTorch, alternating.
//!
//! `train/benches/pytorch/run.sh` installs PyTorch and starts this. THREADS (2), ROUNDS (7) and CASES come from the
//! environment.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use nasprof_graph::Arch;
use nasprof_search::config::{DartsOrder, Plan};
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
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pytorch/steps.py");
        let python = std::env::var("PYTHON").expect("search/benches/pytorch/run.sh starts this bench");
        let mut child = Command::new(python)
            .args([script, case, &threads.to_string(), &BATCH.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let theirs: Vec<Vec<i64>> = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        let parameters = session.net().parameters().all();
        let mut ours: Vec<Vec<i64>> = parameters.iter().filter(|p| p.trainable).map(|p| p.tensor.size()).collect();
        ours.sort();
        assert_eq!(ours, theirs, "the two networks differ");
        Self { child, requests, answers }
    }

    /// Seconds of one step along a path.
    fn step(&mut self, arch: &Arch) -> f64 {
        let path: Vec<String> = arch.0.iter().map(ToString::to_string).collect();
        writeln!(self.requests, "{}", path.join(" ")).unwrap();
        self.answers.next().unwrap().unwrap().parse().unwrap()
    }
}

impl Drop for PyTorch {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Seconds of one step here.
fn step(case: &str, session: &mut Session<'_>, batch: &[MiniBatch], arch: &Arch) -> f64 {
    let start = Instant::now();
    if case == "darts" {
        Darts::new(DartsOrder::First, false).train_step(session, batch).unwrap();
    } else {
        // What ProxylessNAS does with an architecture of its own drawing.
        let mut gradients = Gradients::new();
        session.weight_gradients(Path::Selected(arch), batch, &mut gradients).unwrap();
        session.update_weights(gradients).unwrap();
    }
    start.elapsed().as_secs_f64()
}

fn compare(case: &str, plan: &Plan, steps: usize, threads: usize, rounds: usize) {
    let mut session = Session::new(plan, Device::Cpu).unwrap();
    let batch = [common::batch(&plan.space, BATCH).unwrap()];
    let mut python = PyTorch::new(case, threads, &session);
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms both up and does not count.
    for round in 0..=rounds {
        let archs: Vec<Arch> = (0..steps).map(|_| session.sample()).collect();
        let (mut here, mut there) = (0.0, 0.0);
        for side in [round % 2, 1 - round % 2] {
            for arch in &archs {
                match side {
                    0 => here += step(case, &mut session, &batch, arch),
                    _ => there += python.step(arch),
                }
            }
        }
        if round > 0 {
            ours.push(1e3 * here / steps as f64);
            theirs.push(1e3 * there / steps as f64);
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
        "{case}: batch {BATCH}, {threads} threads, {rounds} rounds of {steps} steps: median {:.1} ms here, {:.1} ms in PyTorch; \
         ratio {:.3} ({least:.3} to {most:.3})",
        common::median(&ours),
        common::median(&theirs),
        common::median(&ratios),
    );
}

fn main() {
    let (threads, rounds) = (common::setting("THREADS", 2), common::setting("ROUNDS", 7));
    common::prepare(threads);
    let cases = std::env::var("CASES").unwrap_or_else(|_| "mobilenet darts".to_owned());
    for case in cases.split_whitespace() {
        let (space, searcher, steps) = match case {
            "darts" => ("darts-cifar10", "darts", 1),
            "mobilenet" => ("mobilenet-cifar10", "proxylessnas", 10),
            other => panic!("there is no case {other}"),
        };
        compare(case, &common::plan(space, searcher), common::setting("STEPS", steps), threads, rounds);
    }
}
