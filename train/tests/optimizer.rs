//! Update rules against numbers measured on NNabla's solvers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nasprof_search::config::{self, OptimizerKind};
use nasprof_search::schedule::LearningRate;
use nasprof_testkit::draws;
use nasprof_train::optimizer::Optimizer;
use tch::{Kind, Reduction, Tensor};

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
    close(&path(config::Optimizer::new(OptimizerKind::Sgd, 0.1), &ones), &[0.9, 0.8, 0.7]);
    close(&path(config::Optimizer::new(OptimizerKind::Momentum, 0.1), &ones), &[0.9, 0.71, 0.439]);
    close(&path(config::Optimizer::new(OptimizerKind::Nesterov, 0.1), &ones), &[0.81, 0.539, 0.195_10]);
    close(&path(config::Optimizer::new(OptimizerKind::Adam, 0.1), &ones), &[0.9, 0.8, 0.7]);
    // With state kept; a reset in each step would give 0.9, 0.8, 0.7 here as well.
    let architecture = config::Optimizer { betas: [0.5, 0.999], ..config::Optimizer::new(OptimizerKind::Adam, 0.1) };
    close(&path(architecture, &[1.0, 0.1, 0.01]), &[0.9, 0.8437, 0.8132]);
}

/// With 32-bit floats, whose kernels are others.
#[test]
fn without_momentum_it_is_plain_descent() {
    let descended = |kind, momentum| {
        let weight = Tensor::from_slice(&[1.0_f32, -2.0]);
        let settings =
            config::Optimizer { momentum, weight_decay: 0.1, clip: Some(1.0), ..config::Optimizer::new(kind, 0.1) };
        let mut optimizer = optimizer(settings, &[&weight]);
        (0..3).for_each(|_| optimizer.step(vec![(0, Tensor::from_slice(&[1.0_f32, 0.5]))]).unwrap());
        weight.iter::<f64>().unwrap().collect::<Vec<f64>>()
    };
    let plain = descended(OptimizerKind::Sgd, 0.9);
    assert_eq!(descended(OptimizerKind::Momentum, 0.0), plain);
    close(&descended(OptimizerKind::Nesterov, 0.0), &plain);
    // The control: momentum counts.
    assert_ne!(descended(OptimizerKind::Momentum, 0.9), plain);
}

#[test]
fn gradients_are_clipped_by_tensor() {
    let weights = [Tensor::from_slice(&[0.0, 0.0]), Tensor::from_slice(&[0.0, 0.0]), Tensor::from_slice(&[0.0])];
    let clipped = config::Optimizer { clip: Some(5.0), ..config::Optimizer::new(OptimizerKind::Sgd, 1.0) };
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
    let decayed =
        config::Optimizer { clip: Some(1.0), weight_decay: 0.5, ..config::Optimizer::new(OptimizerKind::Sgd, 0.1) };
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
    let mut optimizer = optimizer(config::Optimizer::new(OptimizerKind::Momentum, 0.1), &weights.each_ref());
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
        let mut first = optimizer(config::Optimizer::new(kind, 0.1), &[&weight]);
        (1..4).for_each(|i| first.step(vec![(0, gradient(i))]).unwrap());
        let copy = weight.copy();
        let (step, updates, tensors) = first.state();
        let tensors: Vec<(String, Tensor)> = tensors.into_iter().map(|(n, t)| (n, t.copy())).collect();
        let find = |name: &str| tensors.iter().find(|(n, _)| n == name).map(|(_, t)| t.copy());
        let mut second = optimizer(config::Optimizer::new(kind, 0.1), &[&copy]);
        second.restore(step, &updates, find).unwrap();
        (4..7).for_each(|i| first.step(vec![(0, gradient(i))]).unwrap());
        (4..7).for_each(|i| second.step(vec![(0, gradient(i))]).unwrap());
        assert_eq!(weight, copy, "{kind:?}");
        // The control: without the state it goes elsewhere.
        let mut fresh = optimizer(config::Optimizer::new(kind, 0.1), &[&copy]);
        first.step(vec![(0, gradient(7))]).unwrap();
        fresh.step(vec![(0, gradient(7))]).unwrap();
        assert_ne!(weight, copy, "{kind:?}");
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let weight = Tensor::from_slice(&[1.0]);
    let mut optimizer = optimizer(config::Optimizer::new(OptimizerKind::Momentum, 0.1), &[&weight]);
    let updates = [("p0".to_owned(), 1)];
    assert_eq!(optimizer.restore(1, &updates, |_| None), Err("p0/first".to_owned()));
    assert_eq!(optimizer.restore(1, &updates, |_| Some(Tensor::from_slice(&[1.0, 2.0]))), Err("p0/first".to_owned()));
    assert_eq!(optimizer.restore(1, &[("p9".to_owned(), 1)], |_| None), Err("p9".to_owned()));
}

