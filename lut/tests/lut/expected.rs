//! Expected latency and memory of a space from its LUT.

use nasprof_graph::expectation::{Method, Sampling};
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Overhead};
use nasprof_lut::{BatchEstimator, Estimator, Lut, SizeEffect};
use nasprof_spaces::{Space, SpaceSpec};
use nasprof_testkit::luts::synthetic_lut;
use rand::{Rng, SeedableRng};
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

/// A LUT whose estimates grow with the size of networks, more than any that was measured.
fn with_size_effect(space: &Space) -> Lut {
    let mut lut = synthetic_lut(space, "quiet", 0);
    let rng = &mut ChaCha8Rng::seed_from_u64(3);
    let (scale, estimator) = (lut.context.calibration.as_ref().unwrap().scale, Estimator::new(&lut));
    let sum = |arch: &Arch| {
        let network = Runtime::TorchEager.subnet(&space.graph, arch).unwrap();
        1e6 * estimator.mean_latency_ms(&network).unwrap() / scale
    };
    let sums: Vec<f64> = (0..40).map(|_| sum(&space.sample(rng))).collect();
    let (low_ns, high_ns) = sums.iter().fold((f64::MAX, f64::MIN), |(low, high), &ns| (low.min(ns), high.max(ns)));
    let effect = SizeEffect { slope: 0.3, usual_ns: sums.iter().sum::<f64>() / 40.0, low_ns, high_ns };
    lut.context.calibration.as_mut().unwrap().size_effect = Some(effect);
    lut
}

/// Mean latency of drawn networks; `fixed` selects a candidate of a choice in all of them.
fn mean_of_estimates(lut: &Lut, space: &Space, p: &[Vec<f64>], fixed: Option<(usize, u16)>) -> f64 {
    let estimator = Estimator::new(lut);
    let mut batch = BatchEstimator::compile(space, Runtime::TorchEager, &estimator).unwrap();
    let rng = &mut ChaCha8Rng::seed_from_u64(4);
    let mut draw = |p: &Vec<f64>| {
        let mut left: f64 = rng.random();
        p.iter()
            .position(|p| {
                left -= p;
                left < 0.0
            })
            .unwrap_or(p.len() - 1) as u16
    };
    let drawn = 40_000;
    let sum: f64 = (0..drawn)
        .map(|_| {
            let mut arch = Arch(p.iter().map(&mut draw).collect());
            if let Some((choice, candidate)) = fixed {
                arch.0[choice] = candidate;
            }
            batch.score(&arch).unwrap()
        })
        .sum();
    sum / f64::from(drawn)
}

/// The size effect is part of expected values and of their gradients, to 0.2 %, in a space whose choices are independent and
/// in one that zeros prune.
#[test]
fn the_size_effect_is_expected_too() {
    for name in ["mobilenet-cifar10", "darts-cifar10"] {
        let space = Space::builtin(name).unwrap();
        let lut = with_size_effect(&space);
        let mut expected = lut.expected_latency(&space.graph, Sampling::default()).unwrap();
        assert_eq!(expected.method(), Method::SecondOrder);
        let mut blind = lut.clone();
        blind.context.calibration.as_mut().unwrap().size_effect = None;
        let mut blind = blind.expected_latency(&space.graph, Sampling::default()).unwrap();
        // Uniform, and one that prefers some candidates.
        let uniform = space.uniform_probabilities();
        let preferred: Vec<Vec<f64>> = uniform
            .iter()
            .map(|p| {
                let weights: Vec<f64> = (0..p.len()).map(|i| 1.0 / (1.0 + i as f64)).collect();
                weights.iter().map(|w| w / weights.iter().sum::<f64>()).collect()
            })
            .collect();
        for p in [uniform, preferred] {
            let (mut gradient, mut without) = (p.clone(), p.clone());
            let value = expected.evaluate(&p, &mut gradient).unwrap();
            blind.evaluate(&p, &mut without).unwrap();
            let exact = mean_of_estimates(&lut, &space, &p, None);
            assert!((value / exact - 1.0).abs() < 0.002, "{name}: {value} {exact}");
            assert_eq!(value.to_bits(), expected.value(&p).unwrap().to_bits());
            // What a candidate does, against the same networks with and without it: the choice that does most.
            let spread =
                |of: &Vec<f64>| of.iter().fold(f64::MIN, |m, x| m.max(*x)) - of.iter().fold(f64::MAX, |m, x| m.min(*x));
            let choice = (0..p.len()).max_by(|&a, &b| spread(&gradient[a]).total_cmp(&spread(&gradient[b]))).unwrap();
            let of = |candidate: usize| mean_of_estimates(&lut, &space, &p, Some((choice, candidate as u16)));
            let (first, last) = (of(0), of(p[choice].len() - 1));
            let step = |g: &[Vec<f64>]| g[choice][p[choice].len() - 1] - g[choice][0];
            let error = (step(&gradient) - (last - first)).abs() / exact;
            let blind_error = (step(&without) - (last - first)).abs() / exact;
            assert!(error < 0.002, "{name}: {error}");
            // Control: without the effect the candidate's step is another.
            assert!(blind_error > 2.0 * error, "{name}: {blind_error} against {error}");
        }
        // One network is exactly its estimate.
        let arch = space.sample(&mut ChaCha8Rng::seed_from_u64(9));
        let certain: Vec<Vec<f64>> = space
            .choices
            .iter()
            .zip(&arch.0)
            .map(|(c, &s)| (0..c.candidates.len()).map(|i| f64::from(u8::from(i == usize::from(s)))).collect())
            .collect();
        let network = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
        let single = Estimator::new(&lut).latency_ms(&network).unwrap();
        assert!((expected.value(&certain).unwrap() / single - 1.0).abs() < 1e-9);
    }
}

/// A small space is added up, which is exact.
#[test]
fn a_small_space_is_added_up_with_its_size_effect() {
    let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
        settings = [[24, 3, 1]]\ncandidates = [\"MB3 3x3\", \"MB6 3x3\", \"MB3 5x5\"]\nskip_connect = true\n";
    let space = SpaceSpec::parse(text).unwrap().build("small").unwrap();
    let lut = with_size_effect(&space);
    let mut expected = lut.expected_latency(&space.graph, Sampling::default()).unwrap();
    let all = usize::try_from(space.networks()).unwrap();
    assert_eq!(expected.method(), Method::Enumerated { networks: all });
    let estimator = Estimator::new(&lut);
    let mut sum = 0.0;
    for mut number in 0..all {
        let select = |choice: &nasprof_graph::Choice| {
            let selected = number % choice.candidates.len();
            number /= choice.candidates.len();
            selected as u16
        };
        let arch = Arch(space.choices.iter().map(select).collect());
        sum += estimator.latency_ms(&Runtime::TorchEager.subnet(&space.graph, &arch).unwrap()).unwrap();
    }
    let value = expected.value(&space.uniform_probabilities()).unwrap();
    assert!((value * all as f64 / sum - 1.0).abs() < 1e-12, "{value}");
}

#[test]
fn a_missing_layer_is_named() {
    let space = Space::builtin("darts-cifar10").unwrap();
    let mut lut = synthetic_lut(&space, "quiet", 0);
    lut.rows.retain(|row| row.op != "linear");
    let error = lut.expected_latency(&space.graph, Sampling::default()).unwrap_err().to_string();
    assert_eq!(error, "unknown cost of layer `linear(out=10,bias)[256]`");
}
