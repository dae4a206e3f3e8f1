//! Caches: runs that find a network cold, and layers that find their own data cold, on synthetic devices of known truth.

use std::sync::Arc;
use std::time::Duration;

use nasprof_graph::Graph;
use nasprof_graph::runtime::Runtime;
use nasprof_lut::{CurrentLevel, Estimator, Lut, Processes, WholeSession, current_level, from_journal, measure_whole};
use nasprof_profiler::engine::{Gate, Recorder};
use nasprof_profiler::journal::{Event, Mode};
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Fingerprint, Loaded, Memory, Probes, Setup, Visit, VisitRequest,
};
use nasprof_profiler::synthetic::{Model, SyntheticDevice};
use nasprof_spaces::Space;
use nasprof_testkit::luts::{events_of, synthetic_lut};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Mean absolute relative error on networks that were not measured.
fn error(lut: &Lut, space: &Space, device: &SyntheticDevice) -> f64 {
    let estimator = Estimator::new(lut);
    let mut rng = ChaCha8Rng::seed_from_u64(99);
    let errors = (0..50).map(|_| {
        let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng)).unwrap();
        (estimator.latency_ms(&graph).unwrap() * 1e6 / device.truth_ns(&graph).unwrap() - 1.0).abs()
    });
    errors.sum::<f64>() / 50.0
}

#[test]
fn a_layer_is_predicted_by_what_ran_since_its_kind_ran() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let device = SyntheticDevice::named("caches").unwrap();
    let lut = synthetic_lut(&space, "caches", 0);
    assert!(lut.context.calibration.as_ref().unwrap().reuse_bandwidth.is_some());
    let aware = error(&lut, &space, &device);
    // Control: the same LUT with the means over all occurrences.
    let mut blind = lut.clone();
    blind.context.calibration.as_mut().unwrap().reuse_bandwidth = None;
    let blind = error(&blind, &space, &device);
    assert!(aware < 0.01 && aware < 0.6 * blind, "{aware} against {blind}");
}

/// A busier machine slows large networks down more: with the anchors of now, estimates follow, and not only by a common factor.
#[test]
fn the_size_effect_of_now_is_found_with_the_level() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let lut = synthetic_lut(&space, "crowded", 0);
    let crowded = Model::named("crowded").unwrap();
    let busier = || SyntheticDevice::new("crowded", Model { growth: crowded.growth + 0.08, ..crowded });
    let session = WholeSession {
        processes: Processes::All(2),
        ci: None,
        timing: None,
        max_rounds: 12,
        seed: 1,
        gate: Gate { patience: Duration::ZERO, allow_noisy: true },
        deadline: None,
    };
    let mut recorder = Recorder::new(Vec::new(), None, Arc::default());
    let mut connect = || Ok(Box::new(busier()) as Box<dyn Device>);
    measure_whole((&lut, &space), &[], session, &mut recorder, &mut connect, &mut |_, _, _| ()).unwrap();
    let level = current_level(recorder.events(), &Estimator::new(&lut)).unwrap().unwrap();
    let found = level.size_effect.unwrap().slope;
    assert!((0.05..0.1).contains(&found), "{found}");
    let truth = busier();
    let error_at = |level: CurrentLevel| {
        let estimator = Estimator::new(&lut).at_level(level);
        let mut rng = ChaCha8Rng::seed_from_u64(99);
        let errors = (0..50).map(|_| {
            let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut rng)).unwrap();
            let estimate = estimator.estimate(&graph);
            // By one graph, by its sum, and for a choice's expectation alike.
            let of_sum = estimator.mean_latency_ms(&graph).unwrap();
            assert!((of_sum / estimate.latency_ms.unwrap() - 1.0).abs() < 0.01);
            (estimate.latency_ms.unwrap() * 1e6 / truth.truth_ns(&graph).unwrap() - 1.0).abs()
        });
        errors.sum::<f64>() / 50.0
    };
    let aware = error_at(level);
    // Control: the level alone.
    let blind = error_at(CurrentLevel { size_effect: None, ..level });
    assert!(aware < 0.006 && aware < 0.7 * blind, "{aware} against {blind}");
    // Taken twice, a level counts once.
    let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut ChaCha8Rng::seed_from_u64(5))).unwrap();
    let once = Estimator::new(&lut).at_level(level).latency_ms(&graph).unwrap();
    let twice = Estimator::new(&lut).at_level(level).at_level(level).latency_ms(&graph).unwrap();
    assert_eq!(once, twice);
}