/// The rules one tensor at a time, as NNabla-NAS' solvers have them.
struct Plain {
    settings: config::Optimizer,
    /// Velocity or first moment, and second moment, of each tensor.
    states: Vec<[Tensor; 2]>,
    steps: i32,
}

impl Plain {
    fn step(&mut self, weights: &mut [Tensor], gradients: &[Tensor]) {
        let config::Optimizer { kind, learning_rate, momentum, betas, epsilon, weight_decay, .. } = self.settings;
        self.steps += 1;
        let _guard = tch::no_grad_guard();
        for ((weight, gradient), [first, second]) in weights.iter_mut().zip(gradients).zip(&mut self.states) {
            let norm = gradient.norm().double_value(&[]);
            let mut gradient = gradient * self.settings.clip.map_or(1.0, |clip| (clip / norm).min(1.0));
            if weight.dim() > 1 || !self.settings.decay_weights_only {
                gradient += &*weight * weight_decay;
            }
            match kind {
                OptimizerKind::Sgd => *weight -= gradient * learning_rate,
                OptimizerKind::Momentum => {
                    *first = &*first * momentum + gradient * learning_rate;
                    *weight -= &*first;
                }
                OptimizerKind::Nesterov => {
                    let before = first.copy();
                    *first = &before * momentum - gradient * learning_rate;
                    *weight += &*first * (1.0 + momentum) - before * momentum;
                }
                OptimizerKind::Adam => {
                    *first = &*first * betas[0] + &gradient * (1.0 - betas[0]);
                    *second = &*second * betas[1] + gradient.square() * (1.0 - betas[1]);
                    let correction = (1.0 - betas[1].powi(self.steps)).sqrt() / (1.0 - betas[0].powi(self.steps));
                    *weight -= &*first / (second.sqrt() + epsilon) * (learning_rate * correction);
                }
            }
        }
    }
}

/// Losses of a small network in 32-bit floats over twenty steps.
fn losses(step: &mut dyn FnMut(&mut [Tensor], Vec<Tensor>)) -> Vec<f64> {
    tch::set_num_threads(1);
    let normal = |seed: u64, dims: &[i64]| {
        Tensor::from_slice(&draws::normal(seed, dims.iter().product::<i64>() as usize)).view(dims)
    };
    let images = normal(3, &[32, 3, 8, 8]);
    let labels = Tensor::from_slice(&draws::labels(3, 32, 5));
    let scaled = |seed, dims: &[i64], by: f64| (normal(seed, dims) * by).set_requires_grad(true);
    let mut weights =
        [scaled(4, &[6, 3, 3, 3], 0.3), scaled(5, &[6], 0.1), scaled(6, &[5, 6 * 64], 0.1), scaled(7, &[5], 0.1)];
    (0..20)
        .map(|_| {
            let hidden = images.conv2d(&weights[0], Some(&weights[1]), [1, 1], [1, 1], [1, 1], 1).relu().flatten(1, -1);
            let logits = hidden.linear(&weights[2], Some(&weights[3]));
            let loss = logits.cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Mean, -100, 0.0);
            let gradients = Tensor::run_backward(&[&loss], &weights.each_ref(), false, false);
            step(&mut weights, gradients);
            loss.double_value(&[])
        })
        .collect()
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert!(a.iter().chain(b).all(|loss| loss.is_finite()), "{a:?} {b:?}");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn updates_of_all_tensors_at_once_train_as_those_of_one_at_a_time() {
    let rates = [
        (OptimizerKind::Sgd, 0.05),
        (OptimizerKind::Momentum, 0.01),
        (OptimizerKind::Nesterov, 0.01),
        (OptimizerKind::Adam, 0.003),
    ];
    for (kind, rate) in rates {
        for (clip, weight_decay, decay_weights_only) in
            [(None, 0.0, false), (Some(0.5), 0.02, false), (None, 0.02, true)]
        {
            let settings =
                config::Optimizer { clip, weight_decay, decay_weights_only, ..config::Optimizer::new(kind, rate) };
            let together = |settings: &config::Optimizer| {
                let mut own = None;
                losses(&mut |weights, gradients| {
                    let own =
                        own.get_or_insert_with(|| optimizer(settings.clone(), &weights.iter().collect::<Vec<_>>()));
                    own.step(gradients.into_iter().enumerate().collect()).unwrap();
                })
            };
            let mut plain = Plain { settings: settings.clone(), states: Vec::new(), steps: 0 };
            let expected = losses(&mut |weights, gradients| {
                if plain.states.is_empty() {
                    plain.states = weights.iter().map(|w| [w.zeros_like(), w.zeros_like()]).collect();
                }
                plain.step(weights, &gradients);
            });
            let found = together(&settings);
            assert!(expected[19] < 0.9 * expected[0], "nothing is trained: {expected:?}");
            let difference = largest_difference(&found, &expected);
            assert!(difference < 1e-4, "{kind:?} {clip:?} {weight_decay}: {difference}");
            // The control: a rate that is a hundredth larger shows.
            let other = together(&config::Optimizer { learning_rate: 1.01 * rate, ..settings.clone() });
            assert!(largest_difference(&other, &expected) > 1e-4, "{kind:?}: the test sees nothing");
        }
    }
}

