//! Measures the winner on the device, and selects again if the measured latency misses the budget.

use nasprof_graph::arch::ArchFile;
use serde::{Deserialize, Serialize};

use crate::config::{Plan, Quantity, RegularizerKind};

/// A winner at most so far from its target counts as on it; one more is selected if it is further.
pub const TOLERANCE: f64 = 0.01;
/// The most that are measured to find one that meets the target and keeps to a hard limit.
const MOST: usize = 5;
/// The most that are selected once more because side by side none keeps to a hard limit.
const MORE: usize = 2;
/// The most that are measured side by side at the end.
const SIDE_BY_SIDE: usize = 3;

/// A winner's latency: wanted, estimated and measured. Part of `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// What a constraint aims at, milliseconds.
    pub target_ms: Option<f64>,
    /// The hard upper bound, milliseconds.
    pub limit_ms: Option<f64>,
    /// By the LUT, milliseconds.
    pub estimated_ms: Option<f64>,
    /// On the device; absent until it was measured.
    pub measured: Option<Measured>,
    /// Whether the measured latency keeps to the hard bound; absent without a bound or a measurement.
    pub within_limit: Option<bool>,
    /// What the LUT's latencies were multiplied by to select this winner: measured over estimated of an earlier one.
    #[serde(default = "as_the_lut_has_it")]
    pub factor: f64,
    /// All winners that were measured, in order; the last one that is kept is the winner.
    #[serde(default)]
    pub selections: Vec<Selection>,
    /// The nearest of them, measured once more in one session, so that they share a level: the winner is chosen by that. Empty if
    /// only one was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub side_by_side: Vec<Selection>,
    /// Whether the winner is final: measured, and no other is to be tried.
    #[serde(default, rename = "final", alias = "settled")]
    pub is_final: bool,
}

/// The factor of results that have none.
fn as_the_lut_has_it() -> f64 {
    1.0
}

/// A winner that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// What the LUT's latencies were multiplied by to select it.
    pub factor: f64,
    /// The architecture.
    pub arch: ArchFile,
    /// Its latency by the LUT, milliseconds.
    pub estimated_ms: f64,
    /// Its latency on the device.
    pub measured: Measured,
}

/// A winner on the device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Trimmed mean of its clean runs, in the mean over processes, milliseconds.
    pub latency_ms: f64,
    /// 95 % interval of the mean over processes, milliseconds.
    pub ci_ms: Option<[f64; 2]>,
    /// In each process, milliseconds.
    #[serde(default)]
    pub processes_ms: Vec<f64>,
    /// Measured over estimated on the LUT's anchors, in the same sessions: the machine's state then.
    pub level: Option<f64>,
    /// The device.
    pub device: String,
    /// Whether a machine that is busy was measured all the same.
    pub allow_noisy: bool,
}

impl Selection {
    /// Measured over estimated.
    fn ratio(&self) -> f64 {
        self.measured.latency_ms / self.estimated_ms
    }
}

impl Latency {
    /// Of a winner with these quantities, in the order of the regularizers, selected with `factor`; not measured yet.
    #[must_use]
    pub fn new(plan: &Plan, quantities: &[f64], factor: f64) -> Self {
        let of_device = || {
            let all = plan.regularizers.iter().zip(quantities);
            all.filter(|(r, _)| r.settings.quantity == Quantity::Latency && plan.is_of_device(r))
        };
        let hard = || {
            let binds = |kind| matches!(kind, RegularizerKind::Constraint | RegularizerKind::Reject);
            of_device().map(|(r, _)| &r.settings).filter(move |s| binds(s.kind))
        };
        Self {
            target_ms: hard().find_map(|s| s.target),
            limit_ms: hard().filter_map(|s| s.upper).reduce(f64::min),
            estimated_ms: of_device().next().map(|(_, &value)| value),
            factor,
            ..Self::unknown()
        }
    }

    /// Of a network that no search selected.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            target_ms: None,
            limit_ms: None,
            estimated_ms: None,
            measured: None,
            within_limit: None,
            factor: 1.0,
            selections: Vec::new(),
            side_by_side: Vec::new(),
            is_final: false,
        }
    }

    /// Takes over what was measured of the winner; the record of it, where the LUT has an estimate.
    fn take(&mut self, arch: ArchFile, measured: Measured) -> Option<Selection> {
        self.within_limit = self.limit_ms.map(|_| self.excess(measured.latency_ms) == 0.0);
        self.measured = Some(measured.clone());
        Some(Selection { factor: self.factor, arch, estimated_ms: self.estimated_ms?, measured })
    }

    /// By how much, relative to it, a latency is above the hard bound.
    fn excess(&self, latency_ms: f64) -> f64 {
        self.limit_ms.map_or(0.0, |limit| (latency_ms / limit - 1.0).max(0.0))
    }

    /// How far, relative to it, a latency is from the target.
    fn miss(&self, latency_ms: f64) -> f64 {
        self.target_ms.map_or(0.0, |target| (latency_ms / target - 1.0).abs())
    }
}

/// What a search found.
pub trait Found {
    /// The architecture; `None` if it is no selection of the space's choices.
    fn arch(&self) -> Option<&ArchFile>;

    /// Its latency.
    fn latency(&mut self) -> &mut Latency;
}

/// Measures networks on the device that a search is for.
pub trait DeviceEvaluator {
    /// What can go wrong.
    type Error;

    /// How the device runs now, measured over estimated on networks that are known: the first winner is selected by that. `None` if
    /// nothing tells.
    ///
    /// # Errors
    /// A device that cannot be measured.
    fn level(&mut self) -> Result<Option<f64>, Self::Error> {
        Ok(None)
    }

    /// Measures an architecture, whole.
    ///
    /// # Errors
    /// As [`DeviceEvaluator::level`].
    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, Self::Error>;

