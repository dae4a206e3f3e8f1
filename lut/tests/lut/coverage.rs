//! Promise: the shape interval of an estimate holds networks that were never measured, also where a network is more than the sum
//! of its layers. The precision of the measurement is not that interval.
//!
//! The truth is the closed formula of the synthetic device. An estimate's shape is compared, so the level that all networks have
//! in common is divided out.

#![allow(clippy::print_stderr, reason = "the shares that were reached are shown by --nocapture")]

use nasprof_base::statistics::{mean, standard_deviation};
use nasprof_graph::runtime::Runtime;
use nasprof_lut::{Estimator, Lut};
use nasprof_profiler::synthetic::SyntheticDevice;
use nasprof_spaces::Space;
use nasprof_testkit::engine::space_of;
use nasprof_testkit::luts::synthetic_lut;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Measurements of each model, and networks for each.
const SEEDS: u64 = 4;
const NETWORKS: usize = 60;

/// Logarithms of estimated over true latency of fresh networks, without what they have in common.
fn errors(space: &Space, lut: &Lut, device: &SyntheticDevice, seed: u64) -> Vec<f64> {
    let (estimator, mut rng) = (Estimator::new(lut), ChaCha8Rng::seed_from_u64(1_000 + seed));
    let one = |_| {
        let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng)).unwrap();
        (estimator.latency_ms(&graph).unwrap() * 1e6 / device.truth_ns(&graph).unwrap()).ln()
    };
    let logs: Vec<f64> = (0..NETWORKS).map(one).collect();
    let level = mean(&logs).unwrap();
    logs.into_iter().map(|log| log - level).collect()
}

#[test]
fn fresh_networks_are_inside_the_shape_interval() {
    let small = space_of(6);
    let large = Space::builtin("mobilenet-cifar10").unwrap();
    for (name, space) in
        [("quiet", &small), ("noisy", &small), ("sessions", &small), ("caches", &large), ("crowded", &large)]
    {
        let device = SyntheticDevice::named(name).unwrap();
        let [mut inside, mut measured] = [0, 0];
        for seed in 0..SEEDS {
            let lut = synthetic_lut(space, name, seed);
            let shape = lut.context.calibration.as_ref().unwrap().shape_half_width;
            let precision = lut.context.precision.unwrap().networks.unwrap();
            let errors = errors(space, &lut, &device, seed);
            let within = |half: f64| errors.iter().filter(|error| error.abs() <= half).count();
            inside += within(shape);
            measured += within(precision);
            let spread = 1.96 * standard_deviation(&errors).unwrap();
            eprintln!("{name}, seed {seed}: shape ± {shape:.5}, measured ± {precision:.5}, errors ± {spread:.5}");
        }
        let share = |count: usize| count as f64 / (SEEDS as usize * NETWORKS) as f64;
        eprintln!("{name}: inside {:.3}, inside the precision {:.3}", share(inside), share(measured));
        assert!(share(inside) >= 0.95, "{name}: {}", share(inside));
        // Control: where layers stand and how large networks are is in no row's interval.
        assert!(!["caches", "crowded"].contains(&name) || share(measured) < 0.9, "{name}: {}", share(measured));
    }
}
