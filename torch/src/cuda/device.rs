//! The back end on a GPU.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nasprof_agent::nvidia::{self, Gpu, GpuEnergy, HiddenGpu};
use nasprof_agent::{affinity, probes, timer};
use nasprof_graph::Graph;
use nasprof_profiler::backend::CudaTarget;
use nasprof_profiler::energy;
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Energy, Fingerprint, Loaded, Memory, Precision, Probes, Setup, Timing, Visit,
    VisitRequest,
};
use nasprof_profiler::queued::{Fill, Fills, Queue, Stream, Visited, visit};

use super::canary::Kernels;
use super::capture::{Captured, StreamHandle};
use super::runtime::Runtime;
use super::stream::{GpuNetwork, GpuStream};
use super::{allocator, allow_tf32, driver, libraries, loss};
use crate::panics::caught;
use crate::{Network, Place, VERSION};

/// Before its first timed run, a network runs until consecutive runs agree, at most this long.
const WARM_UP: Duration = Duration::from_millis(50);
/// This many consecutive runs must agree to within [`WARM_WITHIN`].
const WARM_RUNS: usize = 5;
const WARM_WITHIN: f64 = 0.1;
/// Number of runs to queue before waiting for them, while energy is measured.
const RUNS_QUEUED: u64 = 16;
/// libtorch's allocator allocates multiples of this many bytes.
const ALLOCATION_BYTES: u64 = 512;

/// A GPU through libtorch.
pub struct CudaDevice {
    target: CudaTarget,
    ready: Option<Ready>,
}

/// The state after the setup.
struct Ready {
    seed: u64,
    place: Place,
    runtime: Runtime,
    gpu: Rc<dyn Gpu>,
    queue: Queue<GpuStream>,
    networks: HashMap<u32, (GpuNetwork, Fills)>,
    canary: Kernels,
    probes: probes::Reader,
}

