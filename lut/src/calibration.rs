//! From the sum of a network's layers to the network, and how sure that is.

use nasprof_profiler::statistics::{mean, standard_deviation, student_t_95};
use serde::{Deserialize, Serialize};

use crate::Anchor;

/// Fewest anchors for a calibration.
const MIN_ANCHORS: usize = 4;
/// The level is known from one session only: the wander from process to process seen on ordinary machines
/// (design figure: -4 to +7 %) is assumed.
const UNKNOWN_LEVEL: f64 = 0.07;

/// `latency = scale * sum of layers`, fitted to anchors measured in the same sessions. One factor and not a line:
/// a constant is not told apart from the factor over the range of a space, and one parameter extrapolates better.
/// The timer between layers is part of every entry, so the factor also takes its cost out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The factor.
    pub scale: f64,
    /// Root mean square of the relative errors when each anchor is predicted from the others.
    pub leave_one_out: f64,
    /// Anchors used.
    pub anchors: usize,
    /// Relative half-width, 95 %, for the ratio of one network to another.
    pub shape_half_width: f64,
    /// Relative half-width, 95 %, for the level of a session not measured yet.
    pub level_half_width: f64,
}

impl Calibration {
    /// Fits the factor; `None` with fewer than four anchors.
    #[must_use]
    pub fn fit(anchors: &[Anchor]) -> Option<Self> {
        let ratios: Vec<f64> = anchors.iter().filter_map(|a| Some((mean(&a.sessions_ns)? / a.sum_ns).ln())).collect();
        let n = ratios.len();
        if n < MIN_ANCHORS {
            return None;
        }
        let center = mean(&ratios)?;
        // Leaving one out moves the mean of the others away by 1 / (n - 1) of its own distance.
        let left_out: Vec<f64> = ratios.iter().map(|r| (r - center) * n as f64 / (n - 1) as f64).collect();
        let leave_one_out = mean(&left_out.iter().map(|e| e * e).collect::<Vec<_>>())?.sqrt();
        let shape_half_width = student_t_95(n - 1) * standard_deviation(&ratios)? * (1.0 + 1.0 / n as f64).sqrt();
        let sessions = anchors.first()?.sessions_ns.len();
        let level =
            |s: usize| mean(&anchors.iter().filter_map(|a| Some(a.sessions_ns.get(s)?.ln())).collect::<Vec<_>>());
        let levels: Vec<f64> = (0..sessions).filter_map(level).collect();
        let level_half_width = standard_deviation(&levels)
            .map_or(UNKNOWN_LEVEL, |sd| student_t_95(levels.len() - 1) * sd * (1.0 + 1.0 / levels.len() as f64).sqrt());
        Some(Self { scale: center.exp(), leave_one_out, anchors: n, shape_half_width, level_half_width })
    }
}

/// Measured over estimated, on the anchors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The common factor.
    pub level: f64,
    /// Its 95 % interval: does it hold for other networks of the space in the same process?
    pub interval: [f64; 2],
}

impl Level {
    /// The level from the ratios of anchors, measured over estimated.
    #[must_use]
    pub fn of(ratios: &[f64]) -> Option<Self> {
        let logs: Vec<f64> = ratios.iter().map(|r| r.ln()).collect();
        let center = mean(&logs)?;
        let half = student_t_95(logs.len() - 1) * standard_deviation(&logs)? / (logs.len() as f64).sqrt();
        Some(Self { level: center.exp(), interval: [(center - half).exp(), (center + half).exp()] })
    }
}