/// All layers of a large network are slower: the networks that were measured whole show by how much.
#[test]
fn a_network_is_predicted_by_its_size() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let device = SyntheticDevice::named("crowded").unwrap();
    let lut = synthetic_lut(&space, "crowded", 0);
    assert!(lut.context.calibration.as_ref().unwrap().size_effect.is_some());
    let aware = error(&lut, &space, &device);
    // Control: the same LUT with the same factor for all networks.
    let mut blind = lut.clone();
    blind.context.calibration.as_mut().unwrap().size_effect = None;
    let blind = error(&blind, &space, &device);
    assert!(aware < 0.006 && aware < 0.5 * blind, "{aware} against {blind}");
    // The layers of an estimate add up to it.
    let graph = Runtime::TorchEager.subnet(&space.graph, &space.sample(&mut ChaCha8Rng::seed_from_u64(5))).unwrap();
    let estimate = Estimator::new(&lut).estimate(&graph);
    let sum: f64 = estimate.nodes.iter().map(|node| node.latency_ms.unwrap()).sum();
    assert!((sum / estimate.latency_ms.unwrap() - 1.0).abs() < 1e-12);
}

/// Where occurrences do not differ, nothing is made of their noise.
#[test]
fn without_an_effect_the_plain_mean_is_kept() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    for seed in 0..3 {
        let lut = synthetic_lut(&space, "quiet", seed);
        let calibration = lut.context.calibration.unwrap();
        assert_eq!((calibration.reuse_bandwidth, calibration.size_effect), (None, None), "seed {seed}");
    }
}

/// A network is left out of its own prediction, so the stored error is that of holdout networks and not of a fit.
#[test]
fn the_stored_error_is_that_of_holdout_networks() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let lut = synthetic_lut(&space, "caches", 1);
    let holdout = error(&lut, &space, &SyntheticDevice::named("caches").unwrap());
    let stored = lut.context.calibration.as_ref().unwrap();
    // A mean absolute error is about 0.8 of the root mean square; the truth has no noise, the anchors have some.
    assert!(holdout < 1.5 * stored.leave_one_out, "{holdout} holdout, {} stored", stored.leave_one_out);
    assert!(stored.shape_half_width > stored.leave_one_out);
}

/// A device asked for no warm-up runs, whatever the engine wants.
struct Unwarmed(SyntheticDevice);

impl Device for Unwarmed {
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        self.0.configure(setup)
    }
    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        self.0.load(workload, graph)
    }
    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        self.0.visit(&VisitRequest { warm_up_runs: 0, ..request.clone() })
    }
    fn canary(&mut self) -> Result<Canary, DeviceError> {
        self.0.canary()
    }
    fn probe(&mut self) -> Result<Probes, DeviceError> {
        self.0.probe()
    }
    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        self.0.memory(graph)
    }
}

/// The first runs after other networks are slow; they are not measured.
#[test]
fn cold_runs_do_not_reach_the_lut() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let device = || SyntheticDevice::named("cold-start").unwrap();
    let warm = synthetic_lut(&space, "cold-start", 0);
    let unwarmed = events_of(&space, "cold-start", 0, &mut || Ok(Box::new(Unwarmed(device()))));
    let cold = from_journal(&unwarmed).unwrap();
    let (warm, cold) = (error(&warm, &space, &device()), error(&cold, &space, &device()));
    assert!(warm < 0.01 && cold > 0.03, "{warm} warmed up, {cold} not");
}

/// The level comes from more processes than the layers do, so absolute times are nearer to the truth: over seeds, for two
/// sessions may be right by luck.
#[test]
fn sessions_of_the_anchors_alone_make_the_level_right() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let device = SyntheticDevice::named("sessions").unwrap();
    let first_level = |e: &Event| matches!(e, Event::Session { mode: Mode::Whole, .. });
    let (mut with, mut without) = (0.0, 0.0);
    for seed in 0..10 {
        let events = nasprof_testkit::luts::synthetic_events(&space, "sessions", seed);
        let lut = from_journal(&events).unwrap();
        assert!(lut.context.anchors.iter().all(|a| a.sessions_ns.len() == 2 && a.level_sessions_ns.len() == 3));
        with += error(&lut, &space, &device);
        // Control: without the sessions of the anchors, two draws of 5 % are all there is.
        let cut: Vec<_> = events.into_iter().take_while(|e| !first_level(e)).collect();
        without += error(&from_journal(&cut).unwrap(), &space, &device);
    }
    assert!(with < 0.8 * without, "{with} with, {without} without");
}

/// Where a layer's time depends on its neighbours, other networks give it another mean: intervals know that.
#[test]
fn intervals_hold_the_mean_over_other_networks() {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let share = |device: &str| {
        let (a, b) = (synthetic_lut(&space, device, 0), synthetic_lut(&space, device, 1));
        nasprof_lut::diff(&a, &b).overlapping_without_level.unwrap()
    };
    assert!(share("caches") > 0.9, "{}", share("caches"));
}
