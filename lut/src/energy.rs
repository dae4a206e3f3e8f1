//! Energy of a layer or a network.

use nasprof_profiler::protocol::Energy as Counted;
use nasprof_profiler::statistics::median;
use serde::{Deserialize, Serialize};

/// Energy of one call, in millijoules: all that the meter counts, idle power included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {
    /// Median of the windows.
    pub energy_mj: f64,
    /// The smallest window. Five windows in a row are no confidence interval.
    pub energy_low_mj: f64,
    /// The largest window.
    pub energy_high_mj: f64,
    /// Part of it that idling for as long would have taken.
    pub energy_idle_mj: f64,
    /// What the meter can tell apart, per call.
    pub energy_resolution_mj: f64,
    /// What was counted and how.
    pub energy_method: String,
}

impl Energy {
    /// From what was counted; nothing where a window holds no positive number, which is no energy of zero.
    #[must_use]
    pub(crate) fn of(counted: &Counted) -> Option<Self> {
        let per_call = counted.windows.iter().map(|w| w.microjoules / w.calls as f64 / 1e3).collect::<Vec<_>>();
        let time_ns = counted.windows.iter().map(|w| w.nanoseconds as f64 / w.calls as f64).collect::<Vec<_>>();
        let sound = |v: &f64| v.is_finite() && *v > 0.0;
        let figures = [counted.idle_milliwatts, counted.resolution_microjoules];
        if !per_call.iter().chain(&time_ns).all(sound) || !figures.iter().all(|v| v.is_finite() && *v >= 0.0) {
            return None;
        }
        Some(Self {
            energy_mj: median(&per_call)?,
            energy_low_mj: per_call.iter().copied().reduce(f64::min)?,
            energy_high_mj: per_call.iter().copied().reduce(f64::max)?,
            energy_idle_mj: counted.idle_milliwatts * median(&time_ns)? / 1e9,
            energy_resolution_mj: counted.resolution_microjoules / 1e3,
            energy_method: counted.method.clone(),
        })
    }
}
