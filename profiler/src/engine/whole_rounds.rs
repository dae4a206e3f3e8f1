//! The time of a whole network in the rounds of one process. The stop rule of sessions that time networks for themselves and
//! the interval that is shown both come from here, so a session ends when what is shown is narrow enough.

use nasprof_base::statistics::{median_interval, trimmed_mean};

use super::rounds::timed_samples;
use crate::protocol::{Timing, Visit};

/// Nominal confidence of the interval; the claimed one is 95 %, as the stop rule tests it several times.
const CONFIDENCE: f64 = 0.99;

/// Clean samples of a network (nanoseconds), by round.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct WholeRounds(Vec<Vec<f64>>);

impl WholeRounds {
    /// Adds a network's visit of one round. `repeat` is the number of calls in a timed run.
    pub fn add(&mut self, visit: &Visit, timing: Timing, repeat: u32) {
        let clean = timed_samples(visit, timing, repeat);
        if !clean.is_empty() {
            self.0.push(clean);
        }
    }

    /// The clean samples of each round that has some.
    #[must_use]
    pub fn rounds(&self) -> &[Vec<f64>] {
        &self.0
    }

    /// Trimmed mean of all clean samples, nanoseconds; `None` without any.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        trimmed_mean(&self.0.concat())
    }

    /// Interval around the median of the rounds, nanoseconds; `None` for fewer than eight rounds. No level is divided out: the
    /// network's own time is known no better than the machine is steady.
    #[must_use]
    pub fn interval(&self) -> Option<[f64; 2]> {
        let of_rounds: Vec<f64> = self.0.iter().filter_map(|clean| trimmed_mean(clean)).collect();
        median_interval(&of_rounds, CONFIDENCE).map(|(low, high)| [low, high])
    }

    /// Half of the interval's width, relative to the mean; `None` without an interval.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        let [low, high] = self.interval()?;
        Some((high - low) / 2.0 / self.mean()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{QueuedRuns, Run};

    fn run(ns: u64, switches: u64) -> Run {
        Run { ns: vec![ns], switches, faults: 0 }
    }

    fn visit(whole: Vec<Run>) -> Visit {
        Visit { sequence: 0, workload: 0, layers: Vec::new(), whole, queued: None, conditions: None }
    }

    /// Rounds of 100 to 107 ns: with eight, the interval at 99 % goes from the least to the most.
    #[test]
    fn the_width_is_that_of_rounds_as_they_were() {
        let mut rounds = WholeRounds::default();
        for i in 0..8 {
            assert_eq!(rounds.half_width(), None, "{i} rounds");
            rounds.add(&visit(vec![run(200 + 2 * i, 0), run(9_999, 1)]), Timing::Queue, 2);
        }
        assert_eq!(rounds.interval(), Some([100.0, 107.0]));
        assert!((rounds.half_width().unwrap() - 3.5 / rounds.mean().unwrap()).abs() < 1e-12);
        // A round without a clean run does not count.
        rounds.add(&visit(vec![run(900, 1)]), Timing::Queue, 2);
        assert_eq!(rounds.rounds().len(), 8);
    }

    #[test]
    fn each_latency_has_its_own_rounds() {
        let queued = QueuedRuns { wall: vec![run(300, 0)], ..QueuedRuns::default() };
        let visit = Visit { queued: Some(queued), ..visit(vec![run(100, 0)]) };
        let mean = |timing| {
            let mut rounds = WholeRounds::default();
            rounds.add(&visit, timing, 1);
            rounds.mean()
        };
        assert_eq!((mean(Timing::Queue), mean(Timing::Wall), mean(Timing::Graph)), (Some(100.0), Some(300.0), None));
    }
}
