//! A GPU's latencies: measured, made a LUT of, estimated and validated, on a synthetic GPU whose true times are known.

use std::sync::OnceLock;

use nasprof_base::statistics::mean;
use nasprof_graph::Arch;
use nasprof_lut::{
    BatchEstimator, Estimator, Lut, LutError, Processes, Validation, WholeSession, from_journal, holdout_networks,
    measure_whole, validate,
};
use nasprof_profiler::engine::Recorder;
use nasprof_profiler::journal::Event;
use nasprof_profiler::protocol::{Precision, Probe, QueuedRuns, Timing};
use nasprof_profiler::synthetic::{MARK_NS, gpu_layer_truth_ns, gpu_truth_ns};
use nasprof_spaces::{Space, SpaceSpec};
use nasprof_testkit::engine::{gate, named};
use nasprof_testkit::luts::{synthetic_events, synthetic_lut};

fn space() -> Space {
    Space::builtin("mobilenet-cifar10").unwrap()
}

/// A space that is measured in a moment.
fn small() -> Space {
    let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 16, 16]\nnum_classes = 10\n\
        settings = [[24, 3, 1]]\ncandidates = [\"MB3 3x3\", \"MB6 3x3\", \"MB3 5x5\"]\nskip_connect = true\n";
    SpaceSpec::parse(text).unwrap().build("small").unwrap()
}

/// One measurement for all tests.
fn events(space: &Space) -> &'static [Event] {
    static EVENTS: OnceLock<Vec<Event>> = OnceLock::new();
    EVENTS.get_or_init(|| synthetic_events(space, "gpu", 3))
}

fn lut(space: &Space) -> Lut {
    from_journal(events(space)).unwrap()
}

/// The relative errors of estimates of networks that were not measured.
fn errors(space: &Space, lut: &Lut, timing: Timing) -> Vec<f64> {
    let mut lut = lut.clone();
    lut.choose_timing(timing).unwrap();
    let estimator = Estimator::new(&lut);
    assert_eq!(estimator.timing(), timing);
    let networks = holdout_networks(space, &lut, 40, 5).unwrap().networks;
    let error = |arch: &Arch| {
        let network = lut.context.header.runtime.subnet(&space.graph, arch).unwrap();
        let truth_ms = gpu_truth_ns(network.graph(), Precision::Float32, timing) / 1e6;
        let estimate = estimator.estimate(&network);
        let ms = estimate.latency_ms.unwrap();
        let shares: f64 = estimate.nodes.iter().filter_map(|node| node.latency_ms).sum();
        assert!((shares / ms - 1.0).abs() < 1e-9, "layers add up to the network");
        ms / truth_ms - 1.0
    };
    networks.iter().map(error).collect()
}

