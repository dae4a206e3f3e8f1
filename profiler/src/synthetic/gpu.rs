//! A synthetic GPU in virtual time: the code that times a real one ([`crate::queued`]) runs on it.
//!
//! A kernel starts once it is launched and the previous kernel has finished. Launches, marks and the gaps between kernels
//! have realistic orders of magnitude. The kernels of a graph have smaller gaps.

use std::cell::RefCell;
use std::collections::HashMap;

use nasprof_graph::{Graph, LayerKey, Node, Op};

use super::noise::{Noise, RunState};
use super::truth::{hash, layer_truth_ns};
use crate::protocol::{Precision, Timing, VisitRequest};
use crate::queued::{Fills, Queue, QueuedNetwork, Stream, Visited, visit};

/// GPU time of a mark between two layers.
pub const MARK_NS: f64 = 2_100.0;
/// Processor time of a mark.
const MARK_LAUNCH_NS: f64 = 700.0;
/// Gap between two kernels in a queue, and in a graph.
const GAP_NS: f64 = 700.0;
const GRAPH_GAP_NS: f64 = 150.0;
/// Delay from a launch to the start of its kernel on an idle GPU, and from the last kernel's end until the processor knows
/// it.
const START_NS: f64 = 2_500.0;
const ANSWER_NS: f64 = 3_000.0;
/// Time to launch a graph, on the processor and on the GPU.
const GRAPH_LAUNCH_NS: f64 = 12_000.0;
const GRAPH_START_NS: f64 = 1_000.0;
/// GPU time of one fill, and processor time to launch it.
const FILL_NS: f64 = 20_000.0;
const FILL_LAUNCH_NS: f64 = 4_000.0;
/// The launches that tell how fast the processor is: how many, and the time of one.
const REFERENCE_LAUNCHES: usize = 60;
const REFERENCE_NS: f64 = 6_000.0;

/// A layer on the synthetic GPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Launched {
    /// The processor's time to launch it.
    launch_ns: f64,
    /// GPU time of its kernel; absent for a layer that is only a view of its operand.
    kernel_ns: Option<f64>,
}

/// True times of a layer: `(launch, kernel)` in nanoseconds, the kernel without the gap before it.
#[must_use]
pub fn gpu_layer_truth_ns(graph: &Graph, node: &Node, precision: Precision) -> (f64, f64) {
    let layer = launched(graph, node, precision);
    (layer.launch_ns, layer.kernel_ns.unwrap_or(0.0))
}

fn launched(graph: &Graph, node: &Node, precision: Precision) -> Launched {
    if matches!(node.op, Op::Flatten | Op::Identity | Op::Dropout { .. } | Op::DropPath { .. }) {
        return Launched { launch_ns: 800.0, kernel_ns: None };
    }
    let quirk = 1.25_f64.powf(2.0 * hash(&format!("launch of {}", LayerKey::of(graph, node).as_str())) - 1.0);
    let speed = match precision {
        Precision::Float16 | Precision::Bfloat16 => 0.6,
        Precision::Float32Strict => 1.3,
        Precision::Float32 | Precision::Int8 => 1.0,
    };
    let kernel_ns = speed * (1_200.0 + layer_truth_ns(graph, node) / 40.0);
    Launched { launch_ns: 6_000.0 * quirk, kernel_ns: Some(kernel_ns) }
}

pub(super) fn layers(graph: &Graph, precision: Precision) -> Vec<Launched> {
    graph.layers().map(|(_, node)| launched(graph, node, precision)).collect()
}

/// True value of one of a network's latencies, in nanoseconds, without noise.
#[must_use]
pub fn gpu_truth_ns(graph: &Graph, precision: Precision, timing: Timing) -> f64 {
    let layers = layers(graph, precision);
    let kernels = |gap: f64| layers.iter().filter_map(|layer| layer.kernel_ns).map(|ns| ns + gap).sum::<f64>();
    match timing {
        Timing::Queue => kernels(GAP_NS),
        Timing::Graph => GRAPH_START_NS + kernels(GRAPH_GAP_NS),
        Timing::Wall => {
            let (mut host, mut gpu) = (0.0_f64, 0.0_f64);
            for layer in layers {
                host += layer.launch_ns;
                if let Some(kernel) = layer.kernel_ns {
                    gpu = (host + START_NS).max(gpu + GAP_NS) + kernel;
                }
            }
            gpu.max(host) + ANSWER_NS
        }
    }
}

/// The loaded networks, by workload.
#[derive(Default)]
pub(super) struct Loaded(HashMap<u32, (Vec<Launched>, Fills)>);

impl Loaded {
    pub(super) fn insert(&mut self, workload: u32, layers: Vec<Launched>) {
        self.0.insert(workload, (layers, Fills::default()));
    }

