//! `nasprof measure --model` on a runtime that reads models itself: kernel by kernel.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use nasprof_profiler::model_measure::{ModelPlan, measure_model};
use nasprof_profiler::model_profile::ModelProfile;

use super::super::model_file::{ModelFile, check_target};
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
    let found = ModelFile::find(model, &args.shapes, args.input.as_deref())?;
    let file = resolve::device(device, &args.settings.set)?;
    let mut link = resolve::open_with(&file, found.uploads(&file)?)?;
    let target = resolve::target(&file, link.cores(), &args.context)?;
    check_target(&target, &args.context)?;
    let plan = ModelPlan {
        setup: target.setup(args.seed, 0),
        request: found.request(&link)?,
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
