//! The largest numbers that an agent may reply. Larger ones are no measurement, and would not survive the way into a LUT: its
//! columns hold signed 64-bit integers, and statistics are made in floating point, which is exact up to 2^53 only.

/// Nanoseconds of any one time: eleven days. An agent that is silent for minutes is given up long before.
pub const MAX_NS: u64 = 1_000_000_000_000_000;

/// Nanoseconds that reading the clock may take: a slower clock times nothing.
pub const MAX_TIMER_NS: u64 = 1_000_000_000;

/// Bytes of memory: a pebibyte.
pub const MAX_BYTES: u64 = 1 << 50;

/// Things counted: context switches, page faults, calls.
pub const MAX_COUNT: u64 = 1 << 40;

/// Processors of a board.
pub const MAX_CORES: usize = 1 << 16;

/// Megahertz of a clock.
pub const MAX_MHZ: u32 = 1_000_000;

/// Size of a number with a fraction: probes, power, energy.
pub const MAX_VALUE: f64 = 1e15;

/// Percent of the processor time that a process uses: 100, and what counters that are not read in one moment with the clock add.
pub const MAX_PERCENT: f64 = 110.0;

/// Items of a list or object whose length the request does not say.
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
