//! The time budget, split over the parts of a measurement before they begin.
//!
//! The budget ends when the LUT is written, so it includes everything: trials, process starts, loading, warm-ups, sizing,
//! rounds, and the anchor-only sessions, which determine the level. A budget that is surely too small is refused: before the trials if
//! no device could keep it, else after them.

use std::time::Instant;

use super::EngineError;
use super::device_session::WARM_UP_MIN_NS;
use super::sizing::{network_visit_runs, warm_up_runs};

/// Anchor-only sessions after the sessions of all layers. The level's variation between processes shows only across several
/// processes: with two, the level's interval is six times as wide as with five.
pub(super) const LEVEL_SESSIONS: u32 = 3;
/// Rounds of such a session. Ten anchors in two rounds determine a session's level to a fraction of its variation between
/// processes.
pub(super) const LEVEL_ROUNDS: u32 = 2;

/// Seconds for a process to start, be set up and pass the gate.
const START: f64 = 0.4;
/// Seconds after the last session, to compute and write the rows.
const END: f64 = 0.5;
/// Minimum number of rounds in all sessions together for a LUT with intervals.
const FEWEST_ROUNDS: u32 = 8;
/// Seconds to try one layer alone, at least.
const TRIAL: f64 = 0.01;
/// The same as usual, on a 2-core virtual machine.
const USUAL_TRIAL: f64 = 0.06;
/// Seconds of a network as usual: assumed only in what is said of a budget that is too short for any network.
const USUAL_NETWORK: f64 = 5e-3;
/// Seconds to build a network in a new process.
const BUILD: f64 = 0.01;
/// Runs of a network while it is loaded and sized.
const LOADING_RUNS: f64 = 6.0;
/// Share of the estimated least below which a budget is surely too short: the estimate is good to a factor of two.
pub(super) const SURELY: f64 = 0.5;

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
    /// The least that any device takes; its speed is unknown before it is tried.
    pub(super) fn unseen(keys: usize, sessions: u32, has_levels: bool) -> Self {
        let level_sessions = if has_levels { LEVEL_SESSIONS } else { 0 };
        Self { trials: TRIAL * keys as f64, loading: 0.0, round: 0.0, anchors: 1.0, sessions, level_sessions }
    }

    /// The same with the usual time of trials and of this number of networks.
    pub(super) fn usual(&self, networks: usize, keys: usize) -> Self {
        let mut usual = Self { trials: USUAL_TRIAL * keys as f64, anchors: 0.25, ..*self };
        usual.visit((0..networks).map(|_| USUAL_NETWORK));
        usual
    }

    /// Sets the costs of loading workloads and of a round of them, from the seconds of one run of each.
    pub(super) fn visit(&mut self, workloads: impl Iterator<Item = f64>) {
        (self.loading, self.round) = (0.0, 0.0);
        for seconds in workloads {
            let ns = seconds * 1e9;
            self.loading += BUILD + LOADING_RUNS * seconds;
            self.round += seconds * f64::from(warm_up_runs(ns) + 2 * network_visit_runs(ns));
        }
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

/// Refuses a budget with less than `least` seconds left; `needed` is what a useful measurement takes, roughly.
///
/// # Errors
/// If the budget is too small.
pub(super) fn check(deadline: Option<Instant>, now: Instant, least: f64, needed: f64) -> Result<(), EngineError> {
    let left = deadline.map_or(f64::INFINITY, |end| end.saturating_duration_since(now).as_secs_f64());
    if left >= least { Ok(()) } else { Err(EngineError::Budget { left, needed }) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn costs() -> Costs {
        Costs { trials: 3.0, loading: 2.0, round: 2.0, anchors: 0.25, sessions: 2, level_sessions: 3 }
    }

    #[test]
    fn the_least_holds_every_part() {
        // Two sessions of 0.9 + 2 + 4 x 2, three of 0.9 + 0.25 x (2 + 1), trials and end.
        assert!((costs().least() - (3.0 + 2.0 * 10.9 + 3.0 * 1.65 + 0.5)).abs() < 1e-9, "{}", costs().least());
        // Control: without sessions for the level there is that much less.
        let without = Costs { level_sessions: 0, ..costs() };
        assert!((costs().least() - without.least() - 4.95).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_fit_is_refused_with_what_is_needed() {
        let now = Instant::now();
        let end = |seconds: f64| Some(now + Duration::from_secs_f64(seconds));
        let least = costs().least();
        let refused = check(end(15.0), now, SURELY * least, least).unwrap_err();
        assert!(
            matches!(refused, EngineError::Budget { left, needed } if left == 15.0 && needed == least),
            "{refused}"
        );
        // What it names is accepted, also if it is a third short of what the next trial finds.
        assert!(check(end(least), now, SURELY * 1.5 * least, 1.5 * least).is_ok());
        assert!(check(None, now, least, least).is_ok());
    }

    /// Two workloads of 5 and 100 ms: 5 runs to warm up and 2 pairs, or 2 and 2 pairs.
    #[test]
    fn a_round_is_the_runs_of_its_visits() {
        let mut costs = costs();
        costs.visit([5e-3, 0.1].into_iter());
        assert!((costs.round - (9.0 * 5e-3 + 6.0 * 0.1)).abs() < 1e-9, "{}", costs.round);
        assert!((costs.loading - (2.0 * BUILD + LOADING_RUNS * 0.105)).abs() < 1e-9, "{}", costs.loading);
        // What is said before the trials is more than what any device takes, and not many times as much.
        let floor = Costs::unseen(127, 2, true);
        let usual = floor.usual(45, 127).least();
        assert!(usual > 2.0 * floor.least() && usual < 6.0 * floor.least(), "{usual} {}", floor.least());
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
