//! The device of a session. It is connected when an observation is needed, and again after an interruption.

use super::session_plan::{Progress, SessionPlan};
use super::{EngineError, Recorder, Workload};
use crate::journal::Event;
use crate::protocol::checked::Checked;
use crate::protocol::{Canary, Device, DeviceError, Fingerprint, Timing};

/// Minimum warm-up of a process by canaries. Loading has warmed the processor up before: in 27 processes on 2-core virtual machines
/// the canary's computation in the first quarter of a second was within 1 % of that after 1.5 s, with no direction.
pub(super) const WARM_UP_MIN_NS: u64 = 500_000_000;

pub(super) type Connect<'a> = dyn FnMut() -> Result<Box<dyn Device>, DeviceError> + 'a;

/// The device of a session, connected only for new observations. A replay needs no device.
pub(super) struct DeviceSession<'a, 'b> {
    pub(super) plan: &'a SessionPlan,
    pub(super) connect: &'a mut Connect<'b>,
    pub(super) device: Option<Checked>,
    pub(super) fingerprint: Option<Fingerprint>,
    /// The workloads loaded so far; a new process must load them again.
    pub(super) loaded: Vec<&'a Workload>,
}

impl DeviceSession<'_, '_> {
    /// Connects, sets up and passes the gate, or takes the results from the journal.
    pub(super) fn start(
        &mut self,
        recorder: &mut Recorder,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), EngineError> {
        // Set before connecting, so that another machine is reported by its facts and not as a protocol error.
        self.fingerprint = recorder.recorded_fingerprint().cloned();
        let interrupted = recorder.interrupted();
        let event = recorder.next(self.virtual_time(), || {
            let fingerprint = self.connect()?;
            let virtual_time = fingerprint.virtual_time;
            let device = self.device.as_mut().ok_or_else(|| DeviceError::Lost("no device".to_owned()))?;
            let gate = self.plan.gate.pass(device, virtual_time, &interrupted, |bad| {
                progress(Progress::Waiting(bad.to_owned()));
            })?;
            Ok(Event::Session { session: self.plan.setup.session, mode: self.plan.mode, fingerprint, gate })
        })?;
        match event {
            Event::Session { session, fingerprint, .. } if session == self.plan.setup.session => {
                self.check(&fingerprint)?;
                self.fingerprint = Some(fingerprint);
                Ok(())
            }
            _ => Err(EngineError::Replay(format!("expected the start of session {}", self.plan.setup.session))),
        }
    }

    fn connect(&mut self) -> Result<Fingerprint, EngineError> {
        let mut device = Checked::new((self.connect)()?);
        let fingerprint = device.configure(&self.plan.setup)?;
        self.check(&fingerprint)?;
        self.device = Some(device);
        Ok(fingerprint)
    }

    /// Refuses a device that is not the LUT's device.
    fn check(&self, fingerprint: &Fingerprint) -> Result<(), EngineError> {
        let recorded = self.fingerprint.as_ref().map(|f| &f.facts);
        for expected in [recorded, self.plan.expected.as_ref()].into_iter().flatten() {
            let changed: Vec<String> = expected
                .iter()
                .filter(|(name, value)| fingerprint.facts.get(*name) != Some(value))
                .map(|(name, value)| {
                    let now = fingerprint.facts.get(name).map_or("nothing", String::as_str);
                    format!("{name} was `{value}`, is `{now}`")
                })
                .collect();
            if !changed.is_empty() {
                return Err(EngineError::ContextChanged(changed.join("; ")));
            }
        }
        Ok(())
    }

    pub(super) fn virtual_time(&self) -> bool {
        self.fingerprint.as_ref().is_some_and(|f| f.virtual_time)
    }

    /// Whether the device has a queue, and so more than one latency.
    pub(super) fn has_queue(&self) -> bool {
        self.fingerprint.as_ref().is_some_and(|f| !f.timings.is_empty())
    }

    /// The latencies to time besides the time behind a full queue; empty without a queue.
    pub(super) fn timings(&self) -> Vec<Timing> {
        let all = self.fingerprint.as_ref().map_or(&[][..], |f| &f.timings);
        let is_wanted = |timing: &Timing| self.plan.timing.is_none_or(|only| only == *timing);
        all.iter().copied().filter(|timing| *timing != Timing::Queue && is_wanted(timing)).collect()
    }

    pub(super) fn timer_overhead_ns(&self) -> u64 {
        self.fingerprint.as_ref().map_or(0, |f| f.timer_overhead_ns)
    }

    /// The device, ready for requests. After an interruption this is a new process: it loads the same workloads again and
    /// warms up; none of this is recorded.
    pub(super) fn ready(&mut self) -> Result<&mut Checked, EngineError> {
        if self.device.is_none() {
            self.connect()?;
            let device = self.device.as_mut().ok_or_else(|| DeviceError::Lost("no device".to_owned()))?;
            for workload in &self.loaded {
                device.load(workload.id, &workload.network).map_err(|e| e.of(&workload.describe()))?;
            }
            let mut elapsed = 0;
            while elapsed < WARM_UP_MIN_NS {
                let times = device.canary()?;
                elapsed = total(&times).saturating_add(elapsed);
            }
        }
        self.device.as_mut().ok_or_else(|| EngineError::Device(DeviceError::Lost("no device".to_owned())))
    }
}

pub(super) fn total(canary: &Canary) -> u64 {
    canary.compute_ns.iter().chain(&canary.memory_ns).fold(0, |sum, &ns| sum.saturating_add(ns))
}
