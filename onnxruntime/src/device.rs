//! The device: sessions by number, timed as the host requests.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use nasprof_agent::canary::Kernels;
use nasprof_agent::energy::find;
use nasprof_agent::{affinity, allocator, probes, timer};
use nasprof_graph::{Graph, GraphBuilder, Op};
use nasprof_onnx::optimized::read_optimized;
use nasprof_onnx::{Weights, write};
use nasprof_profiler::energy;
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Energy, Fingerprint, Loaded, Memory, ModelOpened, ModelRequest, Precision, Probes,
    Setup, Visit, VisitRequest,
};
use tempfile::TempDir;

use crate::library::Library;
use crate::model::Model;
use crate::network::Network;
use crate::provider::Provider;
use crate::session::{Opening, Options};
use crate::timed::Timed;
use crate::{memory, npz, timed};

/// A number of channels that is a multiple of 8 but not of 16. The number that the library rounds it up to shows the block
/// size.
const ODD_CHANNELS: usize = 24;

/// A processor or accelerator, used through ONNX Runtime.
pub struct OnnxRuntimeDevice {
    provider: Provider,
    ready: Option<Ready>,
    open: HashMap<u32, Box<dyn Timed>>,
    canary: Kernels,
    probes: probes::Reader,
}

/// The state after the setup.
struct Ready {
    setup: Setup,
    library: Arc<Library>,
    /// For the files that the runtime writes.
    folder: TempDir,
}

impl OnnxRuntimeDevice {
    /// The device of the back end `onnxruntime` or `onnxruntime:PROVIDER`; `None` for other back ends.
    #[must_use]
    pub fn named(backend: &str) -> Option<Result<Self, String>> {
        let device = |provider| Self {
            provider,
            ready: None,
            open: HashMap::new(),
            canary: Kernels::default(),
            probes: probes::Reader::default(),
        };
        Some(Provider::of_backend(backend)?.map(device))
    }

    /// Makes the library optimise a network, and compares the result with the graph's layers. Runs nothing.
    ///
    /// # Errors
    /// If the device is not set up, the runtime refuses the network, or the result differs: the first difference.
    pub fn agrees(&self, graph: &Graph) -> Result<(), DeviceError> {
        let (options, folder) = self.ready()?;
        Network::build(graph, &options, folder).map(drop).map_err(DeviceError::Refused)
    }

    fn ready(&self) -> Result<(Options<'_>, &Path), DeviceError> {
        let ready = self.ready.as_ref().ok_or_else(|| DeviceError::Refused("not configured".to_owned()))?;
        let options = Options { library: &ready.library, setup: &ready.setup, provider: self.provider };
        Ok((options, ready.folder.path()))
    }
}

/// Number of channels in a block of this library's convolutions on this processor; 0 if it keeps the plain layout.
fn block(options: &Options<'_>, folder: &Path) -> Result<usize, String> {
    let mut builder = GraphBuilder::new();
    let mut build = || {
        let input = builder.input("input", [1, ODD_CHANNELS, 8, 8])?;
        builder.add("conv", Op::conv(ODD_CHANNELS, 3, 1, 1), &[input])
    };
    let conv = build().map_err(|e: nasprof_graph::GraphError| e.to_string())?;
    let graph = builder.build(&[conv]).map_err(|e| e.to_string())?;
    let model = write(&graph, "probe", &Weights::Random { seed: 0 }, &[]).map_err(|e| e.to_string())?;
    let written = folder.join("probe.onnx");
    options.open(&model, Opening::Optimize(&written))?;
    let optimized = std::fs::read(&written).map_err(|e| e.to_string())?;
    let optimized = read_optimized(&optimized).map_err(|e| e.to_string())?;
    let Some(conv) = optimized.nodes.iter().find(|node| node.is_blocked() && node.operator == "Conv") else {
        return Ok(0);
    };
    let weights = optimized.stored.iter().find(|(name, _)| conv.inputs.get(1) == Some(name));
    let channels = weights.and_then(|(_, dims)| dims.first()).copied().unwrap_or(0);
    Ok(if channels == ODD_CHANNELS as i64 { 8 } else { 16 })
}

