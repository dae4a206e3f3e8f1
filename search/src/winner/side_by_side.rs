//! The best of the measured networks, measured again side by side: separate measurements differ by the machine's level.

use nasprof_graph::arch::ArchFile;

use super::device::{DeviceEvaluator, Found, Selector};
use super::latency::Selection;

/// Maximum number of further winners if none meets the hard limit side by side.
const MORE: usize = 2;
/// Maximum number of winners to measure side by side at the end.
const SIDE_BY_SIDE: usize = 3;

/// The excess of a measured network over the limit, and its distance from the target.
fn badness<F: Found>(found: &mut F) -> [f64; 2] {
    let latency = found.latency();
    let ms = latency.measured.as_ref().map_or(f64::INFINITY, |m| m.latency_ms);
    [latency.excess(ms), latency.miss(ms)]
}

/// Measures the best networks side by side, and writes the best one as the winner with all records. If none meets the limit,
/// the largest ratio selects one more, which is measured beside the others; if the best one misses the target, its own
/// ratio does, because the level may have changed since it was measured alone. At most two times.
pub(super) fn best_measured<S: Selector>(
    mut tried: Vec<S::Found>,
    mut in_folder: Option<ArchFile>,
    selector: &mut S,
    device: &mut dyn DeviceEvaluator<Error = S::Error>,
) -> Result<S::Found, S::Error> {
    let selections = tried.last_mut().map_or_else(Vec::new, |last| last.latency().selections.clone());
    let mut side_by_side = Vec::new();
    let mut more = MORE;
    sort(&mut tried);
    tried.truncate(SIDE_BY_SIDE);
    while tried.len() > 1 {
        side_by_side = measure_side_by_side(&mut tried, device)?;
        sort(&mut tried);
        let [excess, _] = tried.first_mut().map_or([0.0; 2], badness);
        let best = tried.first().and_then(|best| side_by_side.iter().find(|s| Some(&s.arch) == best.arch()));
        let best = best.filter(|best| tried[0].latency().is_missed(&best.measured));
        let factor = if excess > 0.0 {
            side_by_side.iter().map(Selection::ratio).reduce(f64::max)
        } else {
            best.map(Selection::ratio)
        };
        let Some(factor) = factor.filter(|_| more > 0) else { break };
        more -= 1;
        let next = selector.select(factor)?;
        in_folder = next.arch().cloned();
        if next.arch().is_none_or(|arch| tried.iter().any(|found| found.arch() == Some(arch))) {
            break;
        }
        // It replaces the worst.
        tried.truncate(SIDE_BY_SIDE - 1);
        tried.insert(0, next);
    }
    let mut best = tried.swap_remove(0);
    if in_folder.as_ref() != best.arch() {
        // Repeats the winner's selection, so that all files in the run folder belong to the winner.
        selector.select(best.latency().factor)?;
    }
    let latency = best.latency();
    (latency.selections, latency.side_by_side, latency.is_final) = (selections, side_by_side, true);
    selector.keep(&best)?;
    Ok(best)
}

/// Sorts the networks, the best first. The sort is stable.
fn sort<F: Found>(tried: &mut Vec<F>) {
    let mut judged: Vec<([f64; 2], F)> = tried.drain(..).map(|mut found| (badness(&mut found), found)).collect();
    judged.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
    tried.extend(judged.into_iter().map(|(_, found)| found));
}

/// Measures the networks in one session, which replaces their earlier measurements.
fn measure_side_by_side<F: Found, E>(
    tried: &mut [F],
    device: &mut dyn DeviceEvaluator<Error = E>,
) -> Result<Vec<Selection>, E> {
    let archs: Vec<ArchFile> = tried.iter().filter_map(|found| found.arch().cloned()).collect();
    let mut selections = Vec::new();
    let measured = device.measure_side_by_side(&archs)?;
    for (found, (arch, measured)) in tried.iter_mut().zip(archs.into_iter().zip(measured)) {
        selections.extend(found.latency().take(arch, measured));
    }
    Ok(selections)
}
