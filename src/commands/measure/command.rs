//! `nasprof measure --model` on a device that runs a command: layer by layer, from its profile.

use std::path::Path;
use std::process::ExitCode;

use nasprof_base::statistics::trimmed_mean;
use nasprof_devices::{CommandTable, DeviceFile, ProfileFormat};
use nasprof_lut::ProfileLayer;
use nasprof_profiler::model_measure::MIN_SESSIONS;
use nasprof_profiler::model_profile::{ModelProfile, ProfiledKernel, ProfiledSession};

use super::super::by_command::{ByCommand, refuse};
use super::super::model_profile;
use crate::cli::MeasureArgs;
use crate::failure::Failure;
use crate::outputs::{Outputs, given};
use crate::resolve;

/// Maximum ratio between the sum of a profile's layers and a run, either way; beyond it, the profile does not fit.
const MAX_RATIO: f64 = 4.0;

/// Measures one model.
pub(super) fn run(
    device: &str,
    file: &DeviceFile,
    command: &CommandTable,
    args: &MeasureArgs,
) -> Result<ExitCode, Failure> {
    let context = &args.context;
    refuse(
        device,
        context,
        &[
            ("--input", args.input.is_some()),
            ("--input-shape", !args.shapes.input_shape.is_empty()),
            ("--budget", args.budget.is_some()),
            ("--resume", args.resume),
            ("--energy", args.energy),
            ("--lock-clocks", args.lock_clocks),
        ],
    )?;
    let Some(model) = &args.source.model else {
        return Err(Failure::usage(format!(
            "--space: the command of `{device}` profiles whole models, not the layers of a space"
        ))
        .hint(format!(
            "time its networks with `nasprof time --device {device} --arch FILE`, or profile one with --model FILE.onnx"
        )));
    };
    let Some(format) = command.profile_format else {
        return Err(Failure::usage(format!("`{device}` reports no layers: its [command] has no profile_format"))
            .hint(format!("time the whole model with `nasprof time --device {device} --model {}`", model.display())));
    };
    if let Some(output) = &args.output {
        let inputs = given([Some(model.as_path())]);
        model_profile::check_output(output, &Outputs::of(inputs.into_iter().chain(resolve::device_files(device))))?;
    }
    let mut by_command = ByCommand::open(file, command, context)?;
    let subject = model_profile::subject(model, device, &file.backend, by_command.threads());
    let profile = measured(&mut by_command, model, format, args.sessions.max(MIN_SESSIONS))?;
    model_profile::give(&ModelProfile { subject, ..profile }, args)?;
    Ok(ExitCode::SUCCESS)
}

fn measured(
    by_command: &mut ByCommand,
    model: &Path,
    format: ProfileFormat,
    sessions: u32,
) -> Result<ModelProfile, Failure> {
    let (file, names) = by_command.model(model)?;
    let runs = by_command.run(&file, sessions, &model.display().to_string())?;
    let mut first: Option<Vec<ProfileLayer>> = None;
    let mut all = Vec::with_capacity(runs.len());
    for run in &runs {
        let layers = by_command.layers(run, format)?;
        if names.as_ref().is_some_and(|names| !names.fit(layers.iter().map(|layer| layer.name.as_str()))) {
            let example = layers.first().map_or("", |layer| layer.name.as_str());
            return Err(by_command
                .wrong(&format!("gave the profile of another model, with unknown layers such as `{example}`")));
        }
        let whole = by_command.times(run)?.as_deref().and_then(trimmed_mean);
        let session = ProfiledSession { kernels: layers.iter().map(|layer| layer.ns).collect(), whole };
        let sum = session.kernels.iter().sum::<f64>();
        if let Some(whole) = whole.filter(|whole| !(1.0 / MAX_RATIO..MAX_RATIO).contains(&(sum / whole))) {
            let (sum, whole) = (sum / 1e6, whole / 1e6);
            return Err(
                by_command.wrong(&format!("gave a profile of {sum:.3} ms for a model that takes {whole:.3} ms"))
            );
        }
        let known = first.get_or_insert_with(|| layers.clone());
        let same = |(a, b): (&ProfileLayer, &ProfileLayer)| (&a.name, &a.operator) == (&b.name, &b.operator);
        if known.len() != layers.len() || !known.iter().zip(&layers).all(same) {
            return Err(by_command.wrong("ran different layers in a later run").hint(
                "save the first run's decisions in {cache}, for example with trtexec --timingCacheFile={cache}",
            ));
        }
        all.push(session);
    }
    let kernel = |layer: ProfileLayer| ProfiledKernel {
        name: layer.name,
        operator: layer.operator,
        provider: String::new(),
        inputs: layer.shapes.split(',').filter(|shape| !shape.is_empty()).map(str::to_owned).collect(),
        outputs: Vec::new(),
        parameter_bytes: None,
    };
    let kernels = first.unwrap_or_default().into_iter().map(kernel).collect();
    Ok(ModelProfile::of(kernels, by_command.facts(), Vec::new(), &all))
}
