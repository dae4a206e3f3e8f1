//! The latency of a winner, and all networks that were measured to find it.

use nasprof_base::statistics::{mean, mean_interval};
use nasprof_graph::arch::ArchFile;
use nasprof_profiler::protocol::Timing;
use serde::{Deserialize, Serialize};

use crate::config::{Plan, Quantity, RegularizerKind};

/// Maximum relative distance of a winner from its target; beyond it another winner is selected.
pub const TOLERANCE: f64 = 0.01;

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
    /// Further processes that were disturbed and do not count: they ran the LUT's anchors more than 10 % slower than the median process.
    #[serde(default, skip_serializing_if = "is_none_disturbed")]
    pub disturbed_processes: usize,
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

fn is_none_disturbed(count: &usize) -> bool {
    *count == 0
}

impl Measured {
    /// This measurement and another one of the same network as one: the mean over the processes of both, with Student's 95 % interval.
    #[must_use]
    pub(super) fn pooled(self, other: Self) -> Self {
        let counts = [self.processes_ms.len() as f64, other.processes_ms.len() as f64];
        let processes_ms = [self.processes_ms, other.processes_ms].concat();
        let Some(latency_ms) = mean(&processes_ms) else { return Self { processes_ms, ..other } };
        let level = self
            .level
            .zip(other.level)
            .map(|(own, others)| ((counts[0] * own.ln() + counts[1] * others.ln()) / (counts[0] + counts[1])).exp());
        Self {
            latency_ms,
            ci_ms: mean_interval(&processes_ms),
            processes_ms,
            disturbed_processes: self.disturbed_processes + other.disturbed_processes,
            level,
            device: other.device,
            timing: other.timing,
            allow_noisy: self.allow_noisy || other.allow_noisy,
        }
    }
}

impl Selection {
    /// Ratio of measured to estimated latency.
    pub(super) fn ratio(&self) -> f64 {
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
    pub(super) fn take(&mut self, arch: ArchFile, measured: Measured) -> Option<Selection> {
        self.within_limit = self.limit_ms.map(|_| self.excess(measured.latency_ms) == 0.0);
        self.measured = Some(measured.clone());
        Some(Selection { factor: self.factor, arch, estimated_ms: self.estimated_ms?, measured })
    }

    /// The relative excess of a latency over the hard bound.
    pub(super) fn excess(&self, latency_ms: f64) -> f64 {
        self.limit_ms.map_or(0.0, |limit| (latency_ms / limit - 1.0).max(0.0))
    }

    /// Whether a measurement shows that the target is missed: it is off by more than the tolerance, and its interval, if known,
    /// excludes the target. Otherwise noise would select another network.
    pub(super) fn is_missed(&self, measured: &Measured) -> bool {
        self.miss(measured.latency_ms) > TOLERANCE && !self.is_inconclusive(measured)
    }

    /// Whether a measurement cannot tell if the target is met: it is off by more than the tolerance, but the target is within its
    /// interval.
    #[must_use]
    pub fn is_inconclusive(&self, measured: &Measured) -> bool {
        let (Some(target), Some([low, high])) = (self.target_ms, measured.ci_ms) else { return false };
        self.miss(measured.latency_ms) > TOLERANCE && (low..=high).contains(&target)
    }

    /// The relative distance of a latency from the target.
    pub(super) fn miss(&self, latency_ms: f64) -> f64 {
        self.target_ms.map_or(0.0, |target| (latency_ms / target - 1.0).abs())
    }
}
