//! The input of `nasprof time`: networks, and the context in which they run.

use std::path::Path;

use nasprof_devices::{DeviceFile, Link};
use nasprof_graph::Arch;
use nasprof_graph::runtime::Runtime;
use nasprof_lut::{Lut, Processes, Timings, WholeSession, read};
use nasprof_profiler::backend::is_onnx_runtime;
use nasprof_profiler::journal::{Header, Mode};
use nasprof_profiler::model_device::ModelDevice;
use nasprof_search::job::Existing;
use nasprof_spaces::Space;

use super::super::archs;
use super::super::context::{check_clocks, check_context, of_timing};
use super::super::kept_journal;
use super::super::model_file::{ModelFile, check_target};
use super::super::whole::session;
use crate::cli::TimeArgs;
use crate::failure::Failure;
use crate::outputs::{Outputs, given};
use crate::resolve::{self, at_batch, target};

/// Maximum networks loaded at the same time; many more do not fit on a device.
pub(super) const MOST: usize = 1000;

/// Networks at batch 1, and the LUT to compare them with.
pub(super) struct Asked {
    pub(super) lut: Option<Lut>,
    /// A model that the device's runtime reads itself; the space then holds a placeholder graph.
    pub(super) model: Option<ModelFile>,
    space: Space,
    archs: Vec<(String, Arch)>,
}

/// Refuses outputs that cannot be written or that would replace an input.
pub(super) fn check_outputs(args: &TimeArgs) -> Result<(), Failure> {
    let space = args.space.as_deref().map(Path::new);
    let inputs = given([space, args.model.as_deref(), args.input.as_deref(), args.lut.as_deref()]);
    let outputs = Outputs::of(inputs.into_iter().chain(args.arch.iter().cloned()));
    if let Some(trace) = &args.trace {
        outputs.check("--trace", trace, &["json"])?;
    }
    let Some(journal) = &args.journal else { return Ok(()) };
    outputs.check("--journal", journal, &[])?;
    if args.trace.as_ref() == Some(journal) {
        return Err(Failure::usage("--journal and --trace name the same file").hint("name another file"));
    }
    if kept_journal::existing(args.resume, args.overwrite) == Existing::Refuse && journal.exists() {
        return Err(Failure::usage(format!("--journal {}: it exists", journal.display()))
            .hint("--resume continues it, --overwrite replaces it; or name another file"));
    }
    Ok(())
}

/// The model, if the runtime reads it itself, so that nasprof need not know its layers.
fn read_by_runtime(args: &TimeArgs, file: &DeviceFile) -> Result<Option<ModelFile>, Failure> {
    let backend = args.context.backend.as_deref().unwrap_or(&file.backend);
    match &args.model {
        Some(model) if is_onnx_runtime(backend) && args.lut.is_none() && args.trace.is_none() => {
            ModelFile::find(model, &args.shapes, args.input.as_deref()).map(Some)
        }
        _ if args.input.is_some() => {
            Err(Failure::usage("--input is for a model on ONNX Runtime, without --lut and --trace")
                .hint("add --backend onnxruntime"))
        }
        _ => Ok(None),
    }
}

impl Asked {
    pub(super) fn read(args: &TimeArgs, file: &DeviceFile) -> Result<Self, Failure> {
        let lut = args.lut.as_deref().map(|path| of_timing(read(path)?, &args.context)).transpose()?;
        let model = read_by_runtime(args, file)?;
        let (space, archs) = match &args.model {
            Some(path) => {
                let name = resolve::last_part(path);
                let space = match &model {
                    Some(model) => Space::new(&name, ModelDevice::graph(&model.identity()?).map_err(Failure::usage)?),
                    None => resolve::model(path, &args.shapes)?,
                };
                (space, vec![(name, Arch(Vec::new()))])
            }
            None => {
                let files = archs::files(&args.arch)?;
                let named = files.first().map_or("", |(_, file)| file.space.as_str()).to_owned();
                let space = resolve::space_or(args.space.as_deref(), &named, "the architecture")?;
                let archs = archs::of_space(files, &space)?;
                (space, archs)
            }
        };
        if archs.len() > MOST {
            return Err(Failure::usage(format!("--arch: {} networks, but at most {MOST} can be timed", archs.len()))
                .hint("predict more networks from a LUT with `nasprof estimate`"));
        }
        Ok(Self { lut, model, space, archs })
    }

    /// The names of the networks, and their timing plan on a connected device.
    pub(super) fn timings(
        &self,
        args: &TimeArgs,
        file: &DeviceFile,
        link: &mut Link,
    ) -> Result<(Vec<String>, Timings), Failure> {
        let batch = self.lut.as_ref().map(|lut| lut.context.header.batch);
        let target =
            target(file, link.cores(), &args.context)?.at_own_batch(args.model.as_ref(), &args.context, &self.space);
        let (space, identity) = at_batch(self.space.clone(), batch.unwrap_or(target.batch))?;
        let header = match &self.lut {
            Some(lut) => {
                check_context(lut, &args.context, &space.name, &identity)?;
                lut.check_context(&[("device", Some(args.device.clone()))])?;
                check_clocks(lut, args.lock_clocks)?;
                Header { ci: args.ci, max_rounds: args.max_rounds, ..lut.context.header.clone() }
            }
            None => {
                let runtime = match &self.model {
                    Some(_) => {
                        check_target(&target, &args.context)?;
                        Runtime::TorchEager
                    }
                    None => resolve::runtime(&target, link.agent(&target.backend)?.as_mut())?,
                };
                Header {
                    mode: Mode::Whole,
                    ci: args.ci,
                    max_rounds: args.max_rounds,
                    clocks: args.lock_clocks.then(|| target.clocks.clone()),
                    ..target.header(&args.device, &space, &identity, runtime)
                }
            }
        };
        let mut networks = Vec::with_capacity(self.archs.len());
        for (name, arch) in &self.archs {
            let network = header.runtime.subnet(&space.graph, arch).map_err(|e| Failure::from(e).context(name))?;
            if network.keyed_layers().is_empty() {
                return Err(Failure::usage(format!("{name}: no layer runs, so there is nothing to time"))
                    .hint("`nasprof export --to dot --view network` shows the layers that run"));
            }
            networks.push((arch.clone(), network));
        }
        let names = self.archs.iter().map(|(name, _)| name.trim_start_matches("--arch ").to_owned()).collect();
        let session = WholeSession {
            processes: Processes::All(args.processes),
            ci: Some(args.ci),
            ..session(args.seed, args.max_rounds, args.allow_noisy)
        };
        let expected = self.lut.as_ref().map(|lut| lut.context.facts.clone());
        Ok((names, Timings { header, expected, networks, session, layers: args.trace.is_some() }))
    }
}
