//! The profile of a model as a table: of `measure --model` and `lut show`.

use std::path::Path;

use nasprof_base::text::{bytes, count, ms, percent};
use nasprof_lut::write_model;
use nasprof_profiler::model_profile::{KernelPart, ModelProfile, ModelSubject};

use super::table::{Tone, bar, fit, fit_ends, paint, spare};
use super::{path_text, print, print_json};
use crate::cli::{MeasureArgs, SortColumn};
use crate::failure::Failure;
use crate::outputs::Outputs;
use crate::resolve;

/// Kernels that the table of a measurement shows.
const SHOWN: usize = 40;

/// Refuses an output that cannot be a profile's file, before anything is measured.
pub(super) fn check_output(output: &Path, inputs: &Outputs) -> Result<(), Failure> {
    // A device or a pipe is written to, whatever it is called.
    let regular = std::fs::metadata(output).map_or(true, |found| found.is_file());
    if regular && output.extension().is_none_or(|ending| ending != "json") {
        let problem = "the kernels of a model are written as a JSON profile, not as a LUT";
        let name = path_text(&output.with_extension("json"));
        return Err(Failure::usage(format!("-o {}: {problem}", output.display()))
            .hint(format!("-o {name}; `nasprof lut show` and `nasprof report` read it")));
    }
    inputs.check("-o", output, &["json"])
}

/// The measured model and its device.
pub(super) fn subject(model: &Path, device: &str, backend: &str, threads: usize) -> ModelSubject {
    ModelSubject {
        model: resolve::last_part(model),
        device: device.to_owned(),
        backend: backend.to_owned(),
        threads: Some(threads),
    }
}

/// Writes a profile where it belongs, and prints it.
pub(super) fn give(profile: &ModelProfile, args: &MeasureArgs) -> Result<(), Failure> {
    if let Some(output) = &args.output {
        write_model(profile, output)?;
    }
    if args.json { print_json(profile) } else { show(profile, SHOWN, SortColumn::Mean) }
}

/// Keeps only the kernels whose name, operator or shapes contain a text; case is ignored. Shares stay those of all.
pub(super) fn filter(profile: &mut ModelProfile, text: &str) -> Result<(), Failure> {
    let wanted = text.to_lowercase();
    profile.kernels.retain(|KernelPart { kernel, .. }| {
        let shapes = kernel.inputs.iter().chain(&kernel.outputs);
        [&kernel.name, &kernel.operator, &kernel.provider]
            .into_iter()
            .chain(shapes)
            .any(|text| text.to_lowercase().contains(&wanted))
    });
    if profile.kernels.is_empty() {
        return Err(Failure::usage(format!("--filter {text}: no kernel's name, operator or shape contains it"))
            .hint("`nasprof lut show PROFILE --sort layer --rows 0` lists all kernels"));
    }
    Ok(())
}

/// Prints the time of a run and the kernels; 0 rows print all of them.
pub(super) fn show(profile: &ModelProfile, rows: usize, by: SortColumn) -> Result<(), Failure> {
    print(paint(Tone::Strong, fit(&heading(profile), 80 + spare()).trim_end()))?;
    if !profile.inputs.is_empty() {
        print(format!("inputs: {}", profile.inputs.join("; ")))?;
    }
    whole(profile)?;
    if let (Some(session), Some(first)) = (profile.session_ms, profile.first_ms) {
        let memory = profile.peak_bytes.map_or_else(String::new, |peak| format!(", {}", bytes(peak as f64)));
        print(format!("session {}, first run {}{memory}", ms(session), ms(first)))?;
    }
    if !profile.failed.is_empty() {
        let names = fit(&profile.failed.join(", "), 50 + spare());
        print(paint(
            Tone::Bad,
            format!("{} not measured: {}", count(profile.failed.len(), "kernel"), names.trim_end()),
        ))?;
    }
    let suspicious = profile.kernels.iter().filter(|part| part.suspicious).count();
    if suspicious > 0 {
        print(paint(Tone::Doubtful, format!("{} implausible, marked `?`", count(suspicious, "kernel"))))?;
    }
    print("")?;
    let kernels = sorted(profile, by);
    let shown = if rows == 0 { kernels.len() } else { rows.min(kernels.len()) };
    kernels[..shown].iter().try_for_each(|part| print(line(part)))?;
    if kernels.len() > shown {
        let rest: f64 = kernels[shown..].iter().map(|part| part.share).sum();
        let more = format!(
            "{:5.1} % {}; `lut show --rows 0` and --json have all",
            100.0 * rest,
            count(kernels.len() - shown, "more kernel")
        );
        print(paint(Tone::Faint, more))?;
    }
    Ok(())
}

