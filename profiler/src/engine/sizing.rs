//! The number of runs in a visit.

use crate::journal::Mode;
use crate::protocol::Visit;

/// Approximate duration of a visit to a network. One pair of runs in a visit, instead of two or three, predicts new networks equally
/// well after the same number of rounds, but rows then need 18 rounds instead of 12: as much time.
const NETWORK_VISIT_NS: f64 = 20e6;
/// Approximate duration of the untimed runs before it.
const WARM_UP_NS: f64 = 60e6;
/// Approximate duration of a visit to a single layer.
const LAYER_VISIT_NS: f64 = 5e6;
/// Minimum duration of a timed batch of isolated calls; a thousand timer readings if that is longer.
const MIN_BATCH_NS: f64 = 50e3;
/// Growth factor of a batch that is still too short.
const GROWTH: f64 = 1.618;
/// Maximum number of batches tried with a timer that always reads zero.
pub(super) const MAX_TRIES: u32 = 100;

/// Untimed runs at the start of a visit. With 30 networks of 10 MB in turn on a Xeon with 2 MiB of L2, the second run was 27
/// % slower than the last, the fourth 2 to 4 % and the fifth 0.5 %; with 110 in turn, the fourth 6 % and the sixth 1 %.
/// Lines that come from memory stay in the last-level cache only from their second use on. A network with a long run loads
/// most of its data into the caches itself, so its visits begin with fewer untimed runs.
pub(super) fn warm_up_runs(run_ns: f64) -> u32 {
    runs(WARM_UP_NS, run_ns, 2.0, 5.0)
}

/// Untimed runs at the start of a visit to a processor with a queue, which has another one directly before each timed run.
pub(super) const QUEUED_WARM_UP_RUNS: u32 = 1;
/// Maximum runs of each kind in a visit to such a processor: there are five kinds.
const QUEUED_RUNS: u32 = 4;
/// One run of each is enough if the times of a sizing visit agree this well. On an H200 they agree to within 0.3 %; a LUT of the first
/// runs alone predicted networks as well as one of all four, to within 0.13 %.
const STEADY_WITHIN: f64 = 0.01;

/// Maximum runs of each kind in a visit to a processor with a queue, by a sizing visit to it. Who asks for the times of networks
/// themselves wants their quantiles as well, which need many runs.
pub(super) fn most_queued_runs(sizing: &Visit, own_times: bool) -> u32 {
    let times = || sizing.whole.iter().filter_map(|run| run.ns.first());
    let is_steady =
        times().min().zip(times().max()).is_some_and(|(&low, &high)| (high - low) as f64 <= STEADY_WITHIN * low as f64);
    if is_steady && !own_times { 1 } else { QUEUED_RUNS }
}

/// Number of pairs of runs, with and without timers, in a visit to a network whose run takes `run_ns`.
pub(super) fn network_visit_runs(run_ns: f64) -> u32 {
    runs(NETWORK_VISIT_NS, 2.0 * run_ns, 2.0, 8.0)
}

fn runs(budget_ns: f64, step_ns: f64, least: f64, most: f64) -> u32 {
    (budget_ns / step_ns.max(1.0)).ceil().clamp(least, most) as u32
}

/// The fastest timed run of a visit, nanoseconds.
pub(super) fn fastest_ns(visit: &Visit) -> f64 {
    visit.whole.iter().filter_map(|run| run.ns.first()).min().copied().unwrap_or(0) as f64
}

/// Result of a sizing visit.
pub(super) enum Sizing {
    /// Number of runs of a visit.
    Runs(u32),
    /// The batch is too short: try this many calls.
    Grow(u32),
}

/// Judges a sizing visit that timed `repeat` calls.
pub(super) fn judge(mode: Mode, visit: &Visit, repeat: u32, timer_overhead_ns: u64) -> Sizing {
    let fastest = fastest_ns(visit);
    match mode {
        Mode::InContext => Sizing::Runs(network_visit_runs(fastest)),
        Mode::Whole => Sizing::Runs(runs(NETWORK_VISIT_NS, fastest, 3.0, 8.0)),
        Mode::Isolated => {
            let wanted = MIN_BATCH_NS.max(1000.0 * timer_overhead_ns as f64);
            if fastest >= wanted {
                return Sizing::Runs(runs(LAYER_VISIT_NS, fastest, 5.0, 50.0));
            }
            let guess = f64::from(repeat) * if fastest > 0.0 { wanted / fastest } else { GROWTH };
            let grown = guess.min(f64::from(repeat) * 1000.0).max(f64::from(repeat) * GROWTH).ceil();
            Sizing::Grow(grown.min(1e9) as u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Run;

    #[test]
    fn one_run_is_enough_where_runs_agree() {
        let sizing = |ns: &[u64]| Visit {
            sequence: 0,
            workload: 0,
            layers: Vec::new(),
            whole: ns.iter().map(|&ns| Run { ns: vec![ns], switches: 0, faults: 0 }).collect(),
            queued: None,
            conditions: None,
        };
        let steady = sizing(&[537_952, 538_560, 539_232]);
        assert_eq!(most_queued_runs(&steady, false), 1);
        // Controls: for quantiles, on a GPU whose runs differ, and without any run.
        assert_eq!(most_queued_runs(&steady, true), QUEUED_RUNS);
        assert_eq!(most_queued_runs(&sizing(&[537_952, 538_560, 549_232]), false), QUEUED_RUNS);
        assert_eq!(most_queued_runs(&sizing(&[]), false), QUEUED_RUNS);
    }
}