/// Autograd hands out views: one element in the place of many, one tensor twice, another order in memory.
#[test]
fn gradients_may_be_views() {
    for kind in [OptimizerKind::Sgd, OptimizerKind::Momentum, OptimizerKind::Nesterov, OptimizerKind::Adam] {
        let step = |gradients: [Tensor; 3]| {
            let weights = [0, 1, 2].map(|_| Tensor::ones([2, 3], (Kind::Float, tch::Device::Cpu)));
            let mut optimizer = optimizer(config::Optimizer::new(kind, 0.1), &weights.each_ref());
            optimizer.step(gradients.into_iter().enumerate().collect()).unwrap();
            weights
        };
        let one = Tensor::from_slice(&[0.5_f32]).expand([2, 3], false);
        let crossed = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]).view([3, 2]).transpose(0, 1);
        let views = step([one.shallow_clone(), one.shallow_clone(), crossed.shallow_clone()]);
        let plain = step([one.contiguous(), one.contiguous(), crossed.contiguous()]);
        assert_eq!(views, plain, "{kind:?}");
        assert_ne!(plain[0], plain[2], "the control");
        assert_eq!(crossed.double_value(&[0, 1]), 3.0, "the gradient itself stays as it is");
    }
    let weight = Tensor::ones([2, 3], (Kind::Float, tch::Device::Cpu));
    let mut optimizer = optimizer(config::Optimizer::new(OptimizerKind::Momentum, 0.1), &[&weight]);
    assert!(optimizer.step(vec![(0, Tensor::from_slice(&[1.0_f32, 2.0]))]).is_err(), "another shape");
}

#[test]
fn scaled_gradients_make_the_same_step_and_those_that_overflow_make_none() {
    for kind in [OptimizerKind::Sgd, OptimizerKind::Momentum, OptimizerKind::Nesterov, OptimizerKind::Adam] {
        let weights = || [Tensor::from_slice(&[1.0_f32, 2.0]), Tensor::from_slice(&[3.0_f32])];
        let gradients =
            |by: f32| vec![(0, Tensor::from_slice(&[0.5_f32 * by, -by])), (1, Tensor::from_slice(&[0.25 * by]))];
        let settings = config::Optimizer { clip: Some(0.7), weight_decay: 0.1, ..config::Optimizer::new(kind, 0.1) };
        let (plain, scaled) = (weights(), weights());
        let mut first = optimizer(settings.clone(), &plain.each_ref());
        let mut second = optimizer(settings.clone(), &scaled.each_ref());
        for round in 0..3 {
            first.step(gradients(1.0)).unwrap();
            assert!(second.step_scaled(gradients(1024.0), Some(1024.0)).unwrap());
            assert_eq!(plain, scaled, "{kind:?}, round {round}");
        }
        let before = scaled.each_ref().map(Tensor::copy);
        let updates = second.state().1;
        for bad in [f32::INFINITY, f32::NAN] {
            let overflow = vec![(0, Tensor::from_slice(&[1.0_f32, bad])), (1, Tensor::from_slice(&[1.0_f32]))];
            assert!(!second.step_scaled(overflow, Some(1024.0)).unwrap());
        }
        assert_eq!(scaled, before, "{kind:?}: an overflow changed something");
        assert_eq!((second.state().1, second.steps()), (updates, 5), "the schedule goes on");
        // The control: unscaled, the same gradients make another step.
        second.step(gradients(1024.0)).unwrap();
        first.step(gradients(1.0)).unwrap();
        assert_ne!(plain[1], before[1]);
    }
}
