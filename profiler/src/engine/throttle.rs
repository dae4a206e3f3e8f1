//! Throttled devices: which visits to discard, how long to pause, and when to end the session. Discarding by clock follows
//! NVIDIA's nvbench; the limits are in docs/cuda.md.

use std::time::Duration;

use nasprof_base::statistics::median;

use crate::protocol::{Probe, Probes, Visit};

/// A clock this far below the session's usual one is too slow.
const SLOW: f64 = 0.9;
/// Minimum number of clock readings before clocks are judged.
const MIN_CLOCKS: usize = 5;

/// Probes that report throttling since the previous reading.
const PROBES: [&str; 2] = ["gpu_throttle_reasons", "throttle_events"];
/// First and longest pause. A GPU recovers from a power limit in a moment; a board has to cool down.
const GPU_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];
const BOARD_PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(60)];
/// Growth factor of consecutive pauses.
const GROWTH: f64 = 1.5;
/// Maximum total pause of a session.
const PATIENCE: Duration = Duration::from_secs(600);

/// Judges visits by the device's own reports and tracks the pauses of a session.
pub(super) struct Throttle {
    clocks: Vec<f64>,
    pauses: [Duration; 2],
    next: Duration,
    paused: Duration,
}

impl Throttle {
    pub(super) fn new(backend: &str) -> Self {
        let pauses = if backend.starts_with("cuda") { GPU_PAUSES } else { BOARD_PAUSES };
        Self { clocks: Vec::new(), pauses, next: pauses[0], paused: Duration::ZERO }
    }

    /// The next pause; `None` if the total pause has reached its maximum. It depends only on observations, so a replay
    /// pauses and gives up at the same places.
    pub(super) fn pause(&mut self) -> Option<Duration> {
        if self.paused >= PATIENCE {
            return None;
        }
        let pause = self.next;
        self.paused += pause;
        self.next = pause.mul_f64(GROWTH).min(self.pauses[1]);
        Some(pause)
    }

    /// The device runs at its usual speed again.
    pub(super) fn recovered(&mut self) {
        self.next = self.pauses[0];
    }

    /// Whether the device reports, at the end of a round, that it was throttled during the round.
    pub(super) fn judge_round(probes: &Probes) -> bool {
        PROBES.iter().any(|name| matches!(probes.values.get(*name), Some(Probe::Bad(_))))
    }

    /// The reason to void a visit, if there is one.
    pub(super) fn judge(&mut self, visit: &Visit) -> Option<String> {
        let conditions = visit.conditions.as_ref()?;
        let usual = median(&self.clocks).filter(|_| self.clocks.len() >= MIN_CLOCKS);
        let clock = conditions.clock_mhz.map(f64::from);
        match (conditions.throttled.as_deref(), clock, usual) {
            (Some(reasons @ [_, ..]), _, _) => {
                let names: Vec<&str> = reasons.iter().map(|reason| reason.name()).collect();
                Some(format!("the device was throttled: {}", names.join(", ")))
            }
            (_, Some(clock), Some(usual)) if clock < SLOW * usual => {
                Some(format!("the device's clock was {clock} MHz instead of {usual} MHz"))
            }
            _ => {
                // A clock that is too slow never becomes the usual clock, however long it lasts.
                self.clocks.extend(clock);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Conditions, ThrottleReason};

    fn visit(clock_mhz: Option<u32>, throttled: Option<&[ThrottleReason]>) -> Visit {
        let throttled = throttled.map(<[ThrottleReason]>::to_vec);
        let conditions = Some(Conditions { clock_mhz, throttled });
        Visit { sequence: 0, workload: 0, layers: Vec::new(), whole: Vec::new(), queued: None, conditions }
    }

    #[test]
    fn reasons_and_low_clocks_void_and_the_usual_does_not() {
        let mut throttle = Throttle::new("torch");
        for _ in 0..10 {
            assert_eq!(throttle.judge(&visit(Some(1500), Some(&[]))), None);
        }
        assert_eq!(throttle.judge(&visit(Some(1400), Some(&[]))), None);
        assert!(throttle.judge(&visit(Some(1300), Some(&[]))).unwrap().contains("1300 MHz instead of 1500"));
        assert!(throttle.judge(&visit(Some(1500), Some(&[ThrottleReason::PowerCap]))).unwrap().contains("power cap"));
    }

    #[test]
    fn a_low_clock_that_lasts_does_not_become_the_usual_one() {
        let mut throttle = Throttle::new("cuda:0");
        (0..10).for_each(|_| drop(throttle.judge(&visit(Some(1500), None))));
        assert!((0..100).all(|_| throttle.judge(&visit(Some(1200), None)).is_some()));
    }

    #[test]
    fn pauses_grow_to_their_longest_and_end_after_ten_minutes() {
        for (backend, first, longest) in [("cuda:0", 50, 500), ("torch", 5_000, 60_000)] {
            let mut throttle = Throttle::new(backend);
            let mut all: Vec<u128> = std::iter::from_fn(|| throttle.pause()).map(|p| p.as_millis()).collect();
            assert_eq!((all[0], all[1], all.last()), (first, first * 3 / 2, Some(&longest)));
            let last = all.pop().unwrap();
            assert!(all.iter().sum::<u128>() < 600_000 && all.iter().sum::<u128>() + last >= 600_000);
            // Patience is one for the whole session; only the pauses begin anew.
            throttle.recovered();
            assert_eq!(throttle.pause(), None);
            let mut throttle = Throttle::new(backend);
            (0..8).for_each(|_| assert!(throttle.pause().is_some()));
            throttle.recovered();
            assert_eq!(throttle.pause().unwrap().as_millis(), first);
        }
    }

    #[test]
    fn only_throttling_counts_at_the_end_of_a_round() {
        let probes = |name: &str, probe| Probes { values: [(name.to_owned(), probe)].into(), busy: Vec::new() };
        assert!(Throttle::judge_round(&probes("throttle_events", Probe::Bad(2.0))));
        assert!(!Throttle::judge_round(&probes("throttle_events", Probe::Ok(0.0))));
        assert!(!Throttle::judge_round(&probes("pressure_percent", Probe::Bad(80.0))));
        assert!(!Throttle::judge_round(&probes("gpu_throttle_reasons", Probe::NotObservable)));
    }

    #[test]
    fn a_device_that_says_nothing_is_not_judged() {
        let mut throttle = Throttle::new("torch");
        assert_eq!(throttle.judge(&Visit { conditions: None, ..visit(None, None) }), None);
        assert_eq!(throttle.judge(&visit(None, None)), None);
        // The first clocks are no measure of the usual one yet.
        assert_eq!(throttle.judge(&visit(Some(1500), None)), None);
        assert_eq!(throttle.judge(&visit(Some(100), None)), None);
    }
}
