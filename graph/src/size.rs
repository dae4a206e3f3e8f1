//! The size of a network, and a factor that depends on it.

use serde::{Deserialize, Serialize};

use crate::cost::StaticCost;

/// Trainable parameters, multiply-accumulates, bytes that layers write, number of layers.
pub const SIZES: usize = 4;

/// What a network's size is.
#[must_use]
pub fn sizes(cost: StaticCost, layers: usize) -> [f64; SIZES] {
    [cost.params as f64, cost.macs as f64, cost.bytes_written as f64, layers as f64]
}

/// What one size does, in logarithms: of the factor by that of the size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slope {
    /// Change of the factor's logarithm with the size's.
    pub slope: f64,
    /// The mean logarithm of the networks that the slope was fitted to.
    pub usual: f64,
    /// Their smallest: smaller networks count as this one.
    pub low: f64,
    /// Their largest.
    pub high: f64,
}

/// Logarithm of the factor for a network whose sizes have these logarithms (of one more, so that none is infinite).
#[must_use]
pub fn log_factor(slopes: &[Slope; SIZES], log_sizes: &[f64; SIZES]) -> f64 {
    slopes.iter().zip(log_sizes).map(|(s, size)| s.slope * (size.clamp(s.low, s.high) - s.usual)).sum()
}

/// The factor for a network of these sizes.
#[must_use]
pub fn factor(slopes: &[Slope; SIZES], sizes: &[f64; SIZES]) -> f64 {
    log_factor(slopes, &sizes.map(f64::ln_1p)).exp()
}
