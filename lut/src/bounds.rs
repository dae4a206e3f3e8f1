//! The largest values that a LUT may hold. A value beyond them was not measured: it is damage or a mistake in a unit, and sums
//! of such values overflow.

/// Most nanoseconds of one call: 11 days.
pub const MAX_NS: f64 = 1e15;
/// Most millijoules of one call.
pub const MAX_MJ: f64 = 1e15;
/// Largest count, or number of bytes: up to here, every reader of CSV, JSON and Parquet holds whole numbers
/// exactly.
pub const MAX_COUNT: u64 = 1 << 53;
/// Most that a factor between times can be, and the inverse of the least.
pub const MAX_FACTOR: f64 = 1e6;
