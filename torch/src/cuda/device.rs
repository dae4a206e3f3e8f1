//! The back end on a GPU.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nasprof_agent::nvidia::{self, Gpu, GpuEnergy};
use nasprof_agent::{affinity, probes, timer};
use nasprof_graph::Graph;
use nasprof_profiler::backend::CudaTarget;
use nasprof_profiler::energy;
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Energy, Fingerprint, Loaded, Memory, Probes, Run, Setup, Visit, VisitRequest,
};
use tch::{Kind, Tensor};

use super::queue::Queue;
use super::runtime::Runtime;
use super::stream::GpuStream;
use super::{allocator, libraries};
use crate::{Network, VERSION};

/// A network is run for this long before its first timed run, and this often at the least.
const WARM_UP: Duration = Duration::from_millis(200);
const WARM_UP_RUNS: u32 = 3;
/// Layers between two checks, in a run that is timed as a whole, that the GPU did not wait.
const CHECK_EVERY: usize = 256;
/// Timed calls of each fixed kernel, and what one takes at the least.
const CANARY_SAMPLES: usize = 7;
const CANARY_NS: u64 = 1_000_000;
/// Side of the matrices, and elements of the buffer, of the fixed kernels.
const CANARY_SIDE: i64 = 1024;
const CANARY_ELEMENTS: i64 = 64 << 20;
/// Runs queued before they are waited for, while energy is counted.
const RUNS_QUEUED: u64 = 16;
/// libtorch's allocator hands out multiples of this.
const ALLOCATION_BYTES: u64 = 512;

/// A GPU through libtorch.
pub struct CudaDevice {
    target: CudaTarget,
    ready: Option<Ready>,
}

/// What is there after the set-up.
struct Ready {
    seed: u64,
    gpu: Rc<dyn Gpu>,
    queue: Queue<GpuStream>,
    networks: HashMap<u32, Network>,
    canary: Kernels,
    probes: probes::Reader,
}

impl CudaDevice {
    /// The GPU of a back end's name; nothing is loaded yet.
    ///
    /// # Errors
    /// If the name is wrong.
    pub fn named(backend: &str) -> Result<Self, String> {
        Ok(Self { target: CudaTarget::parse(backend)?, ready: None })
    }

    fn device(&self) -> tch::Device {
        tch::Device::Cuda(self.target.index as usize)
    }

    fn ready(&mut self) -> Result<&mut Ready, DeviceError> {
        self.ready.as_mut().ok_or_else(|| DeviceError::Refused("not configured".to_owned()))
    }

    fn build(&mut self, graph: &Graph) -> Result<Network, DeviceError> {
        let device = self.device();
        let seed = self.ready()?.seed;
        Network::build(graph, seed, device).map_err(DeviceError::Refused)
    }

    /// Runs a network to its end; the time is the processor's.
    fn run_timed(&mut self, network: &mut Network) -> Result<Duration, DeviceError> {
        let start = Instant::now();
        network.run_whole().map_err(DeviceError::Refused)?;
        self.ready()?.queue.wait().map_err(DeviceError::Refused)?;
        Ok(start.elapsed())
    }