impl CudaDevice {
    /// The GPU that a back end names; loads nothing yet.
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
        let Ready { seed, place, .. } = self.ready()?;
        Network::build(graph, *seed, *place).map_err(|words| self.failed(words))
    }

    /// Runs a network to its end; returns the time by the processor's clock.
    fn run_timed(&mut self, network: &mut Network) -> Result<Duration, DeviceError> {
        let start = Instant::now();
        let queue = &mut self.ready()?.queue;
        network.run_whole().and_then(|()| queue.wait()).map_err(|words| self.failed(words))?;
        Ok(start.elapsed())
    }

    /// Runs a network until its time is stable, captures it and stores it. Returns the nanoseconds of each layer's first
    /// call.
    fn prepare(&mut self, workload: u32, mut network: Network) -> Result<Vec<u64>, String> {
        let ready = self.ready().map_err(|e| e.to_string())?;
        let queue = &mut ready.queue;
        let mut first_ns = Vec::new();
        let mut last = Instant::now();
        network.run_with(&mut || {
            // The time of a layer's first call until its end, including one-time preparation of the libraries.
            queue.wait()?;
            let now = Instant::now();
            first_ns.push(timer::between(last, now));
            last = now;
            Ok(())
        })?;
        let begun = Instant::now();
        let mut runs: Vec<Duration> = Vec::new();
        while begun.elapsed() < WARM_UP && !is_warm(&runs) {
            let start = Instant::now();
            network.run_whole()?;
            queue.wait()?;
            runs.push(start.elapsed());
        }
        // If a network cannot be captured, all other latencies are still measured.
        let captured = Captured::of(|| network.run_whole());
        let captured =
            captured.inspect_err(|problem| note(&format!("no CUDA graph of network {workload}: {problem}"))).ok();
        queue.wait()?;
        ready.networks.insert(workload, (GpuNetwork { network, captured }, Fills::default()));
        Ok(first_ns)
    }

    fn open(&self, setup: &Setup) -> Result<(Ready, Fingerprint), String> {
        let index = self.target.index;
        let place = Place::new(self.device(), setup.precision, setup.layout)?;
        libraries::load(&libraries::folders(), &mut libraries::open_globally).map_err(|e| format!("CUDA: {e}"))?;
        let runtime = Runtime::find()?;
        let count = runtime.device_count()?;
        if index >= count {
            return Err(format!("no GPU {index}: CUDA has {count}"));
        }
        // CUDA numbers GPUs by speed or by CUDA_VISIBLE_DEVICES, the driver by bus address.
        let gpu = nvidia::at(&runtime.bus_id(index)?, driver::slice(index)).unwrap_or_else(|problem| {
            // Measuring needs CUDA alone; only what disturbs it is not observable.
            note(&problem);
            Rc::new(HiddenGpu { name: driver::name(index).unwrap_or_else(|| "not observable".to_owned()) })
        });
        // The processor only queues work, which needs one thread.
        affinity::pin_process(&setup.cores)?;
        tch::set_num_interop_threads(1);
        tch::set_num_threads(1);
        runtime.set_device(index)?;
        if setup.precision == Precision::Float32Strict {
            allow_tf32(false).map_err(|e| e.to_string())?;
        }
        tch::manual_seed(setup.seed as i64);
        let _guard = tch::no_grad_guard();
        // Without its own stream nothing can be captured, but everything else is measured.
        let own = StreamHandle::own(index);
        let mut queue = Queue::new(GpuStream::new(runtime, index, own.clone().unwrap_or(StreamHandle::DEFAULT))?)?;
        let empty =
            (0..20).map(|_| Ok(queue.timed(&mut Fill::default(), || Ok(()), |marks| marks.mark())?.iter().sum()));
        let timer_overhead_ns = empty.collect::<Result<Vec<u64>, String>>()?.into_iter().min().unwrap_or(0);
        // The first time includes one-time preparation.
        queue.stream().launch_reference()?;
        let canary = Kernels::new(self.device(), &mut queue)?;
        let captured = own.and_then(|_| canary.capture()).and_then(|graph| graph.replay()).and_then(|()| queue.wait());
        let timings = match (&captured, setup.timing) {
            (Ok(()), _) => Timing::ALL.to_vec(),
            (Err(problem), Some(Timing::Graph)) => return Err(format!("CUDA graphs cannot be captured: {problem}")),
            (Err(problem), _) => {
                note(&format!("CUDA graphs cannot be captured: {problem}"));
                vec![Timing::Queue, Timing::Wall]
            }
        };
        let mut facts = probes::machine_facts();
        facts.extend(gpu.facts());
        let cache = if self.target.flush { "flushed before every run" } else { "as an untimed run leaves it" };
        facts.extend([
            ("runtime".to_owned(), "libtorch eager, CUDA".to_owned()),
            ("runtime_version".to_owned(), VERSION.to_owned()),
            ("cuda".to_owned(), runtime.version()?),
            ("gpu_multiprocessors".to_owned(), runtime.multiprocessors(index)?.to_string()),
            ("arithmetic".to_owned(), arithmetic(setup.precision).to_owned()),
            ("timing".to_owned(), "CUDA events behind a full queue".to_owned()),
            ("cuda_graphs".to_owned(), if captured.is_ok() { "captured" } else { "not captured" }.to_owned()),
            ("l2_cache".to_owned(), cache.to_owned()),
        ]);
        let probes = probes::Reader::default();
        let networks = HashMap::new();
        let ready = Ready { seed: setup.seed, place, runtime, gpu, queue, networks, canary, probes };
        // The resolution of an event is half a microsecond (CUDA runtime API, cudaEventElapsedTime).
        Ok((ready, Fingerprint { facts, virtual_time: false, timer_overhead_ns: timer_overhead_ns.max(500), timings }))
    }

    /// The error of a failed request: an error of the request itself or, if the GPU no longer works for this process, a lost
    /// device.
    fn failed(&self, words: String) -> DeviceError {
        loss::of_request(words, self.ready.as_ref().map_or(Ok(()), |ready| ready.runtime.works()))
    }
}

