//! The batch form: equal to single estimates, in spaces with zeros too, and what it leaves out.

#![allow(clippy::print_stderr, reason = "how far means are from estimates is shown by --nocapture")]

use nasprof_base::statistics::mean;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Op};
use nasprof_lut::{BatchEstimator, CostTable, Estimator, Lut, SizeEffect};
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

/// The mean absolute difference between the batch form and single estimates.
fn off(space: &Space, lut: &Lut, of: &Lut) -> f64 {
    let (single, other) = (Estimator::new(of), Estimator::new(lut));
    let mut batch = BatchEstimator::compile(space, Runtime::TorchEager, &other).unwrap();
    let error = |arch: &Arch| (batch.score(arch).unwrap() / latency(&single, space, arch) - 1.0).abs();
    mean(&drawn(space, 200).iter().map(error).collect::<Vec<_>>()).unwrap()
}

/// A slope that is steep enough to be seen, around the sums of networks of the space.
fn with_size_effect(space: &Space, lut: &Lut) -> Lut {
    let mut lut = plain(lut);
    let scale = lut.context.calibration.as_ref().unwrap().scale;
    let estimator = Estimator::new(&lut);
    let sums: Vec<f64> = drawn(space, 30).iter().map(|arch| 1e6 * latency(&estimator, space, arch) / scale).collect();
    let (low_ns, high_ns) = sums.iter().fold((f64::MAX, f64::MIN), |(low, high), &ns| (low.min(ns), high.max(ns)));
    let effect = SizeEffect { slope: 0.3, usual_ns: mean(&sums).unwrap(), low_ns, high_ns };
    lut.context.calibration.as_mut().unwrap().size_effect = Some(effect);
    lut
}

#[test]
fn it_knows_the_size_effect_and_where_layers_stand() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    // A device whose caches show, and one that slows large networks down.
    for device in ["caches", "crowded"] {
        let lut = synthetic_lut(&space, device, 0);
        let calibration = lut.context.calibration.as_ref().unwrap();
        let is_known = (calibration.reuse_bandwidth.is_some(), calibration.size_effect.is_some());
        assert!(if device == "caches" { is_known.0 } else { is_known.1 }, "{device}: {is_known:?}");
        let error = off(&space, &lut, &lut);
        // Control: the same LUT without them.
        let blind = off(&space, &plain(&lut), &lut);
        eprintln!("{device}: {error:.2e} with, {blind:.2e} without");
        assert!(error < 1e-9 && blind > 0.002, "{device}: {error} {blind}");
    }
}

/// In spaces whose choices prune each other as well.
#[test]
fn counts_and_sizes_are_those_of_the_network() {
    for space in [cells(), Space::builtin("mobilenet-cifar10").unwrap()] {
        let lut = with_size_effect(&space, &synthetic_lut(&space, "quiet", 0));
        let estimator = Estimator::new(&lut);
        let mut batch = BatchEstimator::compile(&space, Runtime::TorchEager, &estimator).unwrap();
        for arch in drawn(&space, 100) {
            let network = Runtime::TorchEager.subnet(&space.graph, &arch).unwrap();
            let (single, one) = (estimator.estimate(&network), batch.estimate(&arch).unwrap());
            assert_eq!((one.params, one.macs), (single.params, single.macs), "{arch:?}");
            let (low, expected) = (one.interval_ms.unwrap()[0], single.interval_ms.unwrap()[0]);
            assert!(
                (one.latency_ms / single.latency_ms.unwrap() - 1.0).abs() < 1e-9 && (low / expected - 1.0).abs() < 1e-9
            );
        }
        let blind = off(&space, &plain(&lut), &lut);
        assert!(blind > 0.005, "the control: {blind}");
    }
}

/// Where a runtime fuses layers there are tables only, which do not know where a layer stands: that is said.
#[test]
fn it_says_where_it_ignores_context() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let lut = synthetic_lut(&space, "caches", 0);
    let ignores = |lut: &Lut, runtime| {
        BatchEstimator::compile(&space, runtime, &Estimator::new(lut)).map(|batch| batch.ignores_context())
    };
    assert_eq!(ignores(&lut, Runtime::TorchEager), Some(false));
    assert_ne!(ignores(&lut, Runtime::OnnxRuntime), Some(false));
    assert_ne!(ignores(&plain(&lut), Runtime::OnnxRuntime), Some(true));
}
