//! Devices in virtual time: the whole engine runs on them without waiting, with known truth.
//!
//! Every reply is a pure function of the configuration and the previous requests, so a replayed run yields the same bytes.

mod energy;
mod gpu;
mod model;
mod noise;
mod truth;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use nasprof_graph::cost::ELEMENT_BYTES;
use nasprof_graph::{Graph, LoweredNetwork, Overhead};
use noise::Noise;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::protocol::{
    Canary, Conditions, Device, DeviceError, Energy, Fingerprint, Loaded, Memory, Precision, Probe, Probes, Run, Setup,
    ThrottleReason, Timing, Visit, VisitRequest,
};

use crate::queued::Visited;

pub use energy::{IDLE_WATTS, layer_truth_microjoules, network_truth_microjoules};
pub use gpu::{MARK_NS, gpu_layer_truth_ns, gpu_truth_ns};
pub use model::{Model, description, names};
pub use noise::normal;
pub use truth::{WHOLE_OVERHEAD_NS, layer_truth_ns, network_truth_ns};

/// Cost of a timer between two layers on a synthetic device.
pub const TIMER_NS: f64 = 30.0;
/// True time of each canary kernel.
const CANARY_NS: f64 = 1e6;

/// A loaded layer.
#[derive(Debug, Clone, Copy)]
struct LayerTime {
    ns: f64,
    drifts: bool,
}

/// A simulated device.
pub struct SyntheticDevice {
    model: Model,
    noise: Noise,
    workloads: HashMap<u32, Vec<LayerTime>>,
    /// The loaded networks of a device with a queue.
    launched: gpu::Loaded,
    precision: Precision,
    name: String,
    seed: u64,
}

impl SyntheticDevice {
    /// The device with a named noise model.
    ///
    /// # Errors
    /// An unknown name, with the nearest known one.
    pub fn named(name: &str) -> Result<Self, String> {
        let model = Model::named(name)?;
        Ok(Self::new(name, model))
    }

    /// A device with a given noise model.
    #[must_use]
    pub fn new(name: &str, model: Model) -> Self {
        Self {
            noise: Noise::new(model, ChaCha8Rng::seed_from_u64(0)),
            model,
            workloads: HashMap::new(),
            launched: gpu::Loaded::default(),
            precision: Precision::Float32,
            name: name.to_owned(),
            seed: 0,
        }
    }

    /// True nanoseconds of a whole run of a network on this device, without noise.
    ///
    /// # Errors
    /// If a layer does not run on it.
    pub fn truth_ns(&self, graph: &Graph) -> Result<f64, DeviceError> {
        Ok(self.times(graph)?.iter().map(|layer| layer.ns).sum::<f64>() + WHOLE_OVERHEAD_NS)
    }

    fn times(&self, graph: &Graph) -> Result<Vec<LayerTime>, DeviceError> {
        let (far, excess) = self.model.cold_beyond.unwrap_or((u64::MAX, 0.0));
        let network = LoweredNetwork::of(graph.clone());
        let crowding = (network.cost().macs.max(1) as f64 / 1e7).powf(self.model.growth);
        network
            .keyed_layers()
            .iter()
            .map(|layer| {
                let (node, distance) = (graph.node(layer.node), layer.reuse_bytes);
                if self.model.fails == Some(node.op.name()) {
                    let reason = format!("layer `{}` ({}): not implemented on this device", node.name, node.op.name());
                    return Err(DeviceError::Refused(reason));
                }
                let is = |of: &str| of == node.op.name();
                let heavy = self.model.heavy.filter(|(op, _)| is(op)).map_or(1.0, |(_, times)| times);
                let far = if distance > far { 1.0 + excess } else { 1.0 };
                let ns = crowding * layer_truth_ns(graph, node) * heavy * far;
                Ok(LayerTime { ns, drifts: self.model.drifting.is_some_and(|(op, ..)| is(op)) })
            })
            .collect()
    }
}

