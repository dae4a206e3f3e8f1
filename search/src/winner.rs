//! Measures the winner on the device, and selects again if the measured latency misses the budget.

use nasprof_graph::arch::ArchFile;
use nasprof_profiler::protocol::Timing;
use serde::{Deserialize, Serialize};

use crate::config::{Plan, Quantity, RegularizerKind};

/// Maximum relative distance of a winner from its target; beyond it another winner is selected.
pub const TOLERANCE: f64 = 0.01;
/// Maximum number of winners to measure until one meets the target and the hard limit.
const MOST: usize = 5;
/// Maximum number of further winners if none meets the hard limit side by side.
const MORE: usize = 2;
/// Maximum number of winners to measure side by side at the end.
const SIDE_BY_SIDE: usize = 3;

/// A winner's target, limit, estimated and measured latency. Part of `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The target of a constraint, in milliseconds.
    pub target_ms: Option<f64>,
    /// The hard upper bound, in milliseconds.
    pub limit_ms: Option<f64>,
    /// The estimate by the LUT, in milliseconds.
    pub estimated_ms: Option<f64>,
    /// The measurement on the device; absent until then.
    pub measured: Option<Measured>,
    /// Whether the measured latency meets the hard bound; absent without a bound or a measurement.
    pub within_limit: Option<bool>,
    /// The factor on the LUT's latencies that selected this winner: the ratio of measured to estimated latency so far.
    #[serde(default = "as_the_lut_has_it")]
    pub factor: f64,
    /// All measured winners, in order of measurement.
    #[serde(default)]
    pub selections: Vec<Selection>,
    /// The best of them, measured again in one session, so that they share a level. This measurement decides the winner.
    /// Empty if only one was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub side_by_side: Vec<Selection>,
    /// Whether the winner is final: it is measured, and no other one will be tried.
    #[serde(default, rename = "final", alias = "settled")]
    pub is_final: bool,
}

/// The default factor of results without one.
fn as_the_lut_has_it() -> f64 {
    1.0
}

/// A measured winner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The factor on the LUT's latencies that selected it.
    pub factor: f64,
    /// The architecture.
    pub arch: ArchFile,
    /// Its latency by the LUT, milliseconds.
    pub estimated_ms: f64,
    /// Its latency on the device.
    pub measured: Measured,
}

/// A measurement of a winner on the device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Mean over processes of the trimmed mean of clean runs, in milliseconds.
    pub latency_ms: f64,
    /// 95 % interval of the mean over processes, in milliseconds.
    pub ci_ms: Option<[f64; 2]>,
    /// The latency in each process, in milliseconds.
    #[serde(default)]
    pub processes_ms: Vec<f64>,
    /// The machine's level: measured over estimated latency of the LUT's anchors in the same sessions.
    pub level: Option<f64>,
    /// The device.
    pub device: String,
    /// Which of a GPU's latencies it is; absent on a device with one latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Whether the measurement accepted a busy machine.
    pub allow_noisy: bool,
}

impl Selection {
    /// Ratio of measured to estimated latency.
    fn ratio(&self) -> f64 {
        self.measured.latency_ms / self.estimated_ms
    }
}

impl Latency {
    /// The latency of a winner that is not measured yet. `quantities` are in the order of the regularizers, and `factor`
    /// selected the winner.
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

    /// The latency of a network that no search selected.
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

    /// Stores the measurement of the winner. Returns its record if the LUT has an estimate.
    fn take(&mut self, arch: ArchFile, measured: Measured) -> Option<Selection> {
        self.within_limit = self.limit_ms.map(|_| self.excess(measured.latency_ms) == 0.0);
        self.measured = Some(measured.clone());
        Some(Selection { factor: self.factor, arch, estimated_ms: self.estimated_ms?, measured })
    }

    /// The relative excess of a latency over the hard bound.
    fn excess(&self, latency_ms: f64) -> f64 {
        self.limit_ms.map_or(0.0, |limit| (latency_ms / limit - 1.0).max(0.0))
    }

    /// The relative distance of a latency from the target.
    fn miss(&self, latency_ms: f64) -> f64 {
        self.target_ms.map_or(0.0, |target| (latency_ms / target - 1.0).abs())
    }
}

