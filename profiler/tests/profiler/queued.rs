//! Visits to a processor with a queue: each latency is the true one, on a synthetic GPU without noise.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Graph};
use nasprof_profiler::protocol::{Device, DeviceError, Precision, QueuedRuns, Setup, Timing, Visit, VisitRequest};
use nasprof_profiler::synthetic::{MARK_NS, Model, SyntheticDevice, gpu_layer_truth_ns, gpu_truth_ns};
use nasprof_spaces::Space;
use nasprof_testkit::engine::setup;

/// A network of layers that are shorter and longer than their launches.
fn graph() -> Graph {
    let space = Space::builtin("mobilenet-cifar10").unwrap();
    let arch = Arch(vec![1; space.choices.len()]);
    Runtime::TorchEager.subnet(&space.graph, &arch).unwrap().into_graph()
}

fn device(precision: Precision) -> SyntheticDevice {
    let mut device = SyntheticDevice::new("gpu", Model { queue: true, ..Model::default() });
    device.configure(&Setup { precision, ..setup(1, 0) }).unwrap();
    device.load(0, &graph()).unwrap();
    device
}

fn visit(precision: Precision, timings: &[Timing]) -> Visit {
    let (sequence, workload) = (0, 0);
    let (warm_up_runs, layer_runs, whole_runs, repeat) = (1, 2, 2, 1);
    let timings = timings.to_vec();
    let request = VisitRequest { sequence, workload, warm_up_runs, layer_runs, whole_runs, repeat, timings };
    device(precision).visit(&request).unwrap()
}

fn near(measured: u64, truth: f64, within: f64) -> bool {
    (measured as f64 / truth - 1.0).abs() < within
}

#[test]
fn each_latency_is_the_true_one() {
    let graph = graph();
    for precision in [Precision::Float32, Precision::Float16] {
        let truth = |timing| gpu_truth_ns(&graph, precision, timing);
        let visit = visit(precision, &[Timing::Graph, Timing::Wall]);
        let QueuedRuns { graph: replays, wall, launches, references } = visit.queued.unwrap();
        // One mark ends a run that is timed as a whole.
        assert!(visit.whole.iter().all(|run| near(run.ns[0], truth(Timing::Queue) + MARK_NS, 1e-3)));
        assert!(replays.iter().all(|run| near(run.ns[0], truth(Timing::Graph), 0.01)));
        assert!(wall.iter().all(|run| near(run.ns[0], truth(Timing::Wall), 0.01)));
        // The same launches before and after each run, whatever the network.
        assert!(references.len() == 2 && references.iter().all(|run| near(run.ns[0], run.ns[1] as f64, 0.01)));
        for (position, (_, node)) in graph.layers().enumerate() {
            let (launch_ns, kernel_ns) = gpu_layer_truth_ns(&graph, node, precision);
            let gap_ns = if kernel_ns > 0.0 { 700.0 } else { 0.0 };
            assert!(visit.layers.iter().all(|run| near(run.ns[position], kernel_ns + gap_ns + MARK_NS, 0.01)));
            assert!(launches.iter().all(|run| near(run.ns[position], launch_ns, 0.01)));
        }
        // Controls: the three differ, and layers with marks add up to much more than the run.
        assert!(truth(Timing::Graph) < 0.97 * truth(Timing::Queue) && truth(Timing::Wall) > 1.1 * truth(Timing::Queue));
        assert!(visit.layers[0].ns.iter().sum::<u64>() as f64 > 1.2 * truth(Timing::Queue));
    }
}

#[test]
fn what_was_not_asked_for_is_not_measured() {
    assert_eq!(visit(Precision::Float32, &[]).queued, None);
    let queued = visit(Precision::Float32, &[Timing::Graph]).queued.unwrap();
    assert!(queued.graph.len() == 2 && queued.wall.is_empty() && queued.launches.is_empty());
}

#[test]
fn a_device_says_which_latencies_it_has() {
    let fingerprint = |model: Model| SyntheticDevice::new("x", model).configure(&setup(1, 0)).unwrap();
    assert_eq!(fingerprint(Model { queue: true, ..Model::default() }).timings, Timing::ALL);
    assert!(fingerprint(Model::default()).timings.is_empty());
    let refused =
        SyntheticDevice::new("x", Model::default()).configure(&Setup { timing: Some(Timing::Wall), ..setup(1, 0) });
    assert!(matches!(refused, Err(DeviceError::Refused(words)) if words.contains("`wall`")));
}