fn mape(errors: &[f64]) -> f64 {
    mean(&errors.iter().map(|e| e.abs()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn one_lut_answers_for_each_latency() {
    let space = space();
    let lut = lut(&space);
    for (timing, most) in [(Timing::Queue, 0.01), (Timing::Graph, 0.01), (Timing::Wall, 0.03)] {
        let errors = errors(&space, &lut, timing);
        assert!(mape(&errors) < most, "{timing:?}: {}", mape(&errors));
        assert!(errors.iter().all(|e| e.abs() < 0.05), "{timing:?}: {errors:?}");
    }
    // A control: they are three latencies, and none stands for another.
    let of = |timing| {
        let mut lut = lut.clone();
        lut.choose_timing(timing).unwrap();
        let network = lut.context.header.runtime.subnet(&space.graph, &lut.context.measured[0]).unwrap();
        Estimator::new(&lut).latency_ms(&network).unwrap()
    };
    let (queue, graph, wall) = (of(Timing::Queue), of(Timing::Graph), of(Timing::Wall));
    assert!(graph < 0.97 * queue && wall > 1.1 * queue, "{queue} {graph} {wall}");
}

/// A row is that of its kernel: what a mark costs is found in the session and taken off.
#[test]
fn rows_are_those_of_kernels() {
    let space = space();
    let lut = lut(&space);
    let queued = lut.context.queued.as_ref().unwrap();
    assert!((queued.timer_ns / MARK_NS - 1.0).abs() < 0.05, "{}", queued.timer_ns);
    assert!((lut.context.calibration.as_ref().unwrap().scale - 1.0).abs() < 0.05);
    let trials = events(&space).iter().filter_map(|event| match event {
        Event::Trial { key, graph, .. } => Some((key, graph)),
        _ => None,
    });
    let mut ratios = Vec::new();
    for (key, graph) in trials {
        let (launch_ns, kernel_ns) = gpu_layer_truth_ns(graph, graph.layers().next().unwrap().1, Precision::Float32);
        let row = lut.rows.iter().find(|row| row.key == *key).unwrap();
        assert!((row.launch_ns.unwrap() / launch_ns - 1.0).abs() < 0.02, "{key}: launch");
        let row_ns = row.times.as_ref().unwrap().mean_ns;
        if kernel_ns > 0.0 {
            // The gap before a kernel belongs to it in a queue.
            let truth = kernel_ns + 700.0;
            assert!((row_ns - truth).abs() < 0.02 * truth + 100.0, "{key}: {row_ns} {truth}");
            ratios.push((row_ns + queued.timer_ns) / truth);
        } else {
            assert!(row_ns < 0.1 * MARK_NS, "{key}: {row_ns}");
        }
    }
    // The control: with the marks in them, rows are half as long again.
    assert!(mean(&ratios).unwrap() > 1.3, "{ratios:?}");
}

fn validated(space: &Space, lut: &Lut, timing: Timing) -> Validation {
    validated_on("gpu", space, lut, timing)
}

fn validated_on(device: &str, space: &Space, lut: &Lut, timing: Timing) -> Validation {
    let mut lut = lut.clone();
    lut.choose_timing(timing).unwrap();
    validate(&measured(device, space, &lut, None), space, &Estimator::new(&lut), None, 1).unwrap()
}

/// Measures networks, in one latency or in all.
fn measured(device: &str, space: &Space, lut: &Lut, timing: Option<Timing>) -> Vec<Event> {
    let networks = holdout_networks(space, lut, 8, 1).unwrap().networks;
    let session = WholeSession {
        processes: Processes::All(1),
        ci: None,
        timing,
        max_rounds: 12,
        seed: 1,
        gate: gate(false),
        deadline: None,
    };
    let mut recorder = Recorder::new(Vec::new(), None, Default::default());
    measure_whole((lut, space), &networks, session, &mut recorder, &mut named(device), &mut |_, _, _| {}).unwrap();
    recorder.events().to_vec()
}

/// A search needs one latency of its winner, and measures no other.
#[test]
fn one_latency_can_be_measured_alone() {
    let space = space();
    let mut lut = lut(&space);
    let events = measured("gpu", &space, &lut, Some(Timing::Graph));
    let visits = events.iter().filter_map(|event| match event {
        Event::Visit { visit, .. } => visit.queued.as_ref(),
        _ => None,
    });
    assert!(visits.clone().count() > 0);
    assert!(
        visits.clone().all(|queued| !queued.graph.is_empty() && queued.wall.is_empty() && queued.references.is_empty())
    );
    lut.choose_timing(Timing::Graph).unwrap();
    assert!(validate(&events, &space, &Estimator::new(&lut), None, 1).unwrap().mape < 0.01);
    // The control: another one is not there.
    lut.choose_timing(Timing::Wall).unwrap();
    assert!(matches!(validate(&events, &space, &Estimator::new(&lut), None, 1), Err(LutError::NoCleanRun { .. })));
    // The control: all are there.
    let all = measured("gpu", &space, &lut, None);
    assert!(validate(&all, &space, &Estimator::new(&lut), None, 1).unwrap().mape < 0.03);
}

#[test]
fn a_validation_measures_the_latency_that_it_compares() {
    let space = space();
    let lut = lut(&space);
    let of = |timing| validated(&space, &lut, timing);
    let (queue, graph, wall) = (of(Timing::Queue), of(Timing::Graph), of(Timing::Wall));
    for (validation, most) in [(&queue, 0.01), (&graph, 0.01), (&wall, 0.03)] {
        assert!(validation.mape < most && (validation.level.unwrap() - 1.0).abs() < 0.03, "{validation:?}");
    }
    // The same networks, in other latencies.
    assert!(graph.rows[0].measured_ms < 0.97 * queue.rows[0].measured_ms);
    assert!(wall.rows[0].measured_ms > 1.1 * queue.rows[0].measured_ms);
}

/// Many architectures are scored as single ones are, also where their cost is no sum.
#[test]
fn populations_are_scored_in_the_same_latency() {
    let space = space();
    let lut = lut(&space);
    for timing in Timing::ALL {
        let mut lut = lut.clone();
        lut.choose_timing(timing).unwrap();
        let (estimator, runtime) = (Estimator::new(&lut), lut.context.header.runtime);
        let mut batch = BatchEstimator::compile(&space, runtime, &estimator).unwrap();
        for arch in holdout_networks(&space, &lut, 10, 7).unwrap().networks {
            let single = estimator.mean_latency_ms(&runtime.subnet(&space.graph, &arch).unwrap()).unwrap();
            assert!((batch.score(&arch).unwrap() / single - 1.0).abs() < 1e-9, "{timing:?}");
        }
    }
}

/// How far wall times of networks are from what the others predict.
fn wall_error(lut: &Lut) -> f64 {
    lut.context.queued.as_ref().unwrap().calibration(Timing::Wall).unwrap().leave_one_out
}

/// What visits measured beside the time behind a full queue.
fn queued(events: &mut [Event]) -> impl Iterator<Item = &mut QueuedRuns> {
    events.iter_mut().filter_map(|event| match event {
        Event::Visit { visit, .. } => visit.queued.as_mut(),
        _ => None,
    })
}

/// The processor beside a GPU becomes faster and slower within a second: launches are compared with those beside them.
#[test]
fn wall_times_do_not_follow_a_processor_that_becomes_faster_and_slower() {
    let space = space();
    let mut events = synthetic_events(&space, "gpu-shared-host", 3);
    let steadied = from_journal(&events).unwrap();
    let validation = validated_on("gpu-shared-host", &space, &steadied, Timing::Wall);
    let left_out = wall_error(&steadied);
    assert!(left_out < 0.01 && validation.mape < 0.01, "{left_out} {}", validation.mape);
    // The control: the same measurement without them.
    queued(&mut events).for_each(|queued| queued.references.clear());
    let raw = wall_error(&from_journal(&events).unwrap());
    assert!(raw > 2.0 * left_out, "{raw} {left_out}");
}

/// A search follows the device's own latency, so its LUT says which that is.
#[test]
fn the_context_names_the_latency() {
    let space = space();
    let lut = lut(&space);
    let network = lut.context.header.runtime.subnet(&space.graph, &lut.context.measured[0]).unwrap();
    let queue = Estimator::new(&lut).latency_ms(&network);
    let mut wall = lut.clone();
    wall.choose_timing(Timing::Wall).unwrap();
    assert_ne!(Estimator::new(&wall).latency_ms(&network), queue);
    // A device without a queue has none of them.
    let mut other = synthetic_lut(&small(), "quiet", 3);
    assert!(other.context.queued.is_none() && other.rows.iter().all(|row| row.launch_ns.is_none()));
    for timing in Timing::ALL {
        assert!(matches!(other.choose_timing(timing), Err(LutError::Timing(t)) if t == timing));
    }
}

/// Processes that only look for the level end where it is seen not to move, and canaries that agree at once are not
/// repeated for seconds.
#[test]
fn a_still_gpu_is_measured_in_fewer_processes() {
    let space = small();
    let seen = |device: &str| {
        let events = synthetic_events(&space, device, 3);
        let sessions = events.iter().filter(|event| matches!(event, Event::Session { .. })).count();
        let warm_ups = events.iter().filter(|event| matches!(event, Event::Canary { round: 0, .. })).count();
        (sessions, warm_ups / sessions)
    };
    let (sessions, warm_ups) = seen("gpu");
    assert_eq!(sessions, 3);
    // Controls: a GPU whose level moves, and a device without a queue.
    assert_eq!(seen("gpu-wandering").0, 5);
    let (of_other, warm_ups_of_other) = seen("quiet");
    assert!(of_other == 5 && warm_ups < warm_ups_of_other, "{warm_ups} {warm_ups_of_other}");
}

/// A run that the processor was taken from shows nothing, and neither does one beside launches that it was taken from.
#[test]
fn wall_times_of_a_preempted_processor_do_not_count() {
    let space = space();
    let mut events = synthetic_events(&space, "gpu-preempted", 3);
    let clean = wall_error(&from_journal(&events).unwrap());
    assert!(clean < 0.01, "{clean}");
    // The control: the same measurement without the counts of preemptions.
    let runs = queued(&mut events).flat_map(|q| q.wall.iter_mut().chain(&mut q.launches).chain(&mut q.references));
    runs.for_each(|run| run.switches = 0);
    let raw = wall_error(&from_journal(&events).unwrap());
    assert!(raw > 3.0 * clean, "{raw} {clean}");
}

/// A guest does not see its host's clocks, but the driver tells the GPU's. What depends on the processor stays as uncertain.
#[test]
fn the_level_of_a_gpu_is_as_sure_as_its_own_clock() {
    let mut events = events(&space()).to_vec();
    for event in &mut events {
        if let Event::Session { fingerprint, .. } = event {
            fingerprint.facts.insert("governor".to_owned(), "not observable".to_owned());
        }
    }
    let widths = |events: &[Event]| {
        let lut = from_journal(events).unwrap();
        let of = |timing| lut.context.queued.as_ref().unwrap().calibration(timing).unwrap().level_half_width;
        [lut.context.calibration.as_ref().unwrap().level_half_width, of(Timing::Graph), of(Timing::Wall)]
    };
    // The control: a GPU without its driver's data.
    let unseen = widths(&events);
    assert!(unseen.iter().all(|width| *width > 0.2), "{unseen:?}");
    for event in &mut events {
        if let Event::Session { gate, .. } = event {
            gate.values.insert("gpu_clock_mhz".to_owned(), Probe::Ok(1980.0));
        }
    }
    let [queue, graph, wall] = widths(&events);
    assert!(queue < 0.1 && graph < 0.1 && wall > 0.2, "{queue} {graph} {wall}");
}
