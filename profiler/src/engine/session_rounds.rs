//! The rounds of a session, until the target is reached, the time is over, or the device stays throttled.

use std::time::Duration;

use super::rounds::CHECKPOINTS;
use super::session::Session;
use super::session_plan::Progress;
use super::throttle::Throttle;
use super::whole_rounds::WholeRounds;
use super::{EngineError, Workload, precision};
use crate::journal::{EndReason, Event, Mode};
use crate::protocol::Device;

/// Interval of the checks, during a pause, whether the user wants to stop.
const LISTEN: Duration = Duration::from_millis(100);

/// Result of a look at the rounds so far.
struct Look {
    /// Rows that are known well enough, and all rows.
    known: (usize, usize),
    /// Whether the target is reached.
    is_enough: bool,
    /// Indices of the workloads that the next rounds visit.
    weakest: Vec<usize>,
}

impl Session<'_, '_, '_> {
    /// Runs rounds until the session ends. Returns whether the target is reached.
    pub(super) fn rounds(&mut self) -> Result<bool, EngineError> {
        let mut is_enough = false;
        let mut known = (0, self.keys().len());
        loop {
            self.round += 1;
            let started = self.clock.now();
            if !self.one_round()? {
                // The interrupted round does not count.
                return self.end(self.round - 1, false, EndReason::Throttled);
            }
            let round = self.round;
            let event = self.observe(|device| Ok(Event::Round { round, probes: device.probe()? }))?;
            let probes = match event {
                Event::Round { round: seen, probes } if seen == round => probes,
                _ => return Err(EngineError::Replay(format!("expected the end of round {round}"))),
            };
            self.recorder.sync()?;
            self.round_time = self.clock.now().saturating_duration_since(started);
            if self.recorder.session_ends_here() {
                // The recorded reason takes precedence over this one.
                return self.end(round, is_enough, EndReason::TimeBudget);
            }
            let is_last = round >= self.plan.max_rounds || self.is_over();
            let look = (is_last || CHECKPOINTS.contains(&round)).then(|| self.look());
            if let Some(look) = &look {
                (known, is_enough) = (look.known, look.is_enough);
            }
            self.report(Progress::Round(round, known.0, known.1));
            // A replayed journal that continues here comes from a version with a stricter target.
            let reason = if is_enough
                && !self.recorder.is_replaying()
                && CHECKPOINTS.contains(&round)
                && round >= self.plan.min_rounds
            {
                EndReason::Converged
            } else if round >= self.plan.max_rounds {
                EndReason::RoundLimit
            } else if is_last {
                EndReason::TimeBudget
            } else if Throttle::judge_round(&probes) && !self.wait()? {
                EndReason::Throttled
            } else {
                if let Some(look) = look {
                    self.direct(look)?;
                }
                continue;
            };
            return self.end(round, is_enough && CHECKPOINTS.iter().any(|&c| c <= round), reason);
        }
    }

    /// Judges the rounds so far with the same statistics as the rows of the LUT.
    fn look(&self) -> Look {
        let workloads = &self.plan.workloads;
        if self.plan.own_times {
            let widths = self.wholes.values().filter_map(WholeRounds::half_width);
            let known = widths.filter(|width| *width <= self.plan.ci).count();
            let all = (0..workloads.len()).collect();
            return Look { known: (known, workloads.len()), is_enough: known == workloads.len(), weakest: all };
        }
        let values = self.values.levelled();
        if self.plan.mode != Mode::InContext {
            let keys = self.keys();
            let known = values.converged(&keys, self.plan.ci);
            let all = (0..workloads.len()).collect();
            return Look { known: (known, keys.len()), is_enough: known == keys.len(), weakest: all };
        }
        let (shares, scale) = precision::of_session(workloads, &values, self.plan.sessions);
        let precision = shares.precision(scale);
        Look {
            known: (precision.of - precision.weak, precision.of),
            is_enough: precision.is_enough(self.plan.ci),
            weakest: shares.weakest(workloads),
        }
    }

    /// Makes the next rounds visit the least certain workloads. The decision is recorded, so that a replay visits the same
    /// workloads whatever it computes. Journals of older versions have no such event; their rounds visit all workloads.
    fn direct(&mut self, look: Look) -> Result<(), EngineError> {
        if look.weakest.len() == self.plan.workloads.len()
            || (self.recorder.is_replaying() && !self.recorder.effort_is_next())
        {
            return Ok(());
        }
        let (round, workloads) = (self.round + 1, &self.plan.workloads);
        let ids = look.weakest.iter().map(|&place| workloads[place].id).collect();
        match self.recorder.next(false, || Ok(Event::Effort { round, workloads: ids }))? {
            Event::Effort { workloads: ids, .. } => {
                self.visited = (0..workloads.len()).filter(|&place| ids.contains(&workloads[place].id)).collect();
                Ok(())
            }
            _ => Err(EngineError::Replay(format!("expected the effort of round {round}"))),
        }
    }

    /// Ends the session. The end also depends on the time budget, not only on observations, so a recorded end takes
    /// precedence.
    fn end(&mut self, rounds: u32, converged: bool, reason: EndReason) -> Result<bool, EngineError> {
        match self.recorder.next(false, || Ok(Event::SessionEnd { rounds, converged, reason }))? {
            Event::SessionEnd { converged, .. } => self.recorder.sync().map(|()| converged),
            _ => Err(EngineError::Replay("expected the end of the session".to_owned())),
        }
    }

    /// Waits for a throttled device. Returns false if the patience or the time budget is used up.
    pub(super) fn wait(&mut self) -> Result<bool, EngineError> {
        let Some(pause) = self.throttle.pause() else { return Ok(false) };
        if self.recorder.session_ends_here() || self.is_over() {
            return Ok(false);
        }
        if self.device_session.virtual_time() {
            self.device_session.ready()?.pass_time(pause)?;
            self.clock.pass(pause);
        } else if !self.recorder.is_replaying() {
            (self.progress)(Progress::Waiting(format!("throttled; pausing for {:.1} s", pause.as_secs_f64())));
            let start = self.clock.now();
            let waited = || self.clock.now().saturating_duration_since(start);
            while waited() < pause && !self.is_over() && !self.recorder.is_interrupted() {
                std::thread::sleep(pause.saturating_sub(waited()).min(LISTEN));
            }
        }
        Ok(true)
    }

    fn is_over(&self) -> bool {
        // A round that would end too late is not started.
        let next = self.clock.now() + self.round_time;
        self.plan.deadline.is_some_and(|deadline| next >= deadline)
    }

    /// The keys whose convergence ends the session.
    fn keys(&self) -> Vec<nasprof_graph::LayerKey> {
        let mut keys: Vec<_> = match self.plan.mode {
            Mode::InContext => self.plan.workloads.iter().flat_map(|u| u.keys().cloned()).collect(),
            Mode::Isolated | Mode::Whole => self.plan.workloads.iter().map(Workload::whole_key).collect(),
        };
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}
