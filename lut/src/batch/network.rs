//! The data of a network that need no graph.

/// The sum of a network's layers, and its counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct SumAndCounts {
    /// Calibrated milliseconds, before the size effect.
    pub(super) sum_ms: f64,
    /// Trainable parameters.
    pub(super) params: u64,
    /// Multiply-accumulates.
    pub(super) macs: u64,
}
