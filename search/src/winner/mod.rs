//! Measures the winner on the device, and selects again if the measured latency misses the budget.

mod device;
mod latency;
mod side_by_side;

use nasprof_graph::arch::ArchFile;

pub use self::device::{DeviceEvaluator, Found, Selector};
pub use self::latency::{Latency, Measured, Selection, TOLERANCE};
use self::side_by_side::best_measured;

/// Maximum number of winners to measure until one meets the target and the hard limit.
const MOST: usize = 5;
/// Maximum number of measurements of one network while the target is within their interval, but not within the tolerance.
const REPEATS: usize = 3;

/// Measures the winner of a search on the device, and selects further winners if it misses the budget.
///
/// If the device runs at another level than its LUT, the winner is first selected again at the current level. If the
/// measured latency is more than 1 % from the target and its interval excludes the target, or if it is above a hard
/// limit, it calibrates the LUT's latencies, and another winner is selected and measured. At most five are measured. If
/// there are several, the best three are measured again side by side, since the machine's level differs between separate
/// measurements.
///
/// The winner is the one that meets the limit and is nearest to the target. If none meets the limit, it is the one that
/// exceeds it least, and its `within_limit` is false.
///
/// # Errors
/// Those of the selector and the device.
pub fn select_on_device<S: Selector>(
    first: S::Found,
    selector: &mut S,
    device: &mut dyn DeviceEvaluator<Error = S::Error>,
) -> Result<S::Found, S::Error> {
    let mut tried: Vec<S::Found> = Vec::new();
    let mut next = at_level_of_now(first, selector, device)?;
    // The architecture in the run folder at the end.
    let in_folder = loop {
        let Some(arch) = next.arch().cloned() else { return Ok(next) };
        let measured = measure_until_conclusive(&arch, next.latency(), device)?;
        let mut selections = tried.last_mut().map_or_else(Vec::new, |last| last.latency().selections.clone());
        let latency = next.latency();
        let excess = latency.excess(measured.latency_ms);
        let is_missed = latency.is_missed(&measured);
        selections.extend(latency.take(arch, measured));
        latency.selections = selections;
        let ratios = latency.selections.iter().map(Selection::ratio);
        // After an exceeded limit, the largest ratio so far keeps the next winner below the limit.
        let factor = if excess > 0.0 { ratios.reduce(f64::max) } else { expected_ratio(&latency.selections) };
        selector.keep(&next)?;
        let held = next.arch().cloned();
        tried.push(next);
        let enough = !is_missed && excess == 0.0 || tried.len() == MOST;
        let Some(factor) = factor.filter(|_| !enough) else { break held };
        next = selector.select(factor)?;
        // There is no other winner to select.
        if next.arch().is_none_or(|arch| tried.iter().any(|found| found.arch() == Some(arch))) {
            break next.arch().cloned();
        }
    };
    best_measured(tried, in_folder, selector, device)
}

/// Measures a network, and again while the target is within the interval but the mean is off by more than the tolerance: processes of a
/// machine with other users differ by up to a fifth.
fn measure_until_conclusive<E>(
    arch: &ArchFile,
    latency: &Latency,
    device: &mut dyn DeviceEvaluator<Error = E>,
) -> Result<Measured, E> {
    let mut measured = device.measure(arch)?;
    for _ in 1..REPEATS {
        if !latency.is_inconclusive(&measured) {
            break;
        }
        measured = measured.pooled(device.measure(arch)?);
    }
    Ok(measured)
}

/// Selects the winner again at the current level, if there is a target or limit and the level has changed.
fn at_level_of_now<S: Selector>(
    mut first: S::Found,
    selector: &mut S,
    device: &mut dyn DeviceEvaluator<Error = S::Error>,
) -> Result<S::Found, S::Error> {
    let latency = first.latency();
    if latency.estimated_ms.is_none() || latency.target_ms.or(latency.limit_ms).is_none() {
        return Ok(first);
    }
    let before = latency.factor;
    match device.level()?.filter(|level| (level / before).ln().abs() > TOLERANCE) {
        Some(level) => selector.select(level),
        None => Ok(first),
    }
}

/// The expected ratio of measured to estimated latency for a network like the last one. The level drifts, so its geometric
/// mean over all measurements is used. The last network's ratio to its own level does not drift, and is kept.
fn expected_ratio(selections: &[Selection]) -> Option<f64> {
    let last = selections.last()?;
    let levels: Option<Vec<f64>> = selections.iter().map(|s| s.measured.level.map(f64::ln)).collect();
    let own = |levels: Vec<f64>| {
        let wandered = levels.iter().sum::<f64>() / levels.len() as f64 - levels.last()?;
        Some(last.ratio() * wandered.exp())
    };
    levels.map_or(Some(last.ratio()), own)
}