    /// A visit; `None` if the workload is not loaded.
    pub(super) fn visit(&mut self, noise: &mut Noise, request: &VisitRequest) -> Option<Result<Visited, String>> {
        let (layers, fills) = self.0.get_mut(&request.workload)?;
        let world = RefCell::new(World { noise, host: 0.0, gpu: 0.0, marks: Vec::new(), preemptions: 0 });
        let mut network = VirtualNetwork { world: &world, layers };
        let visited = Queue::new(VirtualStream { world: &world })
            .and_then(|mut queue| visit(&mut queue, &mut network, fills, request, false));
        Some(visited)
    }
}

/// Simulated clocks of the processor and of the GPU.
struct World<'a> {
    noise: &'a mut Noise,
    host: f64,
    gpu: f64,
    marks: Vec<f64>,
    /// How often the processor was taken from the thread that launches.
    preemptions: u64,
}

impl World<'_> {
    /// Adds the current noise to a time and lets that time pass.
    fn noisy(&mut self, truth_ns: f64) -> f64 {
        // Only the processor is taken away by other programs.
        let run = RunState { preempted: false, ..self.noise.begin() };
        self.noise.sample(truth_ns, run) as f64
    }

    fn launch(&mut self, launch_ns: f64, kernel_ns: f64, gap_ns: f64) {
        let run = self.noise.begin();
        self.preemptions += u64::from(run.preempted);
        self.host += self.noise.sample(launch_ns * self.noise.processor(), run) as f64;
        let kernel = self.noisy(kernel_ns);
        self.gpu = (self.host + START_NS).max(self.gpu + gap_ns) + kernel;
    }
}

struct VirtualStream<'w, 'n> {
    world: &'w RefCell<World<'n>>,
}

impl Stream for VirtualStream<'_, '_> {
    fn fill(&mut self, times: u32) -> Result<(), String> {
        let mut world = self.world.borrow_mut();
        (0..times).for_each(|_| world.launch(FILL_LAUNCH_NS, FILL_NS, 0.0));
        Ok(())
    }

    fn mark(&mut self, number: usize) -> Result<(), String> {
        let mut world = self.world.borrow_mut();
        world.host += MARK_LAUNCH_NS;
        world.gpu = world.host.max(world.gpu) + MARK_NS;
        let at = world.gpu;
        world.marks.truncate(number);
        world.marks.push(at);
        Ok(())
    }

    fn is_past(&self, number: usize) -> Result<bool, String> {
        let world = self.world.borrow();
        Ok(world.marks.get(number).is_some_and(|at| *at <= world.host))
    }

    fn wait(&mut self) -> Result<(), String> {
        let mut world = self.world.borrow_mut();
        world.host = world.host.max(world.gpu) + ANSWER_NS;
        Ok(())
    }

    fn between(&self, from: usize, to: usize) -> Result<u64, String> {
        let world = self.world.borrow();
        let at = |mark: usize| world.marks.get(mark).ok_or("there is no such mark");
        Ok((at(to)? - at(from)?).round() as u64)
    }

    fn now(&self) -> u64 {
        self.world.borrow().host.round() as u64
    }

    fn preemptions(&self) -> u64 {
        self.world.borrow().preemptions
    }

    fn launch_reference(&mut self) -> Result<(), String> {
        let mut world = self.world.borrow_mut();
        (0..REFERENCE_LAUNCHES).for_each(|_| world.launch(REFERENCE_NS, 1_000.0, GAP_NS));
        Ok(())
    }
}

struct VirtualNetwork<'w, 'n, 'l> {
    world: &'w RefCell<World<'n>>,
    layers: &'l [Launched],
}

impl QueuedNetwork for VirtualNetwork<'_, '_, '_> {
    fn queue(&mut self, after_layer: &mut dyn FnMut() -> Result<(), String>) -> Result<(), String> {
        for layer in self.layers {
            match layer.kernel_ns {
                Some(kernel_ns) => self.world.borrow_mut().launch(layer.launch_ns, kernel_ns, GAP_NS),
                None => self.world.borrow_mut().host += layer.launch_ns,
            }
            after_layer()?;
        }
        Ok(())
    }

    fn is_captured(&self) -> bool {
        true
    }

    fn replay(&mut self) -> Result<(), String> {
        let mut world = self.world.borrow_mut();
        world.host += GRAPH_LAUNCH_NS;
        world.gpu = (world.host + START_NS).max(world.gpu) + GRAPH_START_NS;
        for kernel_ns in self.layers.iter().filter_map(|layer| layer.kernel_ns) {
            let kernel = world.noisy(kernel_ns);
            world.gpu += kernel + GRAPH_GAP_NS;
        }
        Ok(())
    }
}