impl Device for SyntheticDevice {
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        if setup.clocks.is_some() {
            return Err(DeviceError::Refused("a simulated device has no clocks to lock".to_owned()));
        }
        let is_simulated = setup.precision.is_usual() || (self.model.queue && setup.precision != Precision::Int8);
        if !is_simulated || !setup.layout.is_usual() {
            let what = format!("{}, {}", setup.precision.name(), setup.layout.name());
            return Err(DeviceError::Refused(format!("this simulated device does not support {what}")));
        }
        if let Some(timing) = setup.timing.filter(|_| !self.model.queue) {
            return Err(DeviceError::Refused(timing.of_gpus()));
        }
        self.precision = setup.precision;
        // Each session has its own noise, as each process of a real device has.
        let seed = setup.seed ^ (u64::from(setup.session) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.noise = Noise::new(self.model, ChaCha8Rng::seed_from_u64(seed));
        self.seed = seed;
        let facts = BTreeMap::from([
            ("processor".to_owned(), format!("synthetic:{}", self.name)),
            ("runtime".to_owned(), "synthetic".to_owned()),
            ("runtime_version".to_owned(), "1".to_owned()),
        ]);
        let timings = if self.model.queue { Timing::ALL.to_vec() } else { Vec::new() };
        Ok(Fingerprint { facts, virtual_time: true, timer_overhead_ns: TIMER_NS as u64, timings })
    }

    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        if let Some(most) = self.model.networks.filter(|most| self.workloads.len() >= *most) {
            return Err(DeviceError::Refused(format!("out of memory: {most} networks are loaded")));
        }
        let times = self.times(graph)?;
        let first_ns = times.iter().map(|layer| (layer.ns * 20.0) as u64).collect();
        if self.model.queue {
            self.launched.insert(workload, gpu::layers(graph, self.precision));
        }
        self.workloads.insert(workload, times);
        Ok(Loaded { workload, first_ns })
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        let unknown = || DeviceError::Refused(format!("unit {} is not loaded", request.workload));
        if self.model.queue {
            let visited = self.launched.visit(&mut self.noise, request).ok_or_else(unknown)?;
            let Visited { layers, whole, queued } = visited.map_err(DeviceError::Refused)?;
            let (sequence, workload) = (request.sequence, request.workload);
            return Ok(Visit { sequence, workload, layers, whole, queued, conditions: None });
        }
        let loaded = self.workloads.get(&request.workload).ok_or_else(unknown)?.clone();
        // The drift of single layers changes between visits, not within one.
        let drift = self.noise.own_drift();
        let times: Vec<f64> = loaded.iter().map(|layer| layer.ns * if layer.drifts { drift } else { 1.0 }).collect();
        let total: f64 = times.iter().sum::<f64>() + WHOLE_OVERHEAD_NS;
        let mut visit = Visit {
            sequence: request.sequence,
            workload: request.workload,
            layers: Vec::new(),
            whole: Vec::new(),
            queued: None,
            conditions: None,
        };
        let mut cold = self.model.cold_runs;
        // How much slower the next run of this visit is.
        let mut cold_factor = || match &mut cold {
            Some((runs @ 1.., excess)) => {
                *runs -= 1;
                1.0 + *excess
            }
            _ => 1.0,
        };
        for _ in 0..request.warm_up_runs {
            self.noise.pass(total * cold_factor());
        }
        for i in 0..request.layer_runs.max(request.whole_runs) {
            if i < request.layer_runs {
                let (run, cold) = (self.noise.begin(), cold_factor());
                let ns = times.iter().map(|&t| self.noise.sample(t * cold + TIMER_NS, run)).collect();
                visit.layers.push(Run { ns, switches: u64::from(run.preempted), faults: 0 });
            }
            if i < request.whole_runs {
                let (run, cold) = (self.noise.begin(), cold_factor());
                let ns = vec![self.noise.sample(total * cold * f64::from(request.repeat.max(1)), run)];
                visit.whole.push(Run { ns, switches: u64::from(run.preempted), faults: 0 });
            }
        }
        if self.model.reports_throttling {
            let throttled = if self.noise.is_in_step() { vec![ThrottleReason::Simulated] } else { Vec::new() };
            visit.conditions = Some(Conditions { clock_mhz: None, throttled: Some(throttled) });
        }
        Ok(visit)
    }

    fn pass_time(&mut self, time: Duration) -> Result<(), DeviceError> {
        self.noise.rest(time.as_nanos() as f64);
        Ok(())
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        let mut canary = Canary { compute_ns: Vec::new(), memory_ns: Vec::new() };
        for _ in 0..7 {
            canary.compute_ns.push(self.noise.canary(CANARY_NS));
            canary.memory_ns.push(self.noise.canary(CANARY_NS));
        }
        Ok(canary)
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        let pressure = if self.model.busy { Probe::Bad(80.0) } else { Probe::Ok(0.0) };
        let values = BTreeMap::from([
            ("pressure_percent".to_owned(), pressure),
            ("temperature_celsius".to_owned(), Probe::NotObservable),
        ]);
        Ok(Probes { values, busy: Vec::new() })
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        let first_ns = self.times(graph)?.iter().map(|layer| (layer.ns * 20.0) as u64).sum();
        // Measured relative to the state before the run, in which the data is already allocated.
        let data: u64 = graph.data_shapes().iter().map(|shape| shape.elements() * ELEMENT_BYTES).sum();
        let peak = graph.peak_activation_bytes().saturating_sub(data);
        let method = "simulated: activations alive at once".to_owned();
        let network = graph.peak_memory_bytes(Overhead::none);
        let cost = graph.cost();
        Ok(Memory {
            first_ns,
            peak_bytes: Some(peak),
            network_bytes: Some(network),
            stored_bytes: Some((cost.params + cost.buffers) * ELEMENT_BYTES),
            method,
            resolution_bytes: 1,
        })
    }

    fn energy(&mut self, graph: &Graph) -> Result<Energy, DeviceError> {
        if self.model.meterless {
            return Err(DeviceError::Refused("this device has no energy meter".to_owned()));
        }
        self.times(graph)?;
        energy::energy(graph, self.seed).map_err(DeviceError::Refused)
    }
}
