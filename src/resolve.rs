//! Resolves names on the command line: spaces, devices, files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use nasprof_base::env_path::{env_path, state_home};
use nasprof_devices::{CommandDevice, CommandTable, DeviceFile, Link, LinkError, Milestone, Programs, Upload, find};
use nasprof_graph::Identity;
use nasprof_graph::runtime::Runtime;
use nasprof_onnx as onnx;
use nasprof_profiler::backend::{CudaTarget, is_onnx_runtime};
use nasprof_profiler::journal::Header;
use nasprof_profiler::protocol::{Allocator, ClockCommands, ClockRequest, Device, Layout, Precision, Setup, Timing};
use nasprof_spaces::{Space, SpaceSpec, builtin_names};

use crate::cli::{AllocatorArg, ContextArgs, LayoutArg, MeasureArgs, PrecisionArg, ShapeArgs, SourceArgs, TimingArg};
use crate::escape::one_line;
use crate::failure::Failure;
use crate::interruption::heeded;
use crate::terminal::status;

pub(crate) use crate::known::{device_files, known_devices, user_devices};

/// Most bytes of a file that people write.
const MAX_TEXT: u64 = 16 << 20;
/// Most bytes that the format of ONNX models and that of their weights can hold.
const MAX_MODEL: u64 = 2 << 30;

/// A space by its built-in name or its file.
pub(crate) fn space(name: &str) -> Result<Space, Failure> {
    let is_file = [".toml", ".json"].iter().any(|ending| name.ends_with(ending)) || name.contains('/');
    if !is_file || builtin_names().any(|known| known == name) {
        return Ok(Space::builtin(name)?);
    }
    let text = text_file(Path::new(name))
        .map_err(|f| f.context(format!("space file {name}")).hint("`nasprof space list` lists the spaces"))?;
    let stem = Path::new(name).file_stem().map_or_else(|| name.to_owned(), |s| s.to_string_lossy().into_owned());
    let in_context = |e| Failure::from(e).context(format!("space file {name}"));
    SpaceSpec::parse(&text).and_then(|spec| spec.build(&stem)).map_err(in_context)
}

/// The space that is given, else the built-in one that `whose` file names.
pub(crate) fn space_or(given: Option<&str>, named: &str, whose: &str) -> Result<Space, Failure> {
    match given {
        Some(name) => space(name),
        None if builtin_names().any(|known| known == named) => Ok(Space::builtin(named)?),
        None => Err(Failure::usage(format!("{whose} is of `{named}`, which is not a built-in space"))
            .hint("--space FILE.toml names the space's file")),
    }
}

/// A space, or the network of a model as a space of one architecture.
pub(crate) fn source(args: &SourceArgs, shapes: &ShapeArgs) -> Result<Space, Failure> {
    match (&args.space, &args.model) {
        (Some(name), _) => space(name),
        (None, Some(path)) => model(path, shapes),
        (None, None) => Err(Failure::usage("give --space or --model")),
    }
}

/// What [`source`] is called in names of files.
pub(crate) fn source_name(args: &SourceArgs) -> String {
    let model = args.model.as_ref().map(|path| path.to_string_lossy().into_owned());
    file_name(&args.space.clone().or(model).unwrap_or_default())
}

/// A model as a space of one network, at the batch that it fixes; an open one is 1.
pub(crate) fn model(path: &Path, shapes: &ShapeArgs) -> Result<Space, Failure> {
    network_of(path, shapes).map_err(|f| f.context(format!("--model {}", path.display())))
}

fn network_of(path: &Path, shapes: &ShapeArgs) -> Result<Space, Failure> {
    let mut given = onnx::InputShapes::new();
    for (name, shape) in &shapes.input_shape {
        if given.insert(name.clone(), shape.clone()).is_some() {
            return Err(Failure::usage(format!("input `{name}` has two shapes")));
        }
    }
    let graph = onnx::read_with(&model_file(path)?, &given)?;
    Ok(Space::new(&file_name(&path.to_string_lossy()), graph))
}

/// The bytes of a model or of weights.
pub(crate) fn model_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_MODEL + 1).read_to_end(&mut bytes)).map_err(Failure::usage)?;
    if bytes.len() as u64 > MAX_MODEL {
        return Err(Failure::usage(format!("larger than {} GiB", MAX_MODEL >> 30)));
    }
    Ok(bytes)
}

