//! Reads the clock.

use std::time::Instant;

/// Nanoseconds since `start`.
pub fn nanoseconds(start: Instant) -> u64 {
    between(start, Instant::now())
}

/// Nanoseconds from one clock reading to a later one.
pub fn between(start: Instant, end: Instant) -> u64 {
    u64::try_from(end.duration_since(start).as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds to read the clock twice: the minimum of many tries, because disturbances only add time.
pub fn overhead_ns() -> u64 {
    (0..1000).map(|_| nanoseconds(Instant::now())).min().unwrap_or(0)
}
