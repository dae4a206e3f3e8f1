//! Waiting with a limit.

use std::thread;
use std::time::{Duration, Instant};

/// How long to wait for a process that was killed.
pub const KILLED: Duration = Duration::from_secs(5);
/// Pause between two looks.
const STEP: Duration = Duration::from_millis(10);

/// Looks until `is_over` returns true, for `patience` at most. Returns whether it did.
///
/// For processes that were killed: one inside a driver that no longer answers does not end even by SIGKILL, so waiting for
/// it may take forever.
pub fn is_over_within(patience: Duration, mut is_over: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if is_over() {
            return true;
        }
        if begun.elapsed() >= patience {
            return false;
        }
        thread::sleep(STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_ends_when_it_is_over_or_at_its_limit() {
        let mut looks = 0;
        let third = || {
            looks += 1;
            looks == 3
        };
        assert!(is_over_within(Duration::from_secs(3600), third));
        // A process that never ends. The control ends at the first look, without any patience.
        assert!(!is_over_within(Duration::from_millis(20), || false));
        assert!(is_over_within(Duration::ZERO, || true));
    }
}
