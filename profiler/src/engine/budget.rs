//! The time budget, split over the parts of a measurement before they begin.
//!
//! The budget ends when the LUT is written, so it includes everything: trials, process starts, loading, warm-ups, sizing,
//! rounds, and the anchor-only sessions, which determine the level. A budget that is too small is refused at the start.

use std::time::{Duration, Instant};

use super::EngineError;
use super::device_session::WARM_UP_MIN_NS;

/// Anchor-only sessions after the sessions of all layers. The level's variation between processes shows only across several
/// processes: with two, the level's interval is six times as wide as with five.
pub(super) const LEVEL_SESSIONS: u32 = 3;
/// Rounds of such a session. Ten anchors in four rounds determine a session's level to a fraction of its variation between
/// processes.
pub(super) const LEVEL_ROUNDS: u32 = 4;

/// Seconds for a process to start, be set up and pass the gate.
const START: f64 = 0.4;
/// Seconds for the command itself to start and reach the device.
const COMMAND: f64 = 1.0;
/// Seconds after the last session, to compute and write the rows.
const END: f64 = 0.5;
/// Minimum number of rounds in all sessions together for a LUT with intervals.
const FEWEST_ROUNDS: u32 = 8;
/// Assumed seconds to try one layer alone.
const TRIAL: f64 = 0.01;

/// The parts of a measurement, in seconds, for all workloads of a session together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Costs {
    /// All trials.
    pub(super) trials: f64,
    /// Loading and sizing the workloads of a session.
    pub(super) loading: f64,
    /// A round of a session.
    pub(super) round: f64,
    /// Share of the workloads that are anchors.
    pub(super) anchors: f64,
    /// Number of sessions that time layers.
    pub(super) sessions: u32,
    /// Number of anchor-only sessions.
    pub(super) level_sessions: u32,
}

impl Costs {
    /// The costs before the device is contacted, when its speed is unknown.
    pub(super) fn unseen(keys: usize, sessions: u32, has_levels: bool) -> Self {
        let level_sessions = if has_levels { LEVEL_SESSIONS } else { 0 };
        Self { trials: TRIAL * keys as f64, loading: 0.0, round: 0.0, anchors: 1.0, sessions, level_sessions }
    }

    fn start() -> f64 {
        START + WARM_UP_MIN_NS as f64 / 1e9
    }

    /// Seconds of a session that times layers, with this many rounds.
    fn session(&self, rounds: u32) -> f64 {
        Self::start() + self.loading + f64::from(rounds) * self.round
    }

    /// Seconds of all anchor-only sessions, with this many rounds each. They run without layer timers, so half as many runs.
    pub(super) fn levels(&self, rounds: u32) -> f64 {
        let own = Self::start() + self.anchors * (self.loading + 0.5 * f64::from(rounds) * self.round);
        f64::from(self.level_sessions) * own
    }

    /// Minimum seconds for a LUT with intervals.
    pub(super) fn least(&self) -> f64 {
        let rounds = FEWEST_ROUNDS.div_ceil(self.sessions.max(1));
        self.trials + f64::from(self.sessions) * self.session(rounds) + self.levels(1) + END
    }

    /// Seconds for the next session if `sessions` sessions remain and `left` seconds remain for all.
    pub(super) fn share(&self, left: f64, sessions: u32) -> f64 {
        (left - self.levels(LEVEL_ROUNDS).min(0.4 * left) - END).max(0.0) / f64::from(sessions.max(1))
    }
}

/// Refuses a budget that is too small for a useful measurement.
///
/// # Errors
/// If the budget is too small; the error states the minimum, counted from the command's start.
pub(super) fn check(deadline: Option<Instant>, costs: &Costs, spent: Duration) -> Result<(), EngineError> {
    let Some(deadline) = deadline else { return Ok(()) };
    let (left, least) = (deadline.saturating_duration_since(Instant::now()), costs.least());
    if left.as_secs_f64() >= least {
        return Ok(());
    }
    let needed = (COMMAND + spent.as_secs_f64() + least).ceil();
    Err(EngineError::Budget { asked: (left + spent).as_secs_f64().round(), needed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs() -> Costs {
        Costs { trials: 3.0, loading: 2.0, round: 2.0, anchors: 0.25, sessions: 2, level_sessions: 3 }
    }

    #[test]
    fn the_least_holds_every_part() {
        // Two sessions of 2.4 + 2 + 4 x 2, three of 2.4 + 0.25 x (2 + 1), trials and end.
        assert!((costs().least() - (3.0 + 2.0 * 12.4 + 3.0 * 3.15 + 0.5)).abs() < 1e-9, "{}", costs().least());
        // Control: without sessions for the level there is that much less.
        let without = Costs { level_sessions: 0, ..costs() };
        assert!((costs().least() - without.least() - 9.45).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_fit_is_refused_with_what_is_needed() {
        let end = |seconds: f64| Some(Instant::now() + Duration::from_secs_f64(seconds));
        let spent = Duration::from_secs(2);
        let refused = check(end(15.0), &costs(), spent).unwrap_err();
        assert!(
            matches!(refused, EngineError::Budget { asked, needed } if asked == 17.0 && needed == 41.0),
            "{refused}"
        );
        assert!(check(end(40.0), &costs(), spent).is_ok() && check(None, &costs(), spent).is_ok());
    }

    #[test]
    fn the_sum_of_all_parts_is_the_budget() {
        let (budget, costs) = (60.0, costs());
        let left = budget - costs.trials;
        let first = costs.share(left, 2);
        let second = costs.share(left - first, 1);
        assert!((first - second).abs() < 1e-9, "sessions are alike");
        let all = costs.trials + first + second + costs.levels(LEVEL_ROUNDS) + END;
        assert!((all - budget).abs() < 1e-9, "{all}");
        // Where levels would take more than two fifths, they have fewer rounds.
        assert!(costs.share(20.0, 1) > 0.5 * 20.0);
    }
}