/// Writes a line to stderr. An error is ignored, because the reader may be gone.
fn note(line: &str) {
    let _ = writeln!(io::stderr(), "note: {line}");
}

/// The arithmetic as a fact: PyTorch allows TensorFloat-32 in convolutions, but not in matrix products.
fn arithmetic(precision: Precision) -> &'static str {
    match precision {
        Precision::Float32 => "float32, TensorFloat-32 in convolutions",
        other => other.name(),
    }
}

impl Device for CudaDevice {
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        if self.ready.is_some() {
            return Err(DeviceError::Refused("configured twice".to_owned()));
        }
        let opened = caught(|| self.open(setup))
            .and_then(|opened| opened)
            .map_err(|words| loss::of_setup(words, self.target.index, setup.session));
        let (ready, fingerprint) = opened?;
        self.ready = Some(ready);
        Ok(fingerprint)
    }

    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        let _guard = tch::no_grad_guard();
        let network = self.build(graph)?;
        let first_ns = self.prepare(workload, network).map_err(|words| self.failed(words))?;
        Ok(Loaded { workload, first_ns })
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        let flush = self.target.flush;
        let Ready { queue, networks, gpu, .. } = self.ready()?;
        let (network, fills) = networks
            .get_mut(&request.workload)
            .ok_or_else(|| DeviceError::Refused(format!("unit {} is not loaded", request.workload)))?;
        let _guard = tch::no_grad_guard();
        let visited = caught(|| visit(queue, network, fills, request, flush)).and_then(|visited| visited);
        let conditions = Some(nvidia::conditions(gpu.as_ref()));
        let Visited { layers, whole, queued } = visited.map_err(|words| self.failed(words))?;
        Ok(Visit { sequence: request.sequence, workload: request.workload, layers, whole, queued, conditions })
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        let _guard = tch::no_grad_guard();
        let Ready { canary, queue, .. } = self.ready()?;
        let times = caught(|| canary.run(queue)).and_then(|times| times);
        times.map_err(|words| self.failed(words))
    }

    /// Includes the processor's state, because the processor queues the work.
    fn probe(&mut self) -> Result<Probes, DeviceError> {
        let ready = self.ready()?;
        let mut probes = ready.probes.read();
        probes.values.extend(nvidia::probes(ready.gpu.as_ref(), std::process::id()));
        probes.busy.splice(0..0, nvidia::foreign(ready.gpu.as_ref(), std::process::id(), Path::new("/")));
        Ok(probes)
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        let _guard = tch::no_grad_guard();
        let index = self.target.index;
        // The libraries allocate their workspace once; it does not belong to a network.
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
            // Waiting after each run would leave the GPU idle; not waiting at all would count calls that have not run yet.
            for call in 0..calls {
                network.run_whole()?;
                if call % RUNS_QUEUED == RUNS_QUEUED - 1 {
                    ready.queue.wait()?;
                }
            }
            ready.queue.wait()
        };
        let counted = energy::measure(&mut meter, &energy::RealClock::default(), run);
        counted.map_err(|words| self.failed(words))
    }
}

/// Whether the last runs agree: the libraries have finished their preparation, and the clock has risen.
fn is_warm(runs: &[Duration]) -> bool {
    let Some(last) = runs.len().checked_sub(WARM_RUNS).map(|first| &runs[first..]) else { return false };
    let (low, high) = (last.iter().min(), last.iter().max());
    low.zip(high).is_some_and(|(low, high)| high.as_secs_f64() <= low.as_secs_f64() * (1.0 + WARM_WITHIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_agree_are_warm() {
        let ms = |all: &[u64]| all.iter().map(|&ms| Duration::from_millis(ms)).collect::<Vec<_>>();
        assert!(is_warm(&ms(&[900, 100, 101, 100, 102, 103])));
        // Controls: too few, and some that prepare still.
        assert!(!is_warm(&ms(&[100, 100, 100, 100])) && !is_warm(&ms(&[100, 100, 900, 100, 100, 100])));
    }
}
