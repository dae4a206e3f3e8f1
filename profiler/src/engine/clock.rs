//! The clock that budgets are kept by: real time, or the virtual time of a device that simulates.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A clock that all parts of a measurement share. It shows real time until virtual time passes, then only that: a simulated
/// hour takes a moment.
#[derive(Debug, Clone)]
pub struct Clock {
    begun: Instant,
    /// Virtual nanoseconds; 0 with a real device.
    passed: Arc<AtomicU64>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), passed: Arc::default() }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Instant {
        match self.passed.load(Ordering::Relaxed) {
            0 => Instant::now(),
            passed => self.begun + Duration::from_nanos(passed),
        }
    }

    /// Lets virtual time pass.
    pub(super) fn pass(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let later = |passed: u64| Some(passed.saturating_add(ns).min(MOST_NS));
        let _ = self.passed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }

    /// Begins again.
    pub(super) fn rewind(&self) {
        self.passed.store(0, Ordering::Relaxed);
    }
}

/// A century: a device may report any times, and a sum with an [`Instant`] must not overflow.
const MOST_NS: u64 = 3_000_000_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_replaces_real_time_for_all_who_share_the_clock() {
        let clock = Clock::new();
        let shared = clock.clone();
        let before = clock.now();
        assert!(before.elapsed() < Duration::from_secs(600));
        clock.pass(Duration::from_secs(3600));
        assert_eq!(shared.now(), clock.begun + Duration::from_secs(3600));
        clock.pass(Duration::MAX);
        clock.pass(Duration::MAX);
        assert!(shared.now() > clock.begun + Duration::from_secs(3600));
        shared.rewind();
        assert!(clock.now() < clock.begun + Duration::from_secs(600));
    }
}
