//! `nasprof measure --model` on a runtime that reads models itself: kernel by kernel.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use nasprof_profiler::model_measure::{ModelPlan, measure_model};
use nasprof_profiler::model_profile::ModelProfile;
use nasprof_profiler::protocol::ModelRequest;

use super::super::{model_profile, print_remarks};
use crate::cli::MeasureArgs;
use crate::display::Screen;
use crate::failure::Failure;
use crate::interruption::{Kept, interruption};
use crate::outputs::{Outputs, given};
use crate::resolve;

/// Visits in a session.
const ROUNDS: u32 = 4;

/// Measures one model on one device.
pub(super) fn run(device: &str, model: &Path, args: &MeasureArgs) -> Result<ExitCode, Failure> {
    if let Some(output) = &args.output {
        let inputs = given([Some(model), args.input.as_deref()]);
        model_profile::check_output(output, &Outputs::of(inputs.into_iter().chain(resolve::device_files(device))))?;
    }
    // The file is opened by the agent: what is not there is said before one starts.
    let path = absolute(model)?;
    let values = args.input.as_deref().map(absolute).transpose()?;
    let file = resolve::device(device, &args.settings.set)?;
    let mut link = resolve::open(&file)?;
    if link.is_remote() {
        return Err(Failure::usage(format!("--model on `{device}`: the model would have to be on that device"))
            .hint("a model is measured on this machine; a space is measured anywhere"));
    }
    let target = resolve::target(&file, link.cores(), &args.context)?;
    if !target.precision.is_usual() {
        let name = target.precision.name();
        return Err(Failure::usage(format!("--precision {name} with --model: a model computes in what it holds"))
            .hint(format!("`nasprof export --precision {name}` writes such a model of a space's network")));
    }
    let sizes = |shape: &[usize]| shape.iter().map(|&size| size as u64).collect();
    let shapes: BTreeMap<String, Vec<u64>> =
        args.shapes.input_shape.iter().map(|(name, shape)| (name.clone(), sizes(shape))).collect();
    let plan = ModelPlan {
        setup: target.setup(args.seed, 0),
        request: ModelRequest { workload: 0, path, shapes, values },
        sessions: args.sessions,
        rounds: ROUNDS,
    };
    let interrupted = interruption(Kept::Nothing)?;
    let mut display = Screen::new().display(None);
    let backend = target.backend.clone();
    let profile = measure_model(&plan, &mut || Ok(link.agent(&backend)?), &mut |session, round| {
        if round == 0 {
            display.status(&format!("{}: session {}", model.display(), session + 1));
        }
        !interrupted.load(Ordering::Relaxed)
    });
    display.finish();
    print_remarks(device, &mut link);
    let subject = model_profile::subject(model, device, &backend, target.threads);
    model_profile::give(&ModelProfile { subject, ..profile? }, args)?;
    Ok(ExitCode::SUCCESS)
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let found = path.canonicalize().map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
    if !found.is_file() {
        return Err(Failure::usage(format!("{}: is not a file", path.display())));
    }
    found.to_str().map(str::to_owned).ok_or_else(|| Failure::usage(format!("{}: is no UTF-8", path.display())))
}