    fn open(&self, setup: &Setup) -> Result<(Ready, Fingerprint), String> {
        let index = self.target.index;
        libraries::load(&libraries::folders(), &mut libraries::open_globally).map_err(|e| format!("CUDA: {e}"))?;
        let runtime = Runtime::find()?;
        let count = runtime.device_count()?;
        if index >= count {
            return Err(format!("there is no GPU {index}: CUDA shows {count}"));
        }
        let gpu = nvidia::open(index)?;
        // CUDA numbers GPUs by speed, or as CUDA_VISIBLE_DEVICES says; the driver by their place.
        let place = runtime.bus_id(index)?;
        if !gpu.bus_id().is_some_and(|bus_id| nvidia::same_place(&bus_id, &place)) {
            return Err(format!(
                "CUDA's GPU {index} ({place}) is not the driver's GPU {index}; set CUDA_DEVICE_ORDER=PCI_BUS_ID and \
                 unset CUDA_VISIBLE_DEVICES"
            ));
        }
        // The processor only queues; one thread does that.
        affinity::pin_process(&setup.cores)?;
        tch::set_num_interop_threads(1);
        tch::set_num_threads(1);
        runtime.set_device(index)?;
        tch::manual_seed(setup.seed as i64);
        let mut queue = Queue::new(GpuStream::new(runtime, index)?);
        let empty = (0..20).map(|_| Ok(queue.timed(|| Ok(()), |marks| marks.mark())?.iter().sum()));
        let timer_overhead_ns = empty.collect::<Result<Vec<u64>, String>>()?.into_iter().min().unwrap_or(0);
        let canary = Kernels::new(self.device(), &mut queue)?;
        let mut facts = probes::machine_facts();
        facts.extend(gpu.facts());
        let cache = if self.target.flush { "flushed before every run" } else { "as an untimed run leaves it" };
        facts.extend([
            ("runtime".to_owned(), "libtorch eager, CUDA".to_owned()),
            ("runtime_version".to_owned(), VERSION.to_owned()),
            ("cuda".to_owned(), runtime.version()?),
            ("timing".to_owned(), "CUDA events behind a full queue".to_owned()),
            ("l2_cache".to_owned(), cache.to_owned()),
        ]);
        let probes = probes::Reader::default();
        let ready = Ready { seed: setup.seed, gpu, queue, networks: HashMap::new(), canary, probes };
        // An event shows half a microsecond (CUDA runtime API, cudaEventElapsedTime).
        Ok((ready, Fingerprint { facts, virtual_time: false, timer_overhead_ns: timer_overhead_ns.max(500) }))
    }
}

impl Device for CudaDevice {
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        if self.ready.is_some() {
            return Err(DeviceError::Refused("configured twice".to_owned()));
        }
        let (ready, fingerprint) = self.open(setup).map_err(DeviceError::Refused)?;
        self.ready = Some(ready);
        Ok(fingerprint)
    }

    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        let _guard = tch::no_grad_guard();
        let mut network = self.build(graph)?;
        let ready = self.ready()?;
        let mut warm = || {
            let mut first_ns = Vec::new();
            let mut last = Instant::now();
            network.run_with(&mut || {
                // The first call of each layer to its end, with all that the libraries prepare then.
                ready.queue.wait()?;
                let now = Instant::now();
                first_ns.push(timer::between(last, now));
                last = now;
                Ok(())
            })?;
            let start = Instant::now();
            let mut runs = 0;
            while runs < WARM_UP_RUNS || start.elapsed() < WARM_UP {
                network.run_whole()?;
                ready.queue.wait()?;
                runs += 1;
            }
            Ok(first_ns)
        };
        let first_ns = warm().map_err(DeviceError::Refused)?;
        ready.networks.insert(workload, network);
        Ok(Loaded { workload, first_ns })
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        let flush = self.target.flush;
        let ready = self.ready()?;
        let network = ready
            .networks
            .get_mut(&request.workload)
            .ok_or_else(|| DeviceError::Refused(format!("unit {} is not loaded", request.workload)))?;
        let _guard = tch::no_grad_guard();
        let network = RefCell::new(network);
        // Filling the queue has flushed the cache; the untimed run puts back what a run leaves there.
        let prepare = || if flush { Ok(()) } else { network.borrow_mut().run_whole() };
        let run = |ns| Run { ns, switches: 0, faults: 0 };
        let (mut layers, mut whole) = (Vec::new(), Vec::new());
        let queue = &mut ready.queue;
        let mut all = || -> Result<(), String> {
            for _ in 0..request.warm_up_runs {
                network.borrow_mut().run_whole()?;
            }
            for i in 0..request.layer_runs.max(request.whole_runs) {
                if i < request.layer_runs {
                    let ns = queue.timed(prepare, |marks| network.borrow_mut().run_with(&mut || marks.mark()))?;
                    layers.push(run(ns));
                }
                if i < request.whole_runs {
                    let ns = queue.timed(prepare, |marks| {
                        let mut count = 0;
                        for _ in 0..request.repeat.max(1) {
                            network.borrow_mut().run_with(&mut || {
                                count += 1;
                                if count % CHECK_EVERY == 0 { marks.mark() } else { Ok(()) }
                            })?;
                        }
                        marks.mark()
                    })?;
                    whole.push(run(vec![ns.iter().sum()]));
                }
            }
            Ok(())
        };
        all().map_err(DeviceError::Refused)?;
        let conditions = Some(nvidia::conditions(ready.gpu.as_ref()));
        Ok(Visit { sequence: request.sequence, workload: request.workload, layers, whole, conditions })
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        let _guard = tch::no_grad_guard();
        let ready = self.ready()?;
        ready.canary.run(&mut ready.queue).map_err(DeviceError::Refused)
    }

    /// The processor's state counts too: it queues.
    fn probe(&mut self) -> Result<Probes, DeviceError> {
        let ready = self.ready()?;
        let mut probes = ready.probes.read();
        probes.values.extend(nvidia::probes(ready.gpu.as_ref(), std::process::id()));
        Ok(probes)
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        let _guard = tch::no_grad_guard();
        let index = self.target.index;
        // Work space of the libraries is allocated once and belongs to no network.
        let first = {
            let mut network = self.build(graph)?;
            self.run_timed(&mut network)?
        };
        let without = allocator::allocated(index);
        let mut network = self.build(graph)?;
        self.run_timed(&mut network)?;
        let reset = allocator::reset_peak(index);
        let before = allocator::allocated(index);
        self.run_timed(&mut network)?;
        let peak = allocator::allocated(index).filter(|_| reset.is_some()).map(|(_, peak)| peak);
        let above = |base: Option<(u64, u64)>| Some(peak?.saturating_sub(base?.0));
        Ok(Memory {
            first_ns: u64::try_from(first.as_nanos()).unwrap_or(u64::MAX),
            peak_bytes: above(before),
            network_bytes: above(without),
            stored_bytes: None,
            method: "peak of libtorch's allocator on the GPU above the state before, third run".to_owned(),
            resolution_bytes: ALLOCATION_BYTES,
        })
    }

    fn energy(&mut self, graph: &Graph) -> Result<Energy, DeviceError> {
        let _guard = tch::no_grad_guard();
        let mut network = self.build(graph)?;
        let ready = self.ready()?;
        let mut meter = GpuEnergy::of(Rc::clone(&ready.gpu)).map_err(DeviceError::Refused)?;
        let run = |calls| {
            // Waiting after each would let the GPU idle; not waiting at all would count calls that have not run.
            for call in 0..calls {
                network.run_whole()?;
                if call % RUNS_QUEUED == RUNS_QUEUED - 1 {
                    ready.queue.wait()?;
                }
            }
            ready.queue.wait()
        };
        energy::measure(&mut meter, &energy::RealClock::default(), run).map_err(DeviceError::Refused)
    }
}

