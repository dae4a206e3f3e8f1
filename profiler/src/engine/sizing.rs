//! How many runs make a visit.

use crate::journal::Mode;
use crate::protocol::Visit;

/// A visit to a network lasts about this long.
const NETWORK_VISIT_NS: f64 = 20e6;
/// A visit to a single layer lasts about this long.
const LAYER_VISIT_NS: f64 = 5e6;
/// A timed batch of isolated calls lasts at least this long, or a thousand timer readings.
const MIN_BATCH_NS: f64 = 50e3;
/// Growth of a batch that is still too short.
const GROWTH: f64 = 1.618;
/// Batches tried before a timer that always reads zero is given up on.
pub(super) const MAX_TRIES: u32 = 100;

/// Pairs of runs, with and without timers, of a visit to a network whose run takes so long.
pub(super) fn network_visit_runs(run_ns: f64) -> u32 {
    runs(NETWORK_VISIT_NS, 2.0 * run_ns, 2.0, 8.0)
}

fn runs(budget_ns: f64, step_ns: f64, least: f64, most: f64) -> u32 {
    (budget_ns / step_ns.max(1.0)).ceil().clamp(least, most) as u32
}

/// What the first look at a unit says about later visits.
pub(super) enum Sizing {
    /// Runs a visit has.
    Runs(u32),
    /// The batch is too short: try this many calls.
    Grow(u32),
}

/// Judges a sizing visit that timed `repeat` calls.
pub(super) fn judge(mode: Mode, visit: &Visit, repeat: u32, timer_overhead_ns: u64) -> Sizing {
    let fastest = visit.whole.iter().filter_map(|r| r.ns.first()).min().copied().unwrap_or(0) as f64;
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