/// The result of a search.
pub trait Found {
    /// The architecture; `None` if it is not a selection of the space's choices.
    fn arch(&self) -> Option<&ArchFile>;

    /// Its latency.
    fn latency(&mut self) -> &mut Latency;
}

/// Measures networks on the target device of a search.
pub trait DeviceEvaluator {
    /// Its errors.
    type Error;

    /// The current level of the device: measured over estimated latency of known networks. The first winner is selected at
    /// this level. `None` if it is unknown.
    ///
    /// # Errors
    /// A device that cannot be measured.
    fn level(&mut self) -> Result<Option<f64>, Self::Error> {
        Ok(None)
    }

    /// Measures the whole network of an architecture.
    ///
    /// # Errors
    /// Those of [`DeviceEvaluator::level`].
    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, Self::Error>;

    /// Measures several whole networks by turns in the same sessions, so that they share a level. Returns them in the order
    /// of `archs`.
    ///
    /// # Errors
    /// Those of [`DeviceEvaluator::level`].
    fn measure_side_by_side(&mut self, archs: &[ArchFile]) -> Result<Vec<Measured>, Self::Error>;
}

/// Selects winners of a finished search.
pub trait Selector {
    /// The result of a search.
    type Found: Found;
    /// Its errors.
    type Error;

    /// Selects again, with the LUT's latencies multiplied by a factor.
    ///
    /// # Errors
    /// A failure to select.
    fn select(&mut self, factor: f64) -> Result<Self::Found, Self::Error>;

    /// Writes the result so far, and at the end the winner.
    ///
    /// # Errors
    /// A result that cannot be written.
    fn keep(&mut self, found: &Self::Found) -> Result<(), Self::Error>;
}

/// Measures the winner of a search on the device, and selects further winners if it misses the budget.
///
/// If the device runs at another level than its LUT, the winner is first selected again at the current level. If the
/// measured latency is more than 1 % from the target, or above a hard limit, it calibrates the LUT's latencies, and another
/// winner is selected and measured. At most five are measured. If there are several, the best three are measured again side
/// by side, since the machine's level differs between separate measurements.
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
        let measured = device.measure(&arch)?;
        let mut selections = tried.last_mut().map_or_else(Vec::new, |last| last.latency().selections.clone());
        let latency = next.latency();
        let ms = measured.latency_ms;
        let (excess, miss) = (latency.excess(ms), latency.miss(ms));
        selections.extend(latency.take(arch, measured));
        latency.selections = selections;
        let ratios = latency.selections.iter().map(Selection::ratio);
        // After an exceeded limit, the largest ratio so far keeps the next winner below the limit.
        let factor = if excess > 0.0 { ratios.reduce(f64::max) } else { expected_ratio(&latency.selections) };
        selector.keep(&next)?;
        let held = next.arch().cloned();
        tried.push(next);
        let enough = miss <= TOLERANCE && excess == 0.0 || tried.len() == MOST;
        let Some(factor) = factor.filter(|_| !enough) else { break held };
        next = selector.select(factor)?;
        // There is no other winner to select.
        if next.arch().is_none_or(|arch| tried.iter().any(|found| found.arch() == Some(arch))) {
            break next.arch().cloned();
        }
    };
    best_measured(tried, in_folder, selector, device)
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

/// The excess of a measured network over the limit, and its distance from the target.
fn badness<F: Found>(found: &mut F) -> [f64; 2] {
    let latency = found.latency();
    let ms = latency.measured.as_ref().map_or(f64::INFINITY, |m| m.latency_ms);
    [latency.excess(ms), latency.miss(ms)]
}

/// Measures the best networks side by side, and writes the best one as the winner with all records. If none meets the limit,
/// the largest ratio selects one more, which is measured beside the others; if the best one is more than 1 % from the target, its
/// own ratio does, because the level may have changed since it was measured alone. At most two times.
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
        let [excess, miss] = tried.first_mut().map_or([0.0; 2], badness);
        let best = tried.first().and_then(|best| side_by_side.iter().find(|s| Some(&s.arch) == best.arch()));
        let factor = match best {
            _ if excess > 0.0 => side_by_side.iter().map(Selection::ratio).reduce(f64::max),
            Some(best) if miss > TOLERANCE => Some(best.ratio()),
            _ => None,
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
