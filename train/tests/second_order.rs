//! DARTS of second order against the derivative of what it descends, on a smooth network in double precision.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nasprof_graph::{GraphBuilder, Op};
use nasprof_search::config::{DartsOrder, Experiment, Plan};
use nasprof_spaces::Space;
use nasprof_train::searchers::{Darts, Searcher};
use nasprof_train::supernet::{Path, Phase};
use nasprof_train::{Gradients, MiniBatch, Session};
use tch::{Device, Kind, Tensor};

/// The rate of the unrolled step: large, so that the second order matters.
const RATE: f64 = 0.5;
/// Step of the difference quotient by the alphas.
const QUOTIENT: f64 = 0.01;
const ALPHAS: [f64; 6] = [0.3, -0.2, 0.1, 0.4, -0.5, 0.2];

/// Two choices among three candidates each, without a kink anywhere.
fn smooth() -> Space {
    let mut b = GraphBuilder::new();
    let x = b.input("x", [1, 1, 28, 28]).unwrap();
    let x = b.add("stem", Op::conv(6, 5, 4, 2), &[x]).unwrap();
    let mut x = b.add("tanh", Op::Tanh, &[x]).unwrap();
    for i in 0..2 {
        let candidate = |b: &mut GraphBuilder, name: &str, kernel: usize, smooth: Op| {
            b.scope(format!("{i}/{name}"), |b| {
                let y = b.add("conv", Op::conv(6, kernel, 1, kernel / 2), &[x])?;
                b.add("smooth", smooth, &[y])
            })
        };
        let built = [("wide", 3, Op::Tanh), ("narrow", 1, Op::Sigmoid), ("mild", 3, Op::Sigmoid)];
        let built = built.map(|(name, kernel, op)| (name.to_owned(), candidate(&mut b, name, kernel, op).unwrap()));
        x = b.choice(&format!("choice{i}"), built.to_vec()).unwrap();
    }
    let x = b.add("flatten", Op::Flatten, &[x]).unwrap();
    let x = b.add("logits", Op::Linear { out_features: 10, bias: true }, &[x]).unwrap();
    Space::new("smooth", b.build(&[x]).unwrap())
}

fn plan(folder: &tempfile::TempDir) -> Plan {
    let text = nasprof_testkit::data_sets::bare_darts("mobilenet-fashion-mnist", folder.path(), RATE);
    let plan = Plan::new(Experiment::parse(&text, &[]).unwrap()).unwrap();
    Plan { space: smooth(), ..plan }
}

/// Two mini-batches make up the training batch.
fn batches(plan: &Plan) -> [Vec<MiniBatch>; 2] {
    let loaders = plan.loaders.as_ref().unwrap();
    [&loaders.train, loaders.valid.as_ref().unwrap()].map(|loader| {
        let one = |batch| {
            let mini = MiniBatch::new(&batch, Device::Cpu).unwrap();
            MiniBatch { images: mini.images.to_kind(Kind::Double), ..mini }
        };
        loader.shuffled(0).take(2).map(|batch| one(batch.unwrap())).collect()
    })
}

fn session(plan: &Plan) -> Session<'_> {
    let session = Session::new(plan, Device::Cpu).unwrap();
    for parameter in session.net().parameters().all() {
        let double = parameter.tensor.detach().to_kind(Kind::Double);
        parameter.tensor.shallow_clone().set_data(&double);
    }
    set(&session, &ALPHAS);
    session
}

fn alphas(session: &Session<'_>) -> Vec<f64> {
    session.distribution().alphas().iter().flat_map(|a| a.iter::<f64>().unwrap().collect::<Vec<_>>()).collect()
}

fn set(session: &Session<'_>, values: &[f64]) {
    for (alpha, row) in session.distribution().alphas().iter().zip(values.chunks(3)) {
        alpha.detach().copy_(&Tensor::from_slice(row));
    }
}

fn weights(session: &Session<'_>) -> Vec<Tensor> {
    session.net().parameters().all().iter().map(|p| p.tensor.detach().copy()).collect()
}

/// The gradient that a step follows.
fn step(session: &mut Session<'_>, order: DartsOrder, train: &[MiniBatch], valid: &[MiniBatch]) -> Vec<f64> {
    let before = alphas(session);
    Darts::new(order, false).arch_step(session, train, valid).unwrap();
    let gradient = before.iter().zip(alphas(session)).map(|(b, a)| b - a).collect();
    set(session, &before);
    gradient
}

/// `L_valid(w - RATE * d L_train(w, alpha) / dw, alpha)`, the weights put back.
fn unrolled(session: &Session<'_>, train: &[MiniBatch], valid: &[MiniBatch]) -> f64 {
    let probabilities = session.distribution().tensors(Device::Cpu).unwrap();
    let mut gradients = Gradients::new();
    session.weight_gradients(Path::Mixed(&probabilities), train, &mut gradients).unwrap();
    let kept = weights(session);
    let weight = |i: usize| session.net().parameters().all()[i].tensor.detach();
    for (&i, gradient) in &gradients {
        weight(i).copy_(&(&kept[i] - gradient * RATE));
    }
    let loss = |mini| session.loss(Path::Mixed(&probabilities), mini, Phase::Judge).unwrap().tally.so_far();
    let score = valid.iter().map(loss).reduce(|a, b| a.and(b)).unwrap();
    kept.iter().enumerate().for_each(|(i, value)| weight(i).copy_(value));
    score.loss
}

#[test]
fn the_second_order_is_the_derivative_through_the_step() {
    let folder = nasprof_testkit::data_sets::fashion(128, 20);
    let plan = plan(&folder);
    let [train, valid] = batches(&plan);
    let mut session = session(&plan);
    let before = weights(&session);
    let quotient = |i: usize| {
        let at = |by: f64| {
            let mut moved = ALPHAS;
            moved[i] += by;
            set(&session, &moved);
            unrolled(&session, &train, &valid)
        };
        (at(QUOTIENT) - at(-QUOTIENT)) / (2.0 * QUOTIENT)
    };
    let expected: Vec<f64> = (0..ALPHAS.len()).map(quotient).collect();
    set(&session, &ALPHAS);
    let second = step(&mut session, DartsOrder::Second, &train, &valid);
    let first = step(&mut session, DartsOrder::First, &train, &valid);
    let length = |g: &[f64]| g.iter().map(|g| g * g).sum::<f64>().sqrt();
    let off = |g: &[f64]| length(&g.iter().zip(&expected).map(|(a, b)| a - b).collect::<Vec<_>>()) / length(&expected);
    assert!(off(&second) < 0.01, "{second:?} is not {expected:?}: off by {}", off(&second));
    // The control: without the second order it is another gradient.
    assert!(off(&first) > 0.1, "{first:?} is as near to {expected:?}: off by {}", off(&first));
    assert_eq!(weights(&session), before, "the weights were not put back");
}
