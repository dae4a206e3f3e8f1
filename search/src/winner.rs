//! Measures the winner on the device, and selects again if the measured latency misses the budget.

use nasprof_graph::arch::ArchFile;
use serde::{Deserialize, Serialize};

use crate::config::{Plan, Quantity, RegularizerKind};

/// A winner at most so far from its target counts as on it; one more is selected if it is further.
pub const TOLERANCE: f64 = 0.01;
/// The most that are measured to find one that meets the target and keeps to a hard limit.
const MOST: usize = 5;

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
            measured: None,
            within_limit: None,
            factor,
            selections: Vec::new(),
            is_final: false,
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
            is_final: false,
        }
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

    /// Measures an architecture, whole.
    ///
    /// # Errors
    /// A device that cannot be measured.
    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, Self::Error>;
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

/// Measures the winner of a search. While its latency is more than 1 % from the target, or above a hard limit, the LUT's
/// latencies are calibrated with what was measured and one more is selected and measured, up to five. The winner is the
/// measured one that keeps to the limit and is nearest to the target. If none keeps to the limit, it is the one that
/// exceeds it least, and its `within_limit` is false.
///
/// # Errors
/// As the selector's and the device's.
pub fn select_on_device<S: Selector>(
    first: S::Found,
    selector: &mut S,
    device: &mut dyn DeviceEvaluator<Error = S::Error>,
) -> Result<S::Found, S::Error> {
    let mut tried: Vec<S::Found> = Vec::new();
    let mut next = first;
    loop {
        let Some(arch) = next.arch().cloned() else { return Ok(next) };
        let measured = device.measure(&arch)?;
        let mut selections = tried.last_mut().map_or_else(Vec::new, |last| last.latency().selections.clone());
        let latency = next.latency();
        let ms = measured.latency_ms;
        let (excess, miss) = (latency.excess(ms), latency.miss(ms));
        latency.within_limit = latency.limit_ms.map(|_| excess == 0.0);
        latency.measured = Some(measured.clone());
        if let Some(estimated_ms) = latency.estimated_ms {
            selections.push(Selection { factor: latency.factor, arch, estimated_ms, measured });
        }
        latency.selections = selections;
        let ratios = latency.selections.iter().map(Selection::ratio);
        // Where a limit was exceeded, the slowest ratio seen keeps the next one away from it.
        let factor = if excess > 0.0 { ratios.reduce(f64::max) } else { expected_ratio(&latency.selections) };
        selector.keep(&next)?;
        tried.push(next);
        let enough = miss <= TOLERANCE && excess == 0.0 || tried.len() == MOST;
        let Some(factor) = factor.filter(|_| !enough) else { break };
        next = selector.select(factor)?;
        // Nothing else is left to select.
        if next.arch().is_none_or(|arch| tried.iter().any(|found| found.arch() == Some(arch))) {
            break;
        }
    }
    best_measured(tried, selector)
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

/// The best of those that were measured, kept as the winner with the record of all.
fn best_measured<S: Selector>(mut tried: Vec<S::Found>, selector: &mut S) -> Result<S::Found, S::Error> {
    let selections = tried.last_mut().map_or_else(Vec::new, |last| last.latency().selections.clone());
    let badness = |found: &mut S::Found| {
        let latency = found.latency();
        let ms = latency.measured.as_ref().map_or(f64::INFINITY, |m| m.latency_ms);
        [latency.excess(ms), latency.miss(ms)]
    };
    let mut best = 0;
    for i in 1..tried.len() {
        if badness(&mut tried[i]) < badness(&mut tried[best]) {
            best = i;
        }
    }
    let is_last = best + 1 == tried.len();
    let mut best = tried.swap_remove(best);
    if !is_last {
        // The same selection again, so that everything in the run folder is of the winner.
        selector.select(best.latency().factor)?;
    }
    best.latency().selections = selections;
    best.latency().is_final = true;
    selector.keep(&best)?;
    Ok(best)
}
