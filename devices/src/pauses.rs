//! Pauses between attempts to reach a device, and the limit of their total time.

use std::time::{Duration, Instant};

/// First pause; each pause is twice as long as the one before, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// A clock: the real one, or a test's, which advances only during `sleep`.
pub(crate) trait Clock {
    /// Time since some moment.
    fn now(&self) -> Duration;
    /// Lets time pass.
    fn sleep(&self, time: Duration);
}

/// The real clock of this machine.
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Growing pauses, which all end before the patience is over.
pub(crate) struct Pauses {
    patience: Duration,
    since: Duration,
    pause: Duration,
}

impl Pauses {
    /// Pauses within `patience` from now on.
    pub(crate) fn within(patience: Duration, clock: &dyn Clock) -> Self {
        Self { patience, since: clock.now(), pause: FIRST }
    }

    /// Starts again with the first pause, after progress.
    pub(crate) fn restart(&mut self, clock: &dyn Clock) {
        *self = Self::within(self.patience, clock);
    }

    /// The next pause; `None` when the patience is over.
    pub(crate) fn next(&mut self, clock: &dyn Clock) -> Option<Duration> {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        (clock.now().saturating_sub(self.since) + pause <= self.patience).then_some(pause)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use super::*;

    /// Time that passes only when somebody sleeps.
    #[derive(Default)]
    pub(crate) struct MadeUp(Cell<Duration>);

    impl Clock for MadeUp {
        fn now(&self) -> Duration {
            self.0.get()
        }

        fn sleep(&self, time: Duration) {
            self.0.set(self.0.get() + time);
        }
    }

    #[test]
    fn pauses_grow_and_end_with_the_patience() {
        let clock = MadeUp::default();
        let mut pauses = Pauses::within(Duration::from_secs(100), &clock);
        let mut all = Vec::new();
        while let Some(pause) = pauses.next(&clock) {
            all.push(pause.as_secs());
            clock.sleep(pause);
        }
        assert_eq!(all, [1, 2, 4, 8, 16, 30, 30]);
        assert!(clock.now() <= Duration::from_secs(100));
        pauses.restart(&clock);
        assert_eq!(pauses.next(&clock), Some(FIRST));
        assert_eq!(Pauses::within(Duration::ZERO, &clock).next(&clock), None);
    }
}
