//! Update rules against numbers measured on NNabla's solvers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nasprof_search::config::{self, OptimizerKind};
use nasprof_search::schedule::{LearningRate, Schedule};
use nasprof_train::optimizer::Optimizer;
use tch::Tensor;

fn settings(kind: OptimizerKind, learning_rate: f64) -> config::Optimizer {
    config::Optimizer {
        kind,
        learning_rate,
        momentum: 0.9,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weight_decay: 0.0,
        decay_weights_only: false,
        clip: None,
        schedule: Schedule::Constant,
        batch_scaling: None,
    }
}

fn optimizer(settings: config::Optimizer, tensors: &[&Tensor]) -> Optimizer {
    let rate = LearningRate::new(settings.schedule.clone(), settings.learning_rate, 100, 1);
    let named = tensors.iter().enumerate().map(|(i, t)| (format!("p{i}"), t.shallow_clone())).collect();
    Optimizer::new(settings, rate, named)
}

/// What a weight that starts at 1 becomes under the given gradients.
fn path(settings: config::Optimizer, gradients: &[f64]) -> Vec<f64> {
    let weight = Tensor::from_slice(&[1.0_f64]);
    let mut optimizer = optimizer(settings, &[&weight]);
    gradients
        .iter()
        .map(|&g| {
            optimizer.step(vec![(0, Tensor::from_slice(&[g]))]).unwrap();
            weight.double_value(&[0])
        })
        .collect()
}

fn close(actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() < 5e-5, "{actual:?} is not {expected:?}");
    }
}

#[test]
fn update_rules_of_the_reference() {
    let ones = [1.0; 3];
    close(&path(settings(OptimizerKind::Sgd, 0.1), &ones), &[0.9, 0.8, 0.7]);
    close(&path(settings(OptimizerKind::Momentum, 0.1), &ones), &[0.9, 0.71, 0.439]);
    close(&path(settings(OptimizerKind::Nesterov, 0.1), &ones), &[0.81, 0.539, 0.195_10]);
    close(&path(settings(OptimizerKind::Adam, 0.1), &ones), &[0.9, 0.8, 0.7]);
    // With state kept; a reset in each step would give 0.9, 0.8, 0.7 here as well.
    let architecture = config::Optimizer { betas: [0.5, 0.999], ..settings(OptimizerKind::Adam, 0.1) };
    close(&path(architecture, &[1.0, 0.1, 0.01]), &[0.9, 0.8437, 0.8132]);
}

#[test]
fn gradients_are_clipped_by_tensor() {
    let weights = [Tensor::from_slice(&[0.0, 0.0]), Tensor::from_slice(&[0.0, 0.0]), Tensor::from_slice(&[0.0])];
    let clipped = config::Optimizer { clip: Some(5.0), ..settings(OptimizerKind::Sgd, 1.0) };
    let mut optimizer = optimizer(clipped, &weights.each_ref());
    let gradients = [vec![3.0, 4.0], vec![6.0, 8.0], vec![0.0]];
    optimizer.step(gradients.iter().enumerate().map(|(i, g)| (i, Tensor::from_slice(g))).collect()).unwrap();
    let values = |t: &Tensor| t.iter::<f64>().unwrap().collect::<Vec<f64>>();
    close(&values(&weights[0]), &[-3.0, -4.0]);
    close(&values(&weights[1]), &[-3.0, -4.0]);
    // A gradient of zero is not divided by its norm.
    close(&values(&weights[2]), &[0.0]);
}

#[test]
fn the_decay_comes_after_the_clipping() {
    let weight = Tensor::from_slice(&[10.0]);
    let decayed = config::Optimizer { clip: Some(1.0), weight_decay: 0.5, ..settings(OptimizerKind::Sgd, 0.1) };
    optimizer(decayed.clone(), &[&weight]).step(vec![(0, Tensor::from_slice(&[4.0]))]).unwrap();
    close(&[weight.double_value(&[0])], &[10.0 - 0.1 * (1.0 + 5.0)]);
    // Biases and normalisations can be left out.
    let (bias, matrix) = (Tensor::from_slice(&[10.0]), Tensor::from_slice(&[10.0]).view([1, 1]));
    let weights_only = config::Optimizer { decay_weights_only: true, ..decayed };
    let gradient = || Tensor::from_slice(&[1.0]);
    optimizer(weights_only, &[&bias, &matrix]).step(vec![(0, gradient()), (1, gradient().view([1, 1]))]).unwrap();
    close(&[bias.double_value(&[0]), matrix.double_value(&[0, 0])], &[9.9, 9.4]);
}

/// A candidate that was not part of a network keeps its momentum and does not move.
#[test]
fn state_survives_inactivity() {
    let weights = [Tensor::from_slice(&[1.0]), Tensor::from_slice(&[1.0])];
    let mut optimizer = optimizer(settings(OptimizerKind::Momentum, 0.1), &weights.each_ref());
    let one = || Tensor::from_slice(&[1.0]);
    optimizer.step(vec![(0, one()), (1, one())]).unwrap();
    optimizer.step(vec![(1, one())]).unwrap();
    close(&[weights[0].double_value(&[0])], &[0.9]);
    optimizer.step(vec![(0, one())]).unwrap();
    close(&[weights[0].double_value(&[0]), weights[1].double_value(&[0])], &[0.71, 0.71]);
}

#[test]
fn a_restored_state_goes_on_bit_for_bit() {
    for kind in [OptimizerKind::Momentum, OptimizerKind::Nesterov, OptimizerKind::Adam] {
        let gradient = |i: i32| Tensor::from_slice(&[0.3_f32 * i as f32, -0.7]);
        let weight = Tensor::from_slice(&[1.0_f32, 2.0]);
        let mut first = optimizer(settings(kind, 0.1), &[&weight]);
        (1..4).for_each(|i| first.step(vec![(0, gradient(i))]).unwrap());
        let copy = weight.copy();
        let (step, updates, tensors) = first.state();
        let tensors: Vec<(String, Tensor)> = tensors.into_iter().map(|(n, t)| (n, t.copy())).collect();
        let find = |name: &str| tensors.iter().find(|(n, _)| n == name).map(|(_, t)| t.copy());
        let mut second = optimizer(settings(kind, 0.1), &[&copy]);
        second.restore(step, &updates, find).unwrap();
        (4..7).for_each(|i| first.step(vec![(0, gradient(i))]).unwrap());
        (4..7).for_each(|i| second.step(vec![(0, gradient(i))]).unwrap());
        assert_eq!(weight, copy, "{kind:?}");
        // The control: without the state it goes elsewhere.
        let mut fresh = optimizer(settings(kind, 0.1), &[&copy]);
        first.step(vec![(0, gradient(7))]).unwrap();
        fresh.step(vec![(0, gradient(7))]).unwrap();
        assert_ne!(weight, copy, "{kind:?}");
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let weight = Tensor::from_slice(&[1.0]);
    let mut optimizer = optimizer(settings(OptimizerKind::Momentum, 0.1), &[&weight]);
    let updates = [("p0".to_owned(), 1)];
    assert_eq!(optimizer.restore(1, &updates, |_| None), Err("p0/first".to_owned()));
    assert_eq!(optimizer.restore(1, &updates, |_| Some(Tensor::from_slice(&[1.0, 2.0]))), Err("p0/first".to_owned()));
    assert_eq!(optimizer.restore(1, &[("p9".to_owned(), 1)], |_| None), Err("p9".to_owned()));
}
