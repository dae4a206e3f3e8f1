//! The batch form: equal to single estimates, in spaces with zeros too, and what it leaves out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "how far means are from estimates is shown by --nocapture")]

use nasprof_base::statistics::mean;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Op};
use nasprof_lut::{BatchEstimator, CostTable, Estimator, Lut};
use nasprof_spaces::{Space, SpaceSpec};
use nasprof_testkit::luts::synthetic_lut;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Two cells of the DARTS space: every edge can be a zero.
fn cells() -> Space {
    let text = "format_version = 1\nkind = \"darts\"\ninput = [3, 32, 32]\nnum_classes = 10\ninit_channels = 4\n\
        num_cells = 3\nshared = false\n";
    SpaceSpec::parse(text).unwrap().build("cells").unwrap()
}

fn plain(lut: &Lut) -> Lut {
    let mut lut = lut.clone();
    let calibration = lut.context.calibration.as_mut().unwrap();
    (calibration.reuse_bandwidth, calibration.size_effect) = (None, None);
    lut
}

fn drawn(space: &Space, count: usize) -> Vec<Arch> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    (0..count).map(|_| space.sample(&mut rng)).collect()
}

fn latency(estimator: &Estimator<'_>, space: &Space, arch: &Arch) -> f64 {
    estimator.latency_ms(&Runtime::TorchEager.subnet(&space.graph, arch).unwrap()).unwrap()
}

#[test]
fn spaces_with_zeros_are_scored_exactly() {
    let space = cells();
    assert!(space.graph.nodes().iter().any(|node| matches!(node.op, Op::Zero { .. })));
    let lut = plain(&synthetic_lut(&space, "quiet", 0));
    let estimator = Estimator::new(&lut);
    let mut batch = BatchEstimator::compile(&space, Runtime::TorchEager, &estimator).unwrap();
    let mut archs = drawn(&space, 600);
    // All zeros, and each candidate everywhere.
    archs.extend((0..8).map(|candidate| Arch(vec![candidate; space.choices.len()])));
    let mut scores = Vec::new();
    batch.score_all(&archs, &mut scores).unwrap();
    for (arch, score) in archs.iter().zip(&scores) {
        let exact = latency(&estimator, &space, arch);
        assert!((score - exact).abs() <= 1e-12 * exact, "{score} {exact} {arch:?}");
        assert_eq!(batch.score(arch).unwrap().to_bits(), score.to_bits());
    }
    // Control: no table of contributions is exact here.
    assert!(CostTable::tabulate(&space, |arch| Some(latency(&estimator, &space, arch))).is_none());
    let base = scores[600];
    let additive = |arch: &Arch| {
        let one = |(i, &candidate): (usize, &u16)| {
            let mut one = Arch(vec![0; arch.0.len()]);
            one.0[i] = candidate;
            latency(&estimator, &space, &one) - base
        };
        base + arch.0.iter().enumerate().map(one).sum::<f64>()
    };
    let zeros = &archs[607];
    assert!((additive(zeros) / latency(&estimator, &space, zeros) - 1.0).abs() > 0.01);
}

#[test]
fn what_is_no_architecture_is_refused() {
    for space in [cells(), Space::builtin("mobilenet-cifar10").unwrap()] {
        let lut = synthetic_lut(&space, "quiet", 0);
        let mut batch = BatchEstimator::compile(&space, Runtime::TorchEager, &Estimator::new(&lut)).unwrap();
        let good = drawn(&space, 1).remove(0);
        batch.score(&good).unwrap();
        let long = Arch([good.0.clone(), vec![0]].concat());
        let mut far = good.clone();
        far.0[0] = 99;
        for bad in [Arch(Vec::new()), long, far] {
            assert!(batch.score(&bad).is_err());
            assert!(batch.score_all(&[good.clone(), bad], &mut Vec::new()).is_err());
        }
    }
}

#[test]
fn a_missing_layer_leaves_no_batch_form() {
    let space = cells();
    let mut lut = synthetic_lut(&space, "quiet", 0);
    assert!(BatchEstimator::compile(&space, Runtime::TorchEager, &Estimator::new(&lut)).is_some());
    lut.rows.retain(|row| row.op != "linear");
    assert!(BatchEstimator::compile(&space, Runtime::TorchEager, &Estimator::new(&lut)).is_none());
}

/// Where a layer's time depends on its context, the batch form says that it does not know it, and is off by as much as the
/// occurrences differ.
#[test]
fn it_says_that_it_ignores_context() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let aware = synthetic_lut(&space, "caches", 0);
    let off = |lut: &Lut| {
        let estimator = Estimator::new(lut);
        let mut batch = BatchEstimator::compile(&space, Runtime::TorchEager, &estimator).unwrap();
        let error = |arch: &Arch| (batch.score(arch).unwrap() / latency(&estimator, &space, arch) - 1.0).abs();
        let error = mean(&drawn(&space, 200).iter().map(error).collect::<Vec<_>>()).unwrap();
        (batch.ignores_context(), error)
    };
    let (ignores, error) = off(&aware);
    eprintln!("means against occurrences on `caches`: {:.2} % mean absolute difference", 100.0 * error);
    assert!(ignores && error > 0.002 && error < 0.05, "{error}");
    // Control: without the occurrences there is nothing to ignore, and nothing is off.
    let (ignores, error) = off(&plain(&aware));
    assert!(!ignores && error < 1e-12, "{error}");
}
