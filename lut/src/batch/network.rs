//! The data of a network that need no graph.

use nasprof_graph::size::SIZES;

/// The sum of a network's layers, and its sizes ([`nasprof_graph::size::sizes`]).
#[derive(Debug, Clone, Copy)]
pub(super) struct SumAndSizes {
    /// Calibrated milliseconds, before the size effect.
    pub(super) sum_ms: f64,
    pub(super) sizes: [f64; SIZES],
}
