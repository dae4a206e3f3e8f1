//! The context of a measurement: the command line overrides the device file, which overrides the defaults.

use std::path::PathBuf;

use nasprof_devices::DeviceFile;
use nasprof_graph::Identity;
use nasprof_graph::runtime::Runtime;
use nasprof_profiler::backend::{CudaTarget, is_onnx_runtime};
use nasprof_profiler::journal::Header;
use nasprof_profiler::protocol::{Allocator, ClockCommands, ClockRequest, Device, Layout, Precision, Setup, Timing};
use nasprof_spaces::Space;

use crate::cli::{AllocatorArg, ContextArgs, LayoutArg, PrecisionArg, TimingArg};
use crate::failure::Failure;

/// The configuration that the agent gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) backend: String,
    pub(crate) threads: usize,
    pub(crate) cores: Vec<usize>,
    pub(crate) batch: usize,
    pub(crate) allocator: Allocator,
    pub(crate) precision: Precision,
    pub(crate) layout: Layout,
    pub(crate) timing: Option<Timing>,
    /// How to lock its clocks, if requested.
    pub(crate) clocks: ClockRequest,
}

impl Target {
    /// The agent's setup for this target.
    pub(crate) fn setup(&self, seed: u64, session: u32) -> Setup {
        Setup {
            backend: self.backend.clone(),
            threads: self.threads,
            cores: self.cores.clone(),
            allocator: self.allocator,
            precision: self.precision,
            layout: self.layout,
            timing: self.timing,
            seed,
            session,
            clocks: None,
            clock_copy: String::new(),
        }
    }

    /// Uses a model's own batch size unless another one is requested.
    pub(crate) fn at_own_batch(mut self, model: Option<&PathBuf>, args: &ContextArgs, space: &Space) -> Self {
        if let (Some(_), None, Some(own)) = (model, args.batch, space.graph.batch()) {
            self.batch = own;
        }
        self
    }

    /// A measurement of a space or model, at this target's batch, in this target's context.
    pub(crate) fn header(&self, device: &str, space: &Space, identity: &Identity, runtime: Runtime) -> Header {
        Header {
            space_digest: identity.digest().to_owned(),
            runtime,
            batch: self.batch,
            threads: self.threads,
            cores: self.cores.clone(),
            allocator: self.allocator,
            precision: self.precision,
            layout: self.layout,
            timing: self.timing,
            ..Header::new(space, device, &self.backend)
        }
    }
}

/// The target from command line, device file and defaults; `available` is the number of the device's processors.
pub(crate) fn target(file: &DeviceFile, available: usize, args: &ContextArgs) -> Result<Target, Failure> {
    let threads = args.threads.map_or(file.threads, usize::from);
    let synthetic = file.backend.starts_with("synthetic:");
    if !synthetic && threads > available {
        return Err(Failure::usage(format!("--threads {threads}: the device has {available} cores")));
    }
    let cores = if synthetic {
        Vec::new()
    } else if file.cores.len() >= threads {
        file.cores[..threads].to_vec()
    } else {
        (available - threads..available).collect()
    };
    let backend = args.backend.clone().filter(|_| !synthetic).unwrap_or_else(|| file.backend.clone());
    Ok(Target {
        threads,
        cores,
        batch: args.batch.unwrap_or(1) as usize,
        allocator: args.allocator.map_or(Allocator::Retain, allocator),
        precision: args.precision.map_or(file.precision, precision),
        layout: args.layout.map_or(file.layout, layout),
        timing: args.timing.map(timing).or(file.timing),
        clocks: ClockRequest { gpu: gpu(&backend), commands: commands(file)?, power_mode: file.power_mode.clone() },
        backend,
    })
}

/// The device file's commands for its clocks: all three, or none.
fn commands(file: &DeviceFile) -> Result<Option<ClockCommands>, Failure> {
    match (&file.clocks.store, &file.clocks.set, &file.clocks.restore) {
        (None, None, None) => Ok(None),
        (Some(store), Some(set), Some(restore)) => {
            Ok(Some(ClockCommands { store: store.clone(), set: set.clone(), restore: restore.clone() }))
        }
        _ => Err(Failure::usage("[clocks] of the device file needs `store`, `set` and `restore` together")),
    }
}

/// The number of the GPU that a back end runs on.
fn gpu(backend: &str) -> Option<u32> {
    CudaTarget::parse(backend).ok().map(|target| target.index)
}

pub(crate) fn allocator(arg: AllocatorArg) -> Allocator {
    match arg {
        AllocatorArg::Retain => Allocator::Retain,
        AllocatorArg::System => Allocator::System,
    }
}

pub(crate) fn precision(arg: PrecisionArg) -> Precision {
    match arg {
        PrecisionArg::Float32 => Precision::Float32,
        PrecisionArg::Float32Strict => Precision::Float32Strict,
        PrecisionArg::Float16 => Precision::Float16,
        PrecisionArg::Bfloat16 => Precision::Bfloat16,
        PrecisionArg::Int8 => Precision::Int8,
    }
}

pub(crate) fn layout(arg: LayoutArg) -> Layout {
    match arg {
        LayoutArg::ChannelsFirst => Layout::ChannelsFirst,
        LayoutArg::ChannelsLast => Layout::ChannelsLast,
    }
}

pub(crate) fn timing(arg: TimingArg) -> Timing {
    match arg {
        TimingArg::Queue => Timing::Queue,
        TimingArg::Graph => Timing::Graph,
        TimingArg::Wall => Timing::Wall,
    }
}

/// The runtime whose optimiser a back end uses. Synthetic devices run graphs as libtorch does. ONNX Runtime's layout
/// depends on processor and library, so the device reports it.
pub(crate) fn runtime(target: &Target, device: &mut dyn Device) -> Result<Runtime, Failure> {
    if !is_onnx_runtime(&target.backend) {
        return Ok(Runtime::TorchEager);
    }
    let facts = device.configure(&target.setup(0, 0))?.facts;
    if target.precision == Precision::Int8 {
        return Ok(Runtime::OnnxRuntimeInt8);
    }
    let layout = facts.get("layout").map_or("", String::as_str);
    let block = match layout {
        "NCHW" => Some(0),
        other => other.strip_prefix("NCHW").and_then(|rest| rest.strip_suffix('c')?.parse().ok()),
    };
    let unknown = || Failure::usage(format!("{}: its layout `{layout}` is not known", target.backend));
    block.and_then(Runtime::onnx_runtime).ok_or_else(unknown)
}
