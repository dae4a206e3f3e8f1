//! The gradient of the architecture through binary gates, against its definition.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use nasprof_search::config::{ArchitectureGradient, Experiment, Plan};
use nasprof_train::searchers::{ProxylessNas, Searcher};
use nasprof_train::supernet::{Path, Phase};
use nasprof_train::{MiniBatch, Session};
use tch::{Device, Tensor};

/// Two blocks of two candidates each.
fn plan(folder: &tempfile::TempDir) -> Plan {
    let space = r#"
format_version = 1
kind = "mobilenet"
input = [1, 28, 28]
num_classes = 10
width_mult = 0.25
settings = [[8, 2, 2]]
candidates = ["MB1 3x3", "MB3 5x5"]
skip_connect = false
"#;
    let path = folder.path().join("space.toml");
    fs::write(&path, space).unwrap();
    let text = nasprof_testkit::data_sets::bare_darts(&path.to_string_lossy(), folder.path(), 0.3);
    Plan::new(Experiment::parse(&text, &[]).unwrap()).unwrap()
}

fn batches(plan: &Plan) -> [Vec<MiniBatch>; 2] {
    let loaders = plan.loaders.as_ref().unwrap();
    [&loaders.train, loaders.valid.as_ref().unwrap()].map(|loader| {
        let batch = loader.shuffled(0).next().unwrap().unwrap();
        vec![MiniBatch::new(&batch, Device::Cpu).unwrap()]
    })
}

fn alphas(session: &Session<'_>) -> Vec<f64> {
    session.distribution().alphas().iter().flat_map(|a| a.iter::<f64>().unwrap().collect::<Vec<_>>()).collect()
}

fn set(session: &Session<'_>, values: &[f64]) {
    for (alpha, row) in session.distribution().alphas().iter().zip(values.chunks(2)) {
        alpha.detach().copy_(&Tensor::from_slice(row));
    }
}

/// The gradient that a step follows.
fn step(session: &mut Session<'_>, searcher: &mut dyn Searcher, train: &[MiniBatch], valid: &[MiniBatch]) -> Vec<f64> {
    let before = alphas(session);
    searcher.arch_step(session, train, valid).unwrap();
    let gradient = before.iter().zip(alphas(session)).map(|(b, a)| b - a).collect();
    set(session, &before);
    gradient
}

/// With two candidates both are drawn always, and the mean over the gate that is open is the sum over the candidates,
/// weighted by their probabilities, of `p_j (g_j - sum_i p_i g_i)`, `g_j = <dL/dy, f_j>`.
#[test]
fn gates_follow_their_definition() {
    let folder = nasprof_testkit::data_sets::fashion(64, 20);
    let plan = plan(&folder);
    let [train, valid] = batches(&plan);
    let mut session = Session::new(&plan, Device::Cpu).unwrap();
    set(&session, &[0.3, -0.2, 0.1, 0.4]);
    let p = session.distribution().probabilities();
    let mut expected = Vec::new();
    for open in [[0, 0], [0, 1], [1, 0], [1, 1]] {
        let gates: Vec<Tensor> = open
            .iter()
            .map(|&k| Tensor::from_slice(&[f32::from(u8::from(k == 0)), f32::from(u8::from(k == 1))]))
            .map(|gate| gate.set_requires_grad(true))
            .collect();
        let loss = session.loss(Path::Mixed(&gates), &valid[0], Phase::Judge).unwrap().loss;
        let at_gates = Tensor::run_backward(&[loss], &gates, false, false);
        let row = |(p, g): (&Vec<f64>, &Tensor)| {
            let g = [g.double_value(&[0]), g.double_value(&[1])];
            let mean = p[0] * g[0] + p[1] * g[1];
            [p[0] * (g[0] - mean), p[1] * (g[1] - mean)]
        };
        expected.push(p.iter().zip(&at_gates).flat_map(row).collect::<Vec<f64>>());
    }
    let mut searcher = ProxylessNas::new(ArchitectureGradient::Gate, 1, 0.9);
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    let mut seen = [false; 4];
    for _ in 0..40 {
        let gradient = step(&mut session, &mut searcher, &train, &valid);
        let which = expected.iter().position(|e| near(e, &gradient));
        seen[which.unwrap_or_else(|| panic!("{gradient:?} is none of {expected:?}"))] = true;
    }
    assert_eq!(seen, [true; 4], "every pair of gates is drawn in forty steps");
}
