//! Expected latency and memory of a space from its LUT.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nasprof_graph::expectation::{Method, Sampling};
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Overhead};
use nasprof_lut::Estimator;
use nasprof_spaces::Space;
use nasprof_testkit::luts::synthetic_lut;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Zeros fold and prune in this one.
#[test]
fn the_expectation_is_the_mean_of_estimates() {
    let space = Space::builtin("darts-cifar10").unwrap();
    let lut = synthetic_lut(&space, "quiet", 0);
    let estimator = Estimator::new(&lut);
    let mut expected = lut.expected_latency(&space.graph, Sampling::default()).unwrap();
    assert_eq!(expected.method(), Method::Exact);
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let latency = |arch: &Arch| estimator.latency_ms(&Runtime::TorchEager.subnet(&space.graph, arch).unwrap()).unwrap();
    let drawn: Vec<f64> = (0..300).map(|_| latency(&space.sample(rng))).collect();
    let mean = drawn.iter().sum::<f64>() / 300.0;
    let deviation = (drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 299.0).sqrt();
    let value = expected.value(&space.uniform_probabilities()).unwrap();
    assert!((value - mean).abs() < 4.0 * deviation / 300_f64.sqrt(), "{value} {mean} {deviation}");
    // A distribution that leaves nothing open is one network.
    let arch = space.sample(rng);
    let mut certain = space.uniform_probabilities();
    for (p, &selected) in certain.iter_mut().zip(&arch.0) {
        p.fill(0.0);
        p[usize::from(selected)] = 1.0;
    }
    assert!((expected.value(&certain).unwrap() / latency(&arch) - 1.0).abs() < 1e-12);
    let memory =
        lut.expected_peak_memory(&space.graph, Sampling { samples: 1, seed: 0 }).unwrap().value(&certain).unwrap();
    let network = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
    assert!(memory >= network.peak_memory_bytes(Overhead::none) as f64);
}

#[test]
fn a_missing_layer_is_named() {
    let space = Space::builtin("darts-cifar10").unwrap();
    let mut lut = synthetic_lut(&space, "quiet", 0);
    lut.rows.retain(|row| row.op != "linear");
    let error = lut.expected_latency(&space.graph, Sampling::default()).unwrap_err().to_string();
    assert_eq!(error, "unknown cost of layer `linear(out=10,bias)[256]`");
}
