//! The largest values that a LUT may hold. A larger value was not measured: it is damage or a wrong unit, and sums of
//! such values overflow.

use nasprof_profiler::protocol::bounds;

/// Maximum nanoseconds of one call: the limit for an agent's reply.
pub const MAX_NS: f64 = bounds::MAX_NS as f64;
/// Maximum millijoules of one call.
pub const MAX_MJ: f64 = 1e15;
/// Most watts.
pub const MAX_W: f64 = 1e9;
/// Largest count or number of bytes: up to this value, every reader of CSV, JSON and Parquet holds whole numbers
/// exactly.
pub const MAX_COUNT: u64 = 1 << 53;
/// Largest factor between times, and the inverse of the smallest.
pub const MAX_FACTOR: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_may_reply_fits_a_row() {
        let whole = [bounds::MAX_NS, bounds::MAX_BYTES, bounds::MAX_COUNT].map(|most| (most as f64, MAX_COUNT as f64));
        // Rows have millijoules, replies microjoules.
        for (reply, row) in whole.into_iter().chain([(bounds::MAX_VALUE / 1e3, MAX_MJ)]) {
            assert!(reply <= row, "{reply} {row}");
        }
    }
}
