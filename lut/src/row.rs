//! One row of a LUT.

use nasprof_graph::LayerKey;
use nasprof_profiler::journal::Mode;
use serde::{Deserialize, Serialize};

use crate::{Energy, ReusePoint};

/// A caveat of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The interval is wider than 3 %, or unknown.
    NotConverged,
    /// The layer's share of its networks drifted during a session: the interval is the observed range, not a confidence
    /// interval.
    Drift,
    /// Fewer than half of the samples were free of context switches.
    Preempted,
    /// The layer's share was not constant during a session: its halves, or stretches of it, differ.
    Nonstationary,
    /// The warm-up never became steady.
    Unsettled,
    /// The layer's share differs by more than 5 % between sessions.
    Inconsistent,
    /// The machine failed the gate and was measured anyway, or was throttled, or its locked clocks moved.
    Noisy,
    /// A session ended early: the device was slowed down, and ten minutes of pauses did not help.
    Throttled,
    /// More than a tenth of the runs had page faults inside.
    PageFaults,
    /// Taken from another program's table: its measuring method is unknown.
    Imported,
    /// An imported value is implausible; the import reported the reason.
    Suspicious,
}

impl Flag {
    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotConverged => "not_converged",
            Self::Drift => "drift",
            Self::Preempted => "preempted",
            Self::Nonstationary => "nonstationary",
            Self::Unsettled => "unsettled",
            Self::Inconsistent => "inconsistent",
            Self::Noisy => "noisy",
            Self::Throttled => "throttled",
            Self::PageFaults => "page_faults",
            Self::Imported => "imported",
            Self::Suspicious => "suspicious",
        }
    }
}

/// The measured times of a layer, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Trimmed mean of the clean samples at each occurrence, averaged over occurrences and sessions; what estimates use.
    pub mean_ns: f64,
    /// Median of the round values. This and the quantiles are absent where another program's table has none.
    pub median_ns: Option<f64>,
    /// Fastest clean sample.
    pub min_ns: Option<f64>,
    /// Quantiles of the clean samples.
    pub p10_ns: Option<f64>,
    /// 25 %.
    pub p25_ns: Option<f64>,
    /// 75 %.
    pub p75_ns: Option<f64>,
    /// 90 %.
    pub p90_ns: Option<f64>,
    /// Median absolute deviation of the clean samples.
    pub mad_ns: Option<f64>,
    /// Interval around the median of round values, claimed as 95 % only without the flag `drift`. It describes the
    /// layer's shape, its share of a network: the level that all layers have in common is divided out. It includes the
    /// differences between rounds, between sessions and, in context, between the networks of the space. Absent below
    /// eight rounds.
    pub ci_low_ns: Option<f64>,
    /// Its upper end.
    pub ci_high_ns: Option<f64>,
    /// Occurrences (network and position) at which it was timed.
    #[serde(rename = "n_places")]
    pub n_occurrences: u64,
    /// Visits.
    pub n_visits: u64,
    /// Clean samples.
    pub n_samples: u64,
    /// Samples dropped because of a context switch.
    pub n_dropped: u64,
    /// Value of each session.
    pub sessions_ns: Vec<f64>,
    /// The occurrences by reuse distance, the nearest first; empty for a layer timed alone.
    pub reuse: Vec<ReusePoint>,
}

impl Times {
    /// Widens the interval by an independent relative error.
    pub(crate) fn widen(&mut self, half_width: f64) {
        let Some(center) = self.median_ns else { return };
        let wider = |end: f64| (end / center).ln().hypot(half_width);
        self.ci_low_ns = self.ci_low_ns.map(|low| center * (-wider(low)).exp());
        self.ci_high_ns = self.ci_high_ns.map(|high| center * wider(high).exp());
    }

    /// Relative half-width of the interval; `None` if it is unknown.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        let (low, high) = (self.ci_low_ns?, self.ci_high_ns?);
        (low > 0.0).then(|| 0.5 * (high / low).ln())
    }

    /// Largest over smallest session, minus one, their levels included; `None` with one session.
    #[must_use]
    pub fn between(&self) -> Option<f64> {
        let low = self.sessions_ns.iter().copied().reduce(f64::min)?;
        let high = self.sessions_ns.iter().copied().reduce(f64::max)?;
        (self.sessions_ns.len() > 1 && low > 0.0).then(|| high / low - 1.0)
    }
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its key.
    pub key: LayerKey,
    /// Operation.
    pub op: String,
    /// Attributes that change the cost.
    pub attributes: String,
    /// Input shapes without the batch, `CxHxW` separated by commas.
    pub input_shapes: String,
    /// How it was timed.
    pub mode: Mode,
    /// Its times; absent if it failed or has no clean sample.
    pub times: Option<Times>,
    /// Why it has no times. A failure is never 0 ms.
    pub error: Option<String>,
    /// Its caveats.
    pub flags: Vec<Flag>,
    /// Trainable parameters.
    pub params: u64,
    /// Multiply-accumulates at the LUT's batch size.
    pub macs: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// Measured peak memory of the layer alone above its operands and parameters, bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes that the runtime keeps for the layer between runs, as its allocator counts them: parameters, buffers and
    /// its own objects.
    #[serde(default)]
    pub stored_bytes: Option<u64>,
    /// The processor's time to launch the layer on a device with a queue, nanoseconds; absent elsewhere.
    #[serde(default)]
    pub launch_ns: Option<f64>,
    /// First call in a fresh process, nanoseconds.
    pub first_call_ns: Option<u64>,
    /// Energy of the layer alone, called again and again; absent where it was not measured or does not show.
    #[serde(default)]
    pub energy: Option<Energy>,
}
