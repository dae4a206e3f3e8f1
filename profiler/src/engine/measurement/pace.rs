//! The measured speed of a session.

use std::time::Instant;

use super::super::budget::Costs;
use super::super::clock::Clock;
use super::super::session_plan::Progress;

/// Durations of a session's parts, taken from its progress messages.
pub(super) struct Pace {
    clock: Clock,
    begun: Instant,
    warm: Option<Instant>,
    sized: Option<Instant>,
    rounds: Option<(Instant, u32)>,
}

impl Pace {
    pub(super) fn new(clock: Clock) -> Self {
        Self { begun: clock.now(), clock, warm: None, sized: None, rounds: None }
    }

    pub(super) fn see(&mut self, progress: &Progress) {
        let now = self.clock.now();
        match progress {
            Progress::WarmingUp => self.warm = Some(now),
            Progress::Visit { round: 1, done: 1, .. } => self.sized = Some(now),
            Progress::Round(round, ..) => self.rounds = Some((now, *round)),
            _ => {}
        }
    }

    /// Replaces estimated costs by the session's durations. A replayed session has none and changes nothing.
    pub(super) fn correct(&self, costs: &mut Costs) {
        if let (Some(warm), Some(sized), Some((end, rounds))) = (self.warm, self.sized, self.rounds) {
            costs.loading = warm.saturating_duration_since(self.begun).as_secs_f64();
            costs.round = end.saturating_duration_since(sized).as_secs_f64() / f64::from(rounds.max(1));
        }
    }
}
