//! The gate: it waits for a busy machine, then refuses to measure it.

use std::time::Duration;

use super::EngineError;
use crate::protocol::{Device, Probe, Probes};

/// Looks again after this long.
const PAUSE: Duration = Duration::from_secs(2);

/// How long to wait for a quiet machine, and what to do if it stays busy.
#[derive(Debug, Clone, Copy)]
pub struct Gate {
    /// Longest wait.
    pub patience: Duration,
    /// Whether to measure a busy machine all the same.
    pub allow_noisy: bool,
}

/// The probes that are outside their limits, as `name value`.
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

impl Gate {
    /// The machine's state as it is let through.
    ///
    /// # Errors
    /// If it stays busy and that is not allowed, or the device is lost.
    pub(super) fn pass(
        &self,
        device: &mut dyn Device,
        virtual_time: bool,
        mut waiting: impl FnMut(&str),
    ) -> Result<Probes, EngineError> {
        let mut waited = Duration::ZERO;
        loop {
            let probes = device.probe()?;
            let bad = bad_probes(&probes);
            if bad.is_empty() || self.allow_noisy {
                return Ok(probes);
            }
            if waited >= self.patience {
                return Err(EngineError::Noisy(bad.join(", ")));
            }
            waiting(&bad.join(", "));
            if !virtual_time {
                std::thread::sleep(PAUSE);
            }
            waited += PAUSE;
        }
    }
}
