//! One round of a session: visits in shuffled order, with canaries between.

use std::collections::BTreeMap;
use std::time::Duration;

use nasprof_base::statistics::median;
use rand::seq::SliceRandom;

use super::EngineError;
use super::session::{Session, level};
use super::session_plan::{Progress, order};
use super::sizing::fastest_ns;
use crate::journal::{Event, Mode};
use crate::protocol::{Device, Visit, VisitRequest};

/// The canary runs after this much time in visits …
const CANARY_EVERY_NS: u64 = 250_000_000;
/// … or after this many times its own duration, if that is longer. So it takes at most a twentieth of a round.
const CANARY_SPACING: u64 = 19;
/// A canary that is this much slower than the session's usual canary voids the visits beside it.
const VOID_ABOVE: f64 = 1.05;
/// Maximum number of repetitions of voided visits. A machine that stays slow is flagged; nasprof does not wait for it.
const MAX_VOIDS: u32 = 2;

impl Session<'_, '_, '_> {
    /// Visits each selected workload once in shuffled order, with canaries between. Visits beside a slow canary are
    /// repeated; visits during which the device reports throttling are repeated after a pause. Returns false if the pauses
    /// did not help.
    pub(super) fn one_round(&mut self) -> Result<bool, EngineError> {
        let mut queue = self.visited.clone();
        queue.shuffle(&mut order(&self.plan.setup, self.round));
        let mut visits: BTreeMap<usize, Visit> = BTreeMap::new();
        let mut voids = 0;
        let mut pause = Duration::from_millis(50);
        while !queue.is_empty() {
            let mut segment: Vec<(usize, Visit)> = Vec::new();
            while !self.canary_is_due() {
                let Some(index) = queue.pop() else { break };
                let visit = self.visit(index)?;
                self.since_canary_ns = self.since_canary_ns.saturating_add(self.duration_ns(&visit));
                segment.push((index, visit));
                let done = visits.len() + segment.len();
                self.report(Progress::Visit {
                    round: self.round,
                    max_rounds: self.plan.max_rounds,
                    done,
                    all: self.visited.len(),
                    what: self.plan.workloads[index].describe(),
                });
            }
            let slow = if self.canary_is_due() { self.is_slow()? } else { false };
            let throttled: Vec<Option<String>> = segment.iter().map(|(_, v)| self.throttle.judge(v)).collect();
            let reported = throttled.iter().flatten().next().cloned();
            let reason = match &reported {
                Some(reason) => Some(reason.clone()),
                // A machine that stays slow without reporting throttling is flagged; nasprof does not wait for it.
                None if slow && voids < MAX_VOIDS => Some("a canary beside it was more than 5 % slow".to_owned()),
                None => None,
            };
            if let Some(reason) = reason {
                let mut void = Vec::new();
                for ((index, visit), throttled) in segment.into_iter().zip(throttled) {
                    // A slow canary voids all visits beside it; throttling that the device reports voids one visit.
                    if slow || throttled.is_some() {
                        void.push(visit.sequence);
                        queue.push(index);
                    } else {
                        visits.insert(index, visit);
                    }
                }
                self.recorder.decide(Event::Void { sequences: void, reason })?;
                if reported.is_some() {
                    if !self.wait()? {
                        return Ok(false);
                    }
                    continue;
                }
                voids += 1;
                if !self.device_session.virtual_time() && !self.recorder.is_replaying() {
                    std::thread::sleep(pause);
                    pause = (pause * 3 / 2).min(Duration::from_millis(500));
                }
            } else {
                self.throttle.recovered();
                visits.extend(segment);
            }
        }
        let round = visits.iter().map(|(&index, visit)| {
            let workload = &self.plan.workloads[index];
            (workload, visit, self.sizes.get(&workload.id).map_or(1, |size| size.0))
        });
        let timing = self.plan.setup.timing.unwrap_or_default();
        for (workload, visit, repeat) in round.clone() {
            self.wholes.entry(workload.id).or_default().add(visit, timing, repeat);
        }
        self.values.add_round(round);
        Ok(true)
    }

    fn canary_is_due(&self) -> bool {
        self.since_canary_ns >= CANARY_EVERY_NS.max(self.canary_ns.saturating_mul(CANARY_SPACING))
    }

    /// Runs the canary. Returns whether this canary or the one before was slow.
    fn is_slow(&mut self) -> Result<bool, EngineError> {
        let after = level(&self.canary()?);
        let usual = median(&self.usual).unwrap_or(f64::INFINITY);
        let slow = self.before.max(after) > VOID_ABOVE * usual;
        if usual.is_finite() {
            self.report(Progress::Canary(after / usual - 1.0));
        }
        self.usual.push(after);
        self.before = after;
        Ok(slow)
    }

    /// Duration of a visit: its timed runs, plus its untimed runs, each counted as long as the fastest timed run.
    pub(super) fn duration_ns(&self, visit: &Visit) -> u64 {
        let warm_up_runs = self.sizes.get(&visit.workload).map_or(1, |size| size.2);
        let untimed = (f64::from(warm_up_runs) * fastest_ns(visit)) as u64;
        let times = visit.layers.iter().chain(&visit.whole).flat_map(|run| &run.ns);
        times.fold(untimed, |sum, &ns| sum.saturating_add(ns))
    }

    fn visit(&mut self, index: usize) -> Result<Visit, EngineError> {
        let workload = &self.plan.workloads[index];
        let (repeat, runs, warm_up_runs) = self.sizes.get(&workload.id).copied().unwrap_or((1, 1, 1));
        let layer_runs = if self.plan.mode == Mode::InContext { runs } else { 0 };
        let request = VisitRequest {
            sequence: self.next_sequence(),
            workload: workload.id,
            warm_up_runs,
            layer_runs,
            whole_runs: runs,
            repeat,
            timings: self.device_session.timings(),
        };
        let round = self.round;
        let event = self.observe(|device| {
            let visit = device.visit(&request).map_err(|e| e.of(&workload.describe()))?;
            Ok(Event::Visit { round, visit })
        })?;
        match event {
            Event::Visit { visit, .. } if visit.sequence == request.sequence => Ok(visit),
            _ => Err(EngineError::Replay(format!("expected visit {}", request.sequence))),
        }
    }
}
