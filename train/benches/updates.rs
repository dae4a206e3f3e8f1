//! The update of all weights of a supernet: all tensors at once, as optimizers do it, against one tensor at a time, alternating.
//!
//! `cargo bench -p nasprof-train --bench updates`. THREADS (2) and ROUNDS (20) come from the environment.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and fails by panicking")]

mod common;

use std::time::Instant;

use nasprof_search::schedule::LearningRate;
use nasprof_train::Session;
use nasprof_train::optimizer::Optimizer;
use tch::{Device, Tensor};

/// Momentum with clipping and decay, one tensor at a time.
fn one_at_a_time(weights: &[Tensor], gradients: &[Tensor], velocities: &mut [Tensor], clip: Option<f64>) {
    let _guard = tch::no_grad_guard();
    for ((weight, gradient), velocity) in weights.iter().zip(gradients).zip(velocities) {
        let mut gradient = gradient.shallow_clone();
        if let Some(clip) = clip {
            gradient *= &(gradient.norm().reciprocal() * clip).clamp_max(1.0);
        }
        let gradient = gradient + weight * 3e-4;
        let _ = velocity.f_mul_scalar_(0.9).unwrap().f_add_(&(gradient * 0.025)).unwrap();
        let _ = weight.shallow_clone().f_sub_(velocity).unwrap();
    }
}

fn compare(space: &str, clip: Option<f64>, rounds: usize) {
    let plan = common::plan(space, "darts");
    let session = Session::new(&plan, Device::Cpu).unwrap();
    let parameters = session.net().parameters().all().iter().filter(|p| p.trainable);
    let weights: Vec<Tensor> = parameters.map(|p| p.tensor.detach()).collect();
    let gradients: Vec<Tensor> = weights.iter().map(|w| w.randn_like() * 0.01).collect();
    let mut velocities: Vec<Tensor> = weights.iter().map(Tensor::zeros_like).collect();
    let mut settings = plan.experiment.optimizers.weights.clone().unwrap();
    settings.clip = clip;
    let rate = LearningRate::new(settings.schedule.clone(), 0.025, 100, 1);
    let named = weights.iter().enumerate().map(|(i, w)| (i.to_string(), w.shallow_clone())).collect();
    let mut optimizer = Optimizer::new(settings, rate, named);
    let (mut together, mut apart, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms both up and does not count.
    for round in 0..=rounds {
        let (mut here, mut there) = (0.0, 0.0);
        for side in [round % 2, 1 - round % 2] {
            let own = || gradients.iter().map(Tensor::copy).collect::<Vec<_>>();
            let fresh = own();
            let start = Instant::now();
            if side == 0 {
                optimizer.step(fresh.into_iter().enumerate().collect()).unwrap();
                here = start.elapsed().as_secs_f64();
            } else {
                one_at_a_time(&weights, &fresh, &mut velocities, clip);
                there = start.elapsed().as_secs_f64();
            }
        }
        if round > 0 {
            together.push(1e3 * here);
            apart.push(1e3 * there);
            ratios.push(here / there);
        }
    }
    println!(
        "{space}, {} tensors, clip {clip:?}: {:.2} ms at once, {:.2} ms one at a time, ratio {:.3}",
        weights.len(),
        common::median(&together),
        common::median(&apart),
        common::median(&ratios)
    );
}

fn main() {
    common::prepare(common::setting("THREADS", 2));
    for space in ["mobilenet-cifar10", "darts-cifar10"] {
        for clip in [None, Some(5.0)] {
            compare(space, clip, common::setting("ROUNDS", 20));
        }
    }
}
