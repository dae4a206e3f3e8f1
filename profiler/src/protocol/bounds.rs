//! The largest numbers that an agent may reply. Larger numbers cannot be measurements. They would also overflow in a LUT:
//! its columns hold signed 64-bit integers, and statistics use floating point, which is exact only up to 2^53.

/// Nanoseconds of a single time: eleven days. The host gives up a silent agent after minutes.
pub const MAX_NS: u64 = 1_000_000_000_000_000;

/// Nanoseconds to read the clock. A slower clock cannot time anything.
pub const MAX_TIMER_NS: u64 = 1_000_000_000;

/// Bytes of memory: a pebibyte.
pub const MAX_BYTES: u64 = 1 << 50;

/// Counts of context switches, page faults and calls.
pub const MAX_COUNT: u64 = 1 << 40;

/// Processors of a board.
pub const MAX_CORES: usize = 1 << 16;

/// Megahertz of a clock.
pub const MAX_MHZ: u32 = 1_000_000;

/// Absolute value of probes, power and energy, which may have fractions.
pub const MAX_VALUE: f64 = 1e15;

/// Percent of the processor time that a process uses. Values above 100 are possible because the counters and the clock are
/// read one after the other.
pub const MAX_PERCENT: f64 = 110.0;

/// Items of a list or object whose length does not follow from the request.
pub const MAX_ITEMS: usize = 10_000;

/// Bytes of a text.
pub const MAX_TEXT_BYTES: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_exact_in_floating_point_and_fits_a_column_with_room_for_sums() {
        for most in [MAX_NS, MAX_TIMER_NS, MAX_BYTES, MAX_COUNT, u64::from(MAX_MHZ), MAX_VALUE as u64] {
            assert!(most <= 1 << 53, "{most}");
            assert_eq!(most as f64 as u64, most);
            // A network of a thousand such layers can still be added up.
            assert!(most.checked_mul(1000).is_some_and(|sum| i64::try_from(sum).is_ok()), "{most}");
        }
        // A control: the largest count that a file can hold is none.
        assert!(i64::MAX as u64 > 1 << 53);
    }
}
