//! `nasprof measure --model` on a runtime that reads models itself: kernel by kernel.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use nasprof_base::replace_file;
use nasprof_base::text::ms;
use nasprof_profiler::model_profile::{KernelPart, ModelPlan, ModelProfile, measure_model};
use nasprof_profiler::protocol::ModelRequest;

use super::super::table::{bar, fit_ends, spare};
use super::super::{path_text, print, print_json, print_remarks};
use crate::cli::MeasureArgs;
use crate::display::Screen;
use crate::failure::Failure;
use crate::interruption::{Kept, interruption};
use crate::outputs::{Outputs, given};
use crate::resolve;

/// Visits in a session.
const ROUNDS: u32 = 4;
/// Kernels that the table shows.
const SHOWN: usize = 40;

/// Measures one model on one device.
pub(super) fn run(device: &str, model: &Path, args: &MeasureArgs) -> Result<ExitCode, Failure> {
    if let Some(output) = &args.output {
        let inputs = given([Some(model), args.input.as_deref()]);
        Outputs::of(inputs.into_iter().chain(resolve::device_files(device))).check("-o", output, &["json"])?;
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
    let profile = profile?;
    if let Some(output) = &args.output {
        let text = serde_json::to_string_pretty(&profile).map_err(Failure::usage)?;
        replace_file(output, format!("{text}\n").as_bytes())
            .map_err(|e| Failure::usage(e).context(format!("-o {}", path_text(output))))?;
    }
    if args.json {
        print_json(&profile)?
    } else {
        show(&profile)?
    }
    Ok(ExitCode::SUCCESS)
}

fn absolute(path: &Path) -> Result<String, Failure> {
    let found = path.canonicalize().map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
    if !found.is_file() {
        return Err(Failure::usage(format!("{}: is not a file", path.display())));
    }
    found.to_str().map(str::to_owned).ok_or_else(|| Failure::usage(format!("{}: is no UTF-8", path.display())))
}

fn show(profile: &ModelProfile) -> Result<(), Failure> {
    let [low, high] = profile.whole.interval_ms;
    let fact = |name: &str| profile.facts.get(name).map_or("", String::as_str);
    print(format!("{} {}, {}", fact("runtime"), fact("runtime_version"), fact("provider")))?;
    print(format!("inputs: {}", profile.inputs.join("; ")))?;
    print(format!("one run      {} ({} to {})", ms(profile.whole.ms), ms(low), ms(high)))?;
    print(format!(
        "its kernels  {} ({:+.1} %); {} as timed, of which timing takes {:.1} us a kernel",
        ms(profile.kernels.iter().map(|k| k.time.ms).sum()),
        100.0 * profile.sum_error,
        ms(profile.timed_sum_ms),
        profile.timer_ns / 1e3,
    ))?;
    let memory = profile.peak_bytes.map_or_else(String::new, |b| format!(", {:.1} MiB", b as f64 / f64::from(1 << 20)));
    print(format!("session {}, first run {}{memory}", ms(profile.session_ms), ms(profile.first_ms)))?;
    print("")?;
    let mut kernels: Vec<&KernelPart> = profile.kernels.iter().collect();
    kernels.sort_by(|a, b| b.share.total_cmp(&a.share));
    for part in kernels.iter().take(SHOWN) {
        let [low, high] = part.time.interval_ms;
        let half = 50.0 * (high - low) / part.time.ms.max(f64::MIN_POSITIVE);
        let name = fit_ends(&part.kernel.name, 12, 29 + spare());
        let operator = fit_ends(&part.kernel.operator, 8, 14);
        print(format!(
            "{:5.1} % {} {:>11} ± {half:3.0} %  {operator} {name}",
            100.0 * part.share,
            bar(part.share, 6),
            ms(part.time.ms)
        ))?;
    }
    if kernels.len() > SHOWN {
        let rest: f64 = kernels[SHOWN..].iter().map(|part| part.share).sum();
        print(format!("{:5.1} % {} other kernels; --json has all", 100.0 * rest, kernels.len() - SHOWN))?;
    }
    Ok(())
}