    /// Measures several architectures in turns in the same sessions, each whole, so that they share a level; in their order.
    ///
    /// # Errors
    /// As [`DeviceEvaluator::level`].
    fn measure_side_by_side(&mut self, archs: &[ArchFile]) -> Result<Vec<Measured>, Self::Error>;
}

/// Selects winners of a search that has been run.
pub trait Selector {
    /// The result of a search.
    type Found: Found;
    /// What can go wrong.
    type Error;

    /// Selects again, with the LUT's latencies multiplied by a factor.
    ///
    /// # Errors
    /// A search that cannot select.
    fn select(&mut self, factor: f64) -> Result<Self::Found, Self::Error>;

    /// Keeps what is known so far, and at the end the winner.
    ///
    /// # Errors
    /// A result that cannot be written.
    fn keep(&mut self, found: &Self::Found) -> Result<(), Self::Error>;
}

/// Measures the winner of a search, which is selected again first if the device runs at another level now than when its LUT was
/// measured. While its latency is more than 1 % from the target, or above a hard limit, the LUT's
/// latencies are calibrated with what was measured and one more is selected and measured, up to five. If there are several, the
/// three that come nearest are measured once more, side by side: measured at different times they would differ by the machine's
/// level as well. The winner is the one that keeps to the limit and is nearest to the target. If none keeps to the limit, it is
/// the one that exceeds it least, and its `within_limit` is false.
///
/// # Errors
/// As the selector's and the device's.
pub fn select_on_device<S: Selector>(
    first: S::Found,
    selector: &mut S,
    device: &mut dyn DeviceEvaluator<Error = S::Error>,
) -> Result<S::Found, S::Error> {
    let mut tried: Vec<S::Found> = Vec::new();
    let mut next = at_level_of_now(first, selector, device)?;
    // What the run folder holds at the end.
    let in_folder = loop {
        let Some(arch) = next.arch().cloned() else { return Ok(next) };
        let measured = device.measure(&arch)?;
        let mut selections = tried.last_mut().map_or_else(Vec::new, |last| last.latency().selections.clone());
        let latency = next.latency();
        let ms = measured.latency_ms;
        let (excess, miss) = (latency.excess(ms), latency.miss(ms));
        selections.extend(latency.take(arch, measured));
        latency.selections = selections;
        let ratios = latency.selections.iter().map(Selection::ratio);
        // Where a limit was exceeded, the slowest ratio seen keeps the next one away from it.
        let factor = if excess > 0.0 { ratios.reduce(f64::max) } else { expected_ratio(&latency.selections) };
        selector.keep(&next)?;
        let held = next.arch().cloned();
        tried.push(next);
        let enough = miss <= TOLERANCE && excess == 0.0 || tried.len() == MOST;
        let Some(factor) = factor.filter(|_| !enough) else { break held };
        next = selector.select(factor)?;
        // Nothing else is left to select.
        if next.arch().is_none_or(|arch| tried.iter().any(|found| found.arch() == Some(arch))) {
            break next.arch().cloned();
        }
    };
    best_measured(tried, in_folder, selector, device)
}

/// The winner at the level of now, where there is something to aim at and the level is another.
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

/// Measured over estimated, as it is to be expected of one more like the last: the level in the mean of all times that it was
/// measured, since it wanders, and by how much the last one differs from the level, which is its own and does not.
fn expected_ratio(selections: &[Selection]) -> Option<f64> {
    let last = selections.last()?;
    let levels: Option<Vec<f64>> = selections.iter().map(|s| s.measured.level.map(f64::ln)).collect();
    let own = |levels: Vec<f64>| {
        let wandered = levels.iter().sum::<f64>() / levels.len() as f64 - levels.last()?;
        Some(last.ratio() * wandered.exp())
    };
    levels.map_or(Some(last.ratio()), own)
}

/// How far a measured network is from what is wanted: above the limit, and from the target.
fn badness<F: Found>(found: &mut F) -> [f64; 2] {
    let latency = found.latency();
    let ms = latency.measured.as_ref().map_or(f64::INFINITY, |m| m.latency_ms);
    [latency.excess(ms), latency.miss(ms)]
}

/// The best of those that were measured, kept as the winner with the record of all. Where side by side none keeps to the limit, the
/// slowest ratio seen selects one more, which is measured beside the others, up to two times.
fn best_measured<S: Selector>(
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
        let exceeds = tried.first_mut().is_some_and(|best| badness(best)[0] > 0.0);
        let slowest = side_by_side.iter().map(Selection::ratio).reduce(f64::max);
        let Some(factor) = slowest.filter(|_| exceeds && more > 0) else { break };
        more -= 1;
        let next = selector.select(factor)?;
        in_folder = next.arch().cloned();
        if next.arch().is_none_or(|arch| tried.iter().any(|found| found.arch() == Some(arch))) {
            break;
        }
        // In place of the worst.
        tried.truncate(SIDE_BY_SIDE - 1);
        tried.insert(0, next);
    }
    let mut best = tried.swap_remove(0);
    if in_folder.as_ref() != best.arch() {
        // The same selection again, so that everything in the run folder is of the winner.
        selector.select(best.latency().factor)?;
    }
    let latency = best.latency();
    (latency.selections, latency.side_by_side, latency.is_final) = (selections, side_by_side, true);
    selector.keep(&best)?;
    Ok(best)
}

/// The best first; equal ones stay in their order.
fn sort<F: Found>(tried: &mut Vec<F>) {
    let mut judged: Vec<([f64; 2], F)> = tried.drain(..).map(|mut found| (badness(&mut found), found)).collect();
    judged.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
    tried.extend(judged.into_iter().map(|(_, found)| found));
}

/// Measures them in one session: what each of them has is what was measured there.
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
