//! The gate: it waits while the machine is busy, then refuses to measure it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::EngineError;
use crate::protocol::{Device, Probe, Probes};

/// Interval between two looks at the machine.
const PAUSE: Duration = Duration::from_secs(2);
/// Interval of the checks whether the user wants to stop.
const LISTEN: Duration = Duration::from_millis(100);

/// How long to wait for a quiet machine, and what to do if it stays busy.
#[derive(Debug, Clone, Copy)]
pub struct Gate {
    /// Maximum wait.
    pub patience: Duration,
    /// Whether to measure a busy machine anyway.
    pub allow_noisy: bool,
}

/// The probes outside their limits, as `name value`.
#[must_use]
pub fn bad_probes(probes: &Probes) -> Vec<String> {
    probes
        .values
        .iter()
        .filter_map(|(name, probe)| match probe {
            Probe::Bad(value) => Some(format!("{name} {value:.1}")),
            Probe::Ok(_) | Probe::NotObservable => None,
        })
        .collect()
}

/// Number of processes that messages name, so that the user can stop them.
const NAMED: usize = 3;

/// The disturbance in words: the probes outside their limits and, if the device reports them, the processes that use the
/// processor. Process names come from the device and are escaped.
#[must_use]
pub fn disturbance(probes: &Probes) -> String {
    let bad = bad_probes(probes).join(", ");
    match busy_processes(probes) {
        Some(busy) => format!("{bad}; busy: {busy}"),
        None => bad,
    }
}

/// The processes that use the processor, as `chromium 45 %, rustc 38 %`; `None` if the device does not report them.
#[must_use]
pub fn busy_processes(probes: &Probes) -> Option<String> {
    let name = |name: &str| name.chars().take(32).collect::<String>().escape_debug().to_string();
    let named: Vec<String> = probes
        .busy
        .iter()
        .filter(|process| (0.0..=100.0).contains(&process.percent))
        .take(NAMED)
        .map(|process| format!("{} {:.0} %", name(&process.name), process.percent))
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

impl Gate {
    /// Waits until the machine passes the gate; returns its state then.
    ///
    /// # Errors
    /// If the machine stays busy and `allow_noisy` is not set, the device is lost, or the user asks to stop.
    pub(super) fn pass(
        &self,
        device: &mut dyn Device,
        virtual_time: bool,
        interrupted: &AtomicBool,
        mut waiting: impl FnMut(&str),
    ) -> Result<Probes, EngineError> {
        let mut waited = Duration::ZERO;
        loop {
            let probes = device.probe()?;
            if bad_probes(&probes).is_empty() || self.allow_noisy {
                return Ok(probes);
            }
            let disturbance = disturbance(&probes);
            if waited >= self.patience {
                return Err(EngineError::Noisy(disturbance));
            }
            waiting(&disturbance);
            if !virtual_time {
                rest(PAUSE, interrupted)?;
            }
            waited += PAUSE;
        }
    }
}

/// Sleeps, unless the user asks to stop.
///
/// # Errors
/// If the user asks to stop.
pub(super) fn rest(time: Duration, interrupted: &AtomicBool) -> Result<(), EngineError> {
    let started = Instant::now();
    loop {
        if interrupted.load(Ordering::Relaxed) {
            return Err(EngineError::Interrupted);
        }
        let left = time.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LISTEN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BusyProcess;

    fn probes(busy: &[(&str, f64)]) -> Probes {
        let busy = busy.iter().map(|&(name, percent)| BusyProcess { name: name.to_owned(), percent });
        Probes { values: [("foreign_percent".to_owned(), Probe::Bad(83.0))].into(), busy: busy.collect() }
    }

    #[test]
    fn who_disturbs_is_named_with_the_share() {
        let busy = [("chromium", 45.2), ("rustc", 37.9), ("make", 2.0), ("sh", 1.0)];
        assert_eq!(disturbance(&probes(&busy)), "foreign_percent 83.0; busy: chromium 45 %, rustc 38 %, make 2 %");
        assert_eq!(disturbance(&probes(&[])), "foreign_percent 83.0");
    }

    /// A device may be hostile: its names are not obeyed by a terminal and do not pass for our hints.
    #[test]
    fn names_are_escaped_and_shares_are_shares() {
        let long = "x".repeat(1_000_000);
        let busy = [("\u{1b}[2J\nhint: rm", 50.0), (long.as_str(), 40.0), ("much", 1e308), ("less", -1.0)];
        let words = disturbance(&probes(&busy));
        assert!(!words.contains(['\u{1b}', '\n']) && words.len() < 200, "{words}");
        assert!(!words.contains("much") && !words.contains("less"), "{words}");
    }

    #[test]
    fn a_rest_ends_when_the_user_asks_to_stop() {
        let flag = AtomicBool::new(true);
        assert!(matches!(rest(Duration::from_secs(3600), &flag), Err(EngineError::Interrupted)));
        flag.store(false, Ordering::Relaxed);
        rest(Duration::from_millis(1), &flag).unwrap();
    }
}
