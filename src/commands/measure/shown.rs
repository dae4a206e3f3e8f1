//! The profile of a model as a table.

use nasprof_base::replace_file;
use nasprof_base::text::{bytes, ms};
use nasprof_profiler::model_profile::{KernelPart, ModelProfile};

use super::super::table::{bar, fit, fit_ends, spare};
use super::super::{path_text, print, print_json};
use crate::cli::MeasureArgs;
use crate::failure::Failure;

/// Kernels that the table shows.
const SHOWN: usize = 40;

/// Prints what a run takes, and the kernels by their share of it.
fn show(profile: &ModelProfile) -> Result<(), Failure> {
    let fact = |name: &str| profile.facts.get(name).map_or("", String::as_str);
    match profile.facts.get("runtime") {
        Some(runtime) => print(format!("{runtime} {}, {}", fact("runtime_version"), fact("provider")))?,
        // A program may be written out in it.
        None => print(fit(&fact("command").replace('\n', " "), 80 + spare()).trim_end())?,
    }
    if !profile.inputs.is_empty() {
        print(format!("inputs: {}", profile.inputs.join("; ")))?;
    }
    let sum = ms(profile.kernels.iter().map(|k| k.time.ms).sum());
    match (profile.whole, profile.sum_error) {
        (Some(whole), Some(error)) => {
            let [low, high] = whole.interval_ms;
            print(format!("one run      {} ({} to {})", ms(whole.ms), ms(low), ms(high)))?;
            let timed = ms(profile.timed_sum_ms);
            let timer = profile.timer_ns / 1e3;
            print(format!(
                "its kernels  {sum} ({:+.1} %); {timed} as timed, of which timing takes {timer:.1} us a kernel",
                100.0 * error
            ))?;
        }
        _ => print(format!("its kernels  {sum} as timed; no plain run was timed"))?,
    }
    if let (Some(session), Some(first)) = (profile.session_ms, profile.first_ms) {
        let memory = profile.peak_bytes.map_or_else(String::new, |peak| format!(", {}", bytes(peak as f64)));
        print(format!("session {}, first run {}{memory}", ms(session), ms(first)))?;
    }
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

/// Writes a profile where it belongs, and prints it.
pub(super) fn give(profile: &ModelProfile, args: &MeasureArgs) -> Result<(), Failure> {
    if let Some(output) = &args.output {
        let text = serde_json::to_string_pretty(profile).map_err(Failure::usage)?;
        replace_file(output, format!("{text}\n").as_bytes())
            .map_err(|e| Failure::usage(e).context(format!("-o {}", path_text(output))))?;
    }
    if args.json { print_json(profile) } else { show(profile) }
}