impl Device for OnnxRuntimeDevice {
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        if self.ready.is_some() {
            return Err(DeviceError::Refused("configured twice".to_owned()));
        }
        if !setup.layout.is_usual() {
            let problem = format!("ONNX Runtime takes networks channels-first, not {}", setup.layout.name());
            return Err(DeviceError::Refused(problem));
        }
        self.provider.check(setup.precision).map_err(DeviceError::Refused)?;
        allocator::apply(setup.allocator).map_err(DeviceError::Refused)?;
        // Pins the calling thread; the runtime pins the threads that it starts.
        affinity::pin_process(&setup.cores[..setup.cores.len().min(1)]).map_err(DeviceError::Refused)?;
        let library = Library::load().map_err(|e| DeviceError::Refused(e.to_string()))?;
        let folder = tempfile::tempdir().map_err(|e| DeviceError::Refused(format!("a folder for profiles: {e}")))?;
        let version = library.version.clone();
        self.ready = Some(Ready { setup: setup.clone(), library, folder });
        let (options, folder) = self.ready()?;
        let layout = match setup.precision {
            Precision::Int8 => "NHWC".to_owned(),
            _ => match block(&options, folder).map_err(DeviceError::Refused)? {
                0 => "NCHW".to_owned(),
                block => format!("NCHW{block}c"),
            },
        };
        let mut facts = probes::machine_facts();
        facts.extend(
            BTreeMap::from([
                ("runtime", "ONNX Runtime".to_owned()),
                ("runtime_version", version),
                ("provider", self.provider.name().to_owned()),
                ("layout", layout),
                ("optimization", "all".to_owned()),
                ("execution", "sequential".to_owned()),
                ("spinning", "off".to_owned()),
                ("precision", setup.precision.name().to_owned()),
            ])
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
        );
        Ok(Fingerprint { facts, virtual_time: false, timer_overhead_ns: timer::overhead_ns(), timings: Vec::new() })
    }

    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        let (options, folder) = self.ready()?;
        let network = Network::build(graph, &options, folder).map_err(DeviceError::Refused)?;
        let mut first = network.profiled(&options, folder).map_err(DeviceError::Refused)?;
        network.run_profiled(&mut first).map_err(DeviceError::Refused)?;
        let times = timed::ended(first).and_then(|profile| network.times(&profile)).map_err(DeviceError::Refused)?;
        let first_ns = times.first().map(|run| run.iter().map(|&ns| ns as u64).collect()).unwrap_or_default();
        self.open.insert(workload, Box::new(network));
        Ok(Loaded { workload, first_ns })
    }

    fn open_model(&mut self, request: &ModelRequest) -> Result<ModelOpened, DeviceError> {
        let (options, folder) = self.ready()?;
        let given = match &request.values {
            Some(path) => npz::read(Path::new(path)).map_err(|e| DeviceError::Refused(format!("{path}: {e}")))?,
            None => BTreeMap::new(),
        };
        let (model, opened) = Model::open(request, &given, &options, folder).map_err(DeviceError::Refused)?;
        self.open.insert(request.workload, Box::new(model));
        Ok(opened)
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        let mut timed = self
            .open
            .remove(&request.workload)
            .ok_or_else(|| DeviceError::Refused(format!("unit {} is not loaded", request.workload)))?;
        let (options, folder) = self.ready()?;
        let open = |timed: &dyn Timed| timed.profiled(&options, folder);
        let visited = timed::visit(timed.as_mut(), request, options.setup.threads, &open);
        self.open.insert(request.workload, timed);
        visited.map_err(DeviceError::Refused)
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        Ok(self.canary.run())
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        Ok(self.probes.read())
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        let (options, folder) = self.ready()?;
        memory::measure(graph, &options, folder).map_err(DeviceError::Refused)
    }

    fn energy(&mut self, graph: &Graph) -> Result<Energy, DeviceError> {
        let mut meter = find(Path::new("/")).map_err(DeviceError::Refused)?;
        let (options, folder) = self.ready()?;
        let (mut session, inputs) = Network::alone(graph, &options, folder).map_err(DeviceError::Refused)?;
        let clock = energy::RealClock::default();
        energy::measure(meter.as_mut(), &clock, |calls| (0..calls).try_for_each(|_| inputs.run(&mut session)))
            .map_err(DeviceError::Refused)
    }
}
