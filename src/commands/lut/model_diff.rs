//! `nasprof lut diff` of two profiles of models: plain runs, then kernels by their difference in time.

use std::path::Path;

use nasprof_base::text::{count, ms};
use nasprof_lut::{KernelDiff, Likeness, ModelDiff, TimeDiff, model_diff};
use nasprof_profiler::model_profile::{KernelPart, ModelProfile};
use serde::Serialize;

use super::super::model_profile::heading;
use super::super::table::{Tone, fit, fit_ends, paint, signed_bar, spare};
use super::super::{path_text, print, print_json};
use crate::failure::Failure;

/// Number of kernels to show that only one profile has.
const ALONE: usize = 5;

/// Two profiles with their files.
pub(super) struct Named<'a> {
    pub(super) before: (&'a Path, &'a ModelProfile),
    pub(super) after: (&'a Path, &'a ModelProfile),
}

#[derive(Serialize)]
struct Output {
    before: String,
    after: String,
    #[serde(flatten)]
    diff: ModelDiff,
}

impl Named<'_> {
    pub(super) fn json(&self) -> Result<(), Failure> {
        let diff = model_diff(self.before.1, self.after.1);
        print_json(&Output { before: path_text(self.before.0), after: path_text(self.after.0), diff })
    }

    pub(super) fn show(&self, rows: usize) -> Result<(), Failure> {
        for (name, (path, profile)) in [("before", self.before), ("after", self.after)] {
            let line = format!("{name:<7} {}: {}", path.display(), heading(profile));
            print(fit(&line, 80 + spare()).trim_end())?;
        }
        show(&model_diff(self.before.1, self.after.1), rows)
    }
}

fn show(diff: &ModelDiff, rows: usize) -> Result<(), Failure> {
    print("")?;
    let heading = line("kernel", "before", "after", &format!("{:>8}", "change"), "95 % interval");
    print(paint(Tone::Strong, heading.trim_end()))?;
    match &diff.whole {
        Some(whole) => print(times("one run", whole, None))?,
        None => print("one run: not timed in both")?,
    }
    let kernels = count(diff.kernels.len(), "kernel");
    print(times("all kernels", &diff.sum, None))?;
    if let Some(level) = diff.level {
        print(paint(Tone::Faint, format!("{kernels} in both; their median factor is {level:.3}")))?;
    }
    print("")?;
    let most = diff.kernels.iter().map(|kernel| kernel.time.change()).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let shown = if rows == 0 { diff.kernels.len() } else { rows.min(diff.kernels.len()) };
    for kernel in &diff.kernels[..shown] {
        print(times(&label(kernel), &kernel.time, Some(most)))?;
    }
    if diff.kernels.len() > shown {
        let more = count(diff.kernels.len() - shown, "more kernel");
        print(paint(Tone::Faint, format!("… {more}; --rows 0 shows all")))?;
    }
    alone("before", &diff.only_before, rows)?;
    alone("after", &diff.only_after, rows)
}

/// The name of a kernel in both profiles, with its new name or operator if that differs.
fn label(kernel: &KernelDiff) -> String {
    let KernelDiff { name, operator, after_name, after_operator, likeness, .. } = kernel;
    match likeness {
        Likeness::Work => format!("{name} = {after_name}"),
        Likeness::Name if operator != after_operator => format!("{name} ({operator}, then {after_operator})"),
        Likeness::All | Likeness::Name => name.clone(),
    }
}

fn times(name: &str, time: &TimeDiff, most: Option<f64>) -> String {
    let change = time.ratio.map_or_else(|| "new".to_owned(), |ratio| format!("{:+.1} %", 100.0 * (ratio - 1.0)));
    // An interval that includes zero change may mean none.
    let tone = match (time.may_be_equal(), time.after_ms > time.before_ms) {
        (Some(true), _) => Tone::Faint,
        (_, true) => Tone::Bad,
        (_, false) => Tone::Good,
    };
    let ends = |[low, high]: [f64; 2]| format!("{:+.1} to {:+.1} %", 100.0 * (low - 1.0), 100.0 * (high - 1.0));
    let interval = time.ratio_interval.map_or_else(|| "unknown".to_owned(), ends);
    let bar = most.map_or_else(String::new, |most| signed_bar((time.after_ms - time.before_ms) / most, 2));
    let change = paint(tone, format!("{change:>8}"));
    let line = line(name, &ms(time.before_ms), &ms(time.after_ms), &change, &interval);
    format!("{line} {bar}").trim_end().to_owned()
}

/// `change` is already padded, because colour codes have no width.
fn line(name: &str, before: &str, after: &str, change: &str, interval: &str) -> String {
    let name = fit_ends(name, 9, 22 + spare());
    format!("{name} {before:>11} {after:>11} {change} {interval:<18}")
}

/// The slowest kernels that are in one profile only.
fn alone(which: &str, parts: &[KernelPart], rows: usize) -> Result<(), Failure> {
    if parts.is_empty() {
        return Ok(());
    }
    let sum: f64 = parts.iter().map(|part| part.time.ms).sum();
    print("")?;
    print(paint(Tone::Strong, format!("only {which}: {}, {}", count(parts.len(), "kernel"), ms(sum))))?;
    let shown = if rows == 0 { parts.len() } else { ALONE.min(parts.len()) };
    for part in &parts[..shown] {
        let (operator, name) = (fit_ends(&part.kernel.operator, 8, 14), fit_ends(&part.kernel.name, 20, 50 + spare()));
        print(format!("{operator} {name} {:>11}", ms(part.time.ms)))?;
    }
    if parts.len() > shown {
        print(paint(Tone::Faint, format!("… {}; --rows 0 shows all", count(parts.len() - shown, "more kernel"))))?;
    }
    Ok(())
}