/// Two fixed kernels, as on the processor: arithmetic and memory traffic.
struct Kernels {
    matrix: Tensor,
    buffer: Tensor,
    /// Calls of each that last long enough to be timed.
    calls: [u32; 2],
}

impl Kernels {
    fn new(device: tch::Device, queue: &mut Queue<GpuStream>) -> Result<Self, String> {
        let options = (Kind::Float, device);
        let matrix = Tensor::f_rand([CANARY_SIDE, CANARY_SIDE], options).map_err(|e| e.to_string())?;
        let buffer = Tensor::f_zeros([CANARY_ELEMENTS], options).map_err(|e| e.to_string())?;
        let mut kernels = Self { matrix, buffer, calls: [1, 1] };
        for which in 0..2 {
            // The first runs prepare.
            kernels.timed(queue, which)?;
            let once = kernels.timed(queue, which)?.max(1);
            kernels.calls[which] = u32::try_from(CANARY_NS.div_ceil(once)).unwrap_or(1).clamp(1, 500);
        }
        Ok(kernels)
    }

    fn timed(&mut self, queue: &mut Queue<GpuStream>, which: usize) -> Result<u64, String> {
        let Self { matrix, buffer, calls } = self;
        let ns = queue.timed(
            || Ok(()),
            |marks| {
                for _ in 0..calls[which] {
                    if which == 0 {
                        drop(matrix.f_mm(matrix).map_err(|e| e.to_string())?);
                    } else {
                        let _ = buffer.f_add_scalar_(1.0).map_err(|e| e.to_string())?;
                    }
                }
                marks.mark()
            },
        )?;
        Ok(ns.iter().sum())
    }

    fn run(&mut self, queue: &mut Queue<GpuStream>) -> Result<Canary, String> {
        let mut canary = Canary { compute_ns: Vec::new(), memory_ns: Vec::new() };
        for _ in 0..CANARY_SAMPLES {
            canary.compute_ns.push(self.timed(queue, 0)?);
            canary.memory_ns.push(self.timed(queue, 1)?);
        }
        Ok(canary)
    }
}
