//! The back end on libtorch: runs graphs eagerly, operator by operator, on the CPU or on a GPU.

pub mod cuda;
mod kernel;
mod memory;
mod network;
mod panics;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Instant;

use nasprof_agent::canary::Kernels;
use nasprof_agent::energy::find;
use nasprof_agent::usage::counters;
use nasprof_agent::{affinity, allocator, probes, timer};
use nasprof_graph::Graph;
use nasprof_profiler::energy;
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Energy, Fingerprint, Loaded, Memory, Probes, Run, Setup, Visit, VisitRequest,
};

pub use kernel::{General, Kernel, Pair};
pub(crate) use network::{Network, Place};
pub use panics::caught_of_libtorch;

/// The version of libtorch that the bindings require; the build checks it.
pub(crate) const VERSION: &str = "2.11.0";

/// Number of parallel loops; together they take some milliseconds.
const PARALLEL_LOOPS: usize = 50;

/// The local CPU through libtorch.
#[derive(Default)]
pub struct TorchDevice {
    networks: HashMap<u32, Network>,
    setup: Option<Setup>,
    canary: Option<Kernels>,
    /// Blocks that fill up the heap in a process that measures memory.
    filling: Vec<Vec<u8>>,
    probes: probes::Reader,
}

impl TorchDevice {
    fn setup(&self) -> Result<&Setup, DeviceError> {
        self.setup.as_ref().ok_or_else(|| DeviceError::Refused("not configured".to_owned()))
    }

    fn build(&self, graph: &Graph) -> Result<Network, DeviceError> {
        let setup = self.setup()?;
        let place = Place::new(tch::Device::Cpu, setup.precision, setup.layout).map_err(DeviceError::Refused)?;
        Network::build(graph, setup.seed, place).map_err(DeviceError::Refused)
    }
}

/// Runs parallel loops that are long enough for every thread of the pool to take part.
fn parallel_work() {
    let Ok(ones) = tch::Tensor::f_ones([1 << 20], (tch::Kind::Float, tch::Device::Cpu)) else { return };
    for _ in 0..PARALLEL_LOOPS {
        drop(ones.f_relu());
    }
}

impl Device for TorchDevice {
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        if self.setup.is_some() {
            return Err(DeviceError::Refused("configured twice".to_owned()));
        }
        Place::new(tch::Device::Cpu, setup.precision, setup.layout).map_err(DeviceError::Refused)?;
        if let Some(timing) = setup.timing {
            return Err(DeviceError::Refused(timing.of_gpus()));
        }
        allocator::apply(setup.allocator).map_err(DeviceError::Refused)?;
        affinity::pin_process(&setup.cores).map_err(DeviceError::Refused)?;
        let threads = i32::try_from(setup.threads.max(1)).unwrap_or(i32::MAX);
        tch::set_num_interop_threads(1);
        tch::set_num_threads(threads);
        tch::manual_seed(setup.seed as i64);
        self.canary = Some(Kernels::default());
        if setup.threads > 1 {
            // The pool starts its threads at the first parallel loop; then each thread is pinned to its own core.
            affinity::pin_threads(&setup.cores, parallel_work).map_err(DeviceError::Refused)?;
        }
        self.setup = Some(setup.clone());
        let mut facts = probes::machine_facts();
        facts.extend(BTreeMap::from([
            ("runtime".to_owned(), "libtorch eager".to_owned()),
            ("runtime_version".to_owned(), VERSION.to_owned()),
        ]));
        Ok(Fingerprint { facts, virtual_time: false, timer_overhead_ns: timer::overhead_ns(), timings: Vec::new() })
    }

    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        let _guard = tch::no_grad_guard();
        let mut network = self.build(graph)?;
        let first_ns = network.run_layers().map_err(DeviceError::Refused)?;
        self.networks.insert(workload, network);
        Ok(Loaded { workload, first_ns })
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        let threads = self.setup()?.threads;
        let network = self
            .networks
            .get_mut(&request.workload)
            .ok_or_else(|| DeviceError::Refused(format!("unit {} is not loaded", request.workload)))?;
        let _guard = tch::no_grad_guard();
        let mut visit = Visit {
            sequence: request.sequence,
            workload: request.workload,
            layers: Vec::new(),
            whole: Vec::new(),
            queued: None,
            conditions: None,
        };
        for _ in 0..request.warm_up_runs {
            network.run_whole().map_err(DeviceError::Refused)?;
        }
        for i in 0..request.layer_runs.max(request.whole_runs) {
            if i < request.layer_runs {
                let before = counters(threads);
                let ns = network.run_layers().map_err(DeviceError::Refused)?;
                let (switches, faults) = counters(threads).since(before);
                visit.layers.push(Run { ns, switches, faults });
            }
            if i < request.whole_runs {
                let before = counters(threads);
                let start = Instant::now();
                for _ in 0..request.repeat.max(1) {
                    network.run_whole().map_err(DeviceError::Refused)?;
                }
                let ns = vec![timer::nanoseconds(start)];
                let (switches, faults) = counters(threads).since(before);
                visit.whole.push(Run { ns, switches, faults });
            }
        }
        Ok(visit)
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        self.canary.as_mut().map(Kernels::run).ok_or_else(|| DeviceError::Refused("not configured".to_owned()))
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        Ok(self.probes.read())
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        let _guard = tch::no_grad_guard();
        let mut filling = std::mem::take(&mut self.filling);
        let memory = memory::peak(&mut filling, || self.build(graph), Network::run_whole, Network::drop_values);
        self.filling = filling;
        memory
    }

    fn energy(&mut self, graph: &Graph) -> Result<Energy, DeviceError> {
        let mut meter = find(Path::new("/")).map_err(DeviceError::Refused)?;
        let _guard = tch::no_grad_guard();
        let mut network = self.build(graph)?;
        let clock = energy::RealClock::default();
        energy::measure(meter.as_mut(), &clock, |calls| (0..calls).try_for_each(|_| network.run_whole()))
            .map_err(DeviceError::Refused)
    }
}