/// The model, its device and its runtime.
pub(super) fn heading(profile: &ModelProfile) -> String {
    let fact = |name: &str| profile.facts.get(name).map_or("", String::as_str);
    let subject = &profile.subject;
    let by = match profile.facts.get("runtime") {
        Some(runtime) => format!("{runtime} {}, {}", fact("runtime_version"), fact("provider")),
        None => match profile.facts.get("profile_format") {
            Some(format) => format!("profile of {format}, {}", fact("profile_file")),
            // The command can contain a whole program.
            None => fact("command").replace('\n', " "),
        },
    };
    // Files of older versions do not name their model.
    if subject.model.is_empty() {
        return by;
    }
    let threads = subject.threads.map_or_else(String::new, |threads| format!(", {}", count(threads, "thread")));
    format!("{} on {}{threads}: {by}", subject.model, subject.device)
}

/// A plain run beside the sum of the kernels.
fn whole(profile: &ModelProfile) -> Result<(), Failure> {
    let sum = ms(profile.sum_ms());
    let (Some(whole), Some(error)) = (profile.whole, profile.sum_error) else {
        return print(format!("its kernels  {sum} as timed; no plain run was timed"));
    };
    let interval = whole.interval_ms.map_or_else(String::new, |[low, high]| format!(" ({} to {})", ms(low), ms(high)));
    print(format!("one run      {}{interval}", ms(whole.ms)))?;
    let (timed, timer) = (ms(profile.timed_sum_ms), profile.timer_ns / 1e3);
    let of_timing = format!("{timed} as timed, with an overhead of {timer:.1} us per kernel");
    print(format!("its kernels  {sum} ({:+.1} %); {of_timing}", 100.0 * error))
}

fn sorted(profile: &ModelProfile, by: SortColumn) -> Vec<&KernelPart> {
    let mut kernels: Vec<&KernelPart> = profile.kernels.iter().collect();
    let width = |part: &KernelPart| part.time.half_width().unwrap_or(f64::INFINITY);
    // Stable: among equals, the slowest stays first.
    kernels.sort_by(|a, b| b.time.ms.total_cmp(&a.time.ms));
    match by {
        SortColumn::Mean => {}
        SortColumn::Layer => kernels.sort_by(|a, b| a.kernel.name.cmp(&b.kernel.name)),
        SortColumn::Half => kernels.sort_by(|a, b| width(b).total_cmp(&width(a))),
        SortColumn::Flags => kernels.sort_by_key(|part| !part.suspicious),
    }
    kernels
}

fn line(part: &KernelPart) -> String {
    let half = part.time.half_width().map_or_else(String::new, |half| format!("± {}", percent(half)));
    let (name, operator) = (fit_ends(&part.kernel.name, 12, 27 + spare()), fit_ends(&part.kernel.operator, 8, 14));
    let mark = if part.suspicious { "?" } else { "" };
    let share = format!("{:5.1} % {}", 100.0 * part.share, bar(part.share, 6));
    format!("{share} {:>11} {half:<9} {operator} {}{mark}", ms(part.time.ms), name.trim_end())
}