/// The text of a file that people write. Those have kilobytes; a device or an image given by mistake does not fill the
/// memory.
pub(crate) fn text_file(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_TEXT + 1).read_to_end(&mut bytes));
    read.map_err(Failure::usage)?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(Failure::usage(format!("larger than {} MiB", MAX_TEXT >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage("not a text file"))
}

/// The space at a batch size, and the identity of its supernet as it is made: at batch 1, a model as it fixes its batch.
pub(crate) fn at_batch(mut space: Space, batch: usize) -> Result<(Space, Identity), Failure> {
    let identity = space.graph.identity();
    let own = space.graph.batch();
    if own.is_none() && batch != 1 {
        let problem = "the inputs differ in their first dimension, so there is no batch to change";
        return Err(Failure::usage(format!("batch {batch}: {problem}")).hint("leave --batch out"));
    }
    if own.is_some_and(|own| own != batch) {
        space.graph = space.graph.with_batch(batch).map_err(|e| Failure::usage(format!("--batch {batch}: {e}")))?;
    }
    Ok((space, identity))
}

/// A device by name, from the user's folder or built in, with what the command line sets over it.
pub(crate) fn device(name: &str, settings: &[String]) -> Result<DeviceFile, Failure> {
    Ok(find(name, user_devices().as_deref(), settings)?)
}

/// The back end that a measurement uses.
pub(crate) fn backend(name: &str, args: &MeasureArgs) -> Result<String, Failure> {
    let own = device(name, &args.settings.set)?.backend;
    Ok(args.context.backend.clone().unwrap_or(own))
}

/// Reaches a device; a board is logged in to and taken.
pub(crate) fn open(file: &DeviceFile) -> Result<Link, Failure> {
    open_with(file, Vec::new())
}

/// As [`open`]; a board gets these files as well.
pub(crate) fn open_with(file: &DeviceFile, uploads: Vec<Upload>) -> Result<Link, Failure> {
    if file.command.is_some() {
        return Err(Failure::usage(format!(
            "`{}` runs a command of its own, which times whole models only",
            file.name
        ))
        .hint(format!(
            "`nasprof time --device {0}` and `nasprof measure --device {0} --model FILE.onnx` use it",
            file.name
        )));
    }
    heeded()?;
    Ok(reach(file, uploads, &mut |milestone| {
        if let Milestone::TryingAgain { problem, pause } = milestone {
            status(format!("{problem}; retrying in {} s", pause.as_secs()));
        }
    })?)
}

/// Reaches a device and reports each step on the way.
pub(crate) fn open_with_progress(file: &DeviceFile, progress: &mut dyn FnMut(Milestone)) -> Result<Link, LinkError> {
    reach(file, Vec::new(), progress)
}

fn reach(file: &DeviceFile, uploads: Vec<Upload>, progress: &mut dyn FnMut(Milestone)) -> Result<Link, LinkError> {
    Link::open(file, programs(), clock_copies(), uploads, Box::new(passphrase), progress)
}

/// Reaches a device that runs a command in an agent's place.
pub(crate) fn open_command(
    file: &DeviceFile,
    command: &CommandTable,
    progress: &mut dyn FnMut(Milestone),
) -> Result<CommandDevice, LinkError> {
    CommandDevice::open(file, command, Box::new(passphrase), progress)
}

/// Asks on the terminal for the passphrase of a key.
fn passphrase(key: &Path) -> std::io::Result<String> {
    rpassword::prompt_password(format!("Passphrase of {}: ", one_line(&key.display().to_string())))
}

/// Folder of the copies of devices' clocks as they were before they were locked.
fn clock_copies() -> Option<PathBuf> {
    state_home().map(|folder| folder.join("nasprof/clocks"))
}

/// What the agent is asked to be.
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
    /// How its clocks are locked where that is asked for.
    pub(crate) clocks: ClockRequest,
}

impl Target {
    /// What an agent sets up for this target.
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

    /// A model says its own batch, unless another is asked for.
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

/// Command line over device file over defaults; `available` are the device's processors.
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

/// Whose optimiser a back end stands for. Synthetic devices run graphs as libtorch does; in which layout ONNX Runtime works
/// depends on processor and library, so the device is asked.
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

/// Agents are installed beside this program; NASPROF_AGENT and NASPROF_AGENT_TORCH name others for this machine's
/// architecture.
pub(crate) fn programs() -> Programs {
    let folder = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned())).unwrap_or_default();
    Programs { folder, agent: named_program("NASPROF_AGENT"), agent_torch: named_program("NASPROF_AGENT_TORCH") }
}

/// A program that a variable of ours names. One that is ignored is not ignored silently.
fn named_program(variable: &str) -> Option<PathBuf> {
    let path = env_path(variable);
    if let (None, Some(ignored)) = (&path, std::env::var_os(variable).filter(|value| !value.is_empty())) {
        let ignored = ignored.to_string_lossy().escape_debug().to_string();
        status(format!(
            "warning: {variable}={ignored} is ignored: it is not an absolute path, so it depends on the current folder"
        ));
    }
    path
}

/// The program that trains is installed beside this one; NASPROF_SEARCH names another.
pub(crate) fn search_program() -> PathBuf {
    named_program("NASPROF_SEARCH").unwrap_or_else(|| programs().folder.join("nasprof-search"))
}

/// The program that answers SQL is installed beside this one, where it was built; NASPROF_QUERY names another.
pub(crate) fn query_program() -> PathBuf {
    named_program("NASPROF_QUERY").unwrap_or_else(|| programs().folder.join("nasprof-query"))
}

/// The name of a file without its ending, or of something built in, for use in default output names. None begins as an
/// option does: `rm *` is not to take it for one.
pub(crate) fn file_name(name: &str) -> String {
    let stem = Path::new(name).file_stem().map_or_else(|| name.to_owned(), |s| s.to_string_lossy().into_owned());
    let name = plain(&stem);
    if name.starts_with('-') { format!("_{name}") } else { name }
}

/// A name with nothing in it that a file's name should not have.
pub(crate) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}
