//! The size of a network, and a factor that depends on it.

use serde::{Deserialize, Serialize};

use crate::cost::StaticCost;

/// Trainable parameters, multiply-accumulates, bytes that layers write, number of layers.
pub const SIZES: usize = 4;

/// The sizes of a network, in the order of [`SIZES`].
#[must_use]
pub fn sizes(cost: StaticCost, layers: usize) -> [f64; SIZES] {
    [cost.params as f64, cost.macs as f64, cost.bytes_written as f64, layers as f64]
}

/// The effect of one size on the factor, both as logarithms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slope {
    /// Change of the factor's logarithm per change of the size's logarithm.
    pub slope: f64,
    /// Mean logarithm of the size in the networks to which the slope was fitted.
    pub usual: f64,
    /// Their smallest logarithm; a smaller one counts as this.
    pub low: f64,
    /// Their largest logarithm; a larger one counts as this.
    pub high: f64,
}

/// Logarithm of the factor for a network, from the logarithms of its sizes plus one, which are never infinite.
#[must_use]
pub fn log_factor(slopes: &[Slope; SIZES], log_sizes: &[f64; SIZES]) -> f64 {
    slopes.iter().zip(log_sizes).map(|(s, size)| s.slope * (size.clamp(s.low, s.high) - s.usual)).sum()
}

/// The factor for a network of these sizes.
#[must_use]
pub fn factor(slopes: &[Slope; SIZES], sizes: &[f64; SIZES]) -> f64 {
    log_factor(slopes, &sizes.map(f64::ln_1p)).exp()
}
