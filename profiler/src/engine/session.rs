//! One session: an agent process loads all workloads, warms up, and visits them in shuffled rounds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nasprof_base::statistics::median;
use rand::seq::SliceRandom;

use super::device_session::{Connect, DeviceSession, WARM_UP_MIN_NS, total};
use super::rounds::{CHECKPOINTS, SessionValues};
use super::session_plan::{Progress, SessionPlan, order};
use super::sizing::{MAX_TRIES, Sizing, fastest_ns, judge, warm_up_runs};
use super::throttle::Throttle;
use super::{EngineError, Recorder, Workload, precision};
use crate::journal::{EndReason, Event, Mode};
use crate::protocol::checked::Checked;
use crate::protocol::{Canary, Device, DeviceError, Loaded, Visit, VisitRequest};

/// The canary runs after this much time in visits,
const CANARY_EVERY_NS: u64 = 250_000_000;
/// … or after so many times its own time, where that is more: it takes at most a twentieth of rounds.
const CANARY_SPACING: u64 = 19;
/// A canary this much slower than the session's usual voids the visits beside it.
const VOID_ABOVE: f64 = 1.05;
/// A voided visit is repeated at most this often; a machine that stays slow is flagged, not waited for.
const MAX_VOIDS: u32 = 2;
/// Warm-up: two windows of canaries in a row must agree, after at least, and at most, this long.
const WARM_UP_WINDOW: usize = 10;
const WARM_UP_WITHIN: f64 = 0.01;
const WARM_UP_MAX_NS: u64 = 30_000_000_000;
/// A processor with a queue, whose canaries agree this well, is as warm as it gets after much less; loading warmed it up too.
const STEADY_WITHIN: f64 = 0.001;
const STEADY_MIN_NS: u64 = 200_000_000;
/// Runs of each kind in a visit to such a processor, at the most: hardly anything disturbs them, and there are five kinds.
const QUEUED_RUNS: u32 = 4;
/// The user is listened to this often in a pause.
const LISTEN: Duration = Duration::from_millis(100);

/// Runs (or replays, or goes on with) one session. Returns whether all keys converged.
///
/// # Errors
/// If the device is lost, the machine is too noisy or not the expected one, the journal cannot be written, or the user
/// asks to stop.
pub fn run_session(
    plan: &SessionPlan,
    recorder: &mut Recorder,
    connect: &mut Connect<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<bool, EngineError> {
    let plan = &plan.in_loading_order();
    let mut device_session = DeviceSession { plan, connect, device: None, fingerprint: None, loaded: 0 };
    device_session.start(recorder, progress)?;
    let mut session = Session {
        plan,
        device_session,
        recorder,
        progress,
        sequence: 0,
        sizes: BTreeMap::new(),
        values: SessionValues::default(),
        usual: Vec::new(),
        throttle: Throttle::new(&plan.setup.backend),
        round: 0,
        visited: (0..plan.workloads.len()).collect(),
        before: f64::NAN,
        since_canary_ns: 0,
        canary_ns: 0,
        round_time: Duration::ZERO,
    };
    session.load()?;
    session.warm_up()?;
    session.size()?;
    session.rounds()
}

struct Session<'a, 'b, 'r> {
    plan: &'a SessionPlan,
    device_session: DeviceSession<'a, 'b>,
    recorder: &'r mut Recorder,
    progress: &'r mut dyn FnMut(Progress),
    sequence: u64,
    /// Calls a timed run, runs a visit and untimed runs before them, by workload.
    sizes: BTreeMap<u32, (u32, u32, u32)>,
    values: SessionValues,
    /// Medians of the canaries so far: compute.
    usual: Vec<f64>,
    throttle: Throttle,
    round: u32,
    /// Places of the workloads that rounds visit: all, until a look says where effort counts.
    visited: Vec<usize>,
    /// The last canary's level.
    before: f64,
    /// Time in visits since then.
    since_canary_ns: u64,
    /// What a canary takes.
    canary_ns: u64,
    /// What the last round took.
    round_time: Duration,
}

/// What a look at the rounds so far says.
struct Look {
    /// Rows that are known well enough, of how many.
    known: (usize, usize),
    /// Whether all is known that was asked for.
    is_enough: bool,
    /// Where the next rounds' visits go.
    weakest: Vec<usize>,
}

impl Session<'_, '_, '_> {
    /// Shows what is observed now. Replayed events were shown when they were observed.
    fn report(&mut self, progress: Progress) {
        if !self.recorder.is_replaying() {
            (self.progress)(progress);
        }
    }

    fn observe(&mut self, ask: impl FnOnce(&mut Checked) -> Result<Event, DeviceError>) -> Result<Event, EngineError> {
        let always = self.device_session.virtual_time();
        let device_session = &mut self.device_session;
        let resuming = device_session.device.is_none() && !self.recorder.is_replaying();
        if resuming {
            device_session.ready()?;
            self.recorder.decide(Event::Resumed)?;
        }
        self.recorder.next(always, || Ok(ask(device_session.ready()?)?))
    }

    fn load(&mut self) -> Result<(), EngineError> {
        for (i, workload) in self.plan.workloads.iter().enumerate() {
            self.report(Progress::Loading(i, self.plan.workloads.len()));
            let event = self.observe(|device| device.load(workload.id, &workload.network).map(Event::Loaded))?;
            match event {
                Event::Loaded(Loaded { workload: loaded, .. }) if loaded == workload.id => {
                    self.device_session.loaded = i + 1
                }
                _ => return Err(EngineError::Replay(format!("expected the loading of workload {}", workload.id))),
            }
        }
        Ok(())
    }

    fn canary(&mut self) -> Result<Canary, EngineError> {
        let round = self.round;
        let event = self.observe(|device| Ok(Event::Canary { round, times: device.canary()? }))?;
        match event {
            Event::Canary { times, .. } => {
                self.since_canary_ns = 0;
                self.canary_ns = total(&times);
                Ok(times)
            }
            _ => Err(EngineError::Replay("expected a canary".to_owned())),
        }
    }

    /// Runs the canary until it is steady.
    fn warm_up(&mut self) -> Result<(), EngineError> {
        self.report(Progress::WarmingUp);
        let is_queued = self.device_session.has_queue();
        let mut medians: Vec<f64> = Vec::new();
        let mut elapsed = 0;
        let limit = self.warm_up_limit_ns();
        let is_steady = loop {
            let times = self.canary()?;
            elapsed = total(&times).saturating_add(elapsed);
            medians.push(level(&times));
            if self.recorder.is_replaying() && !self.device_session.virtual_time() {
                if self.recorder.warm_up_ends_here() {
                    break false;
                }
                continue;
            }
            let windows = medians.len() / WARM_UP_WINDOW;
            if windows >= 2 && medians.len().is_multiple_of(WARM_UP_WINDOW) {
                let window = |from_end: usize| {
                    let start = medians.len() - from_end * WARM_UP_WINDOW;
                    median(&medians[start..start + WARM_UP_WINDOW]).unwrap_or(f64::NAN)
                };
                let apart = (window(1) / window(2)).ln().abs();
                let is_still = is_queued && apart <= STEADY_WITHIN && elapsed >= STEADY_MIN_NS;
                if is_still || (elapsed >= WARM_UP_MIN_NS && apart <= WARM_UP_WITHIN) {
                    break true;
                }
            }
            if elapsed >= limit {
                break false;
            }
        };
        self.before = medians.last().copied().unwrap_or(f64::NAN);
        self.usual = medians.split_off(medians.len().saturating_sub(WARM_UP_WINDOW));
        // Not a pure function of what was observed (the time budget), so a recorded end counts.
        match self.recorder.next(false, || Ok(Event::WarmedUp { is_steady }))? {
            Event::WarmedUp { .. } => Ok(()),
            _ => Err(EngineError::Replay("expected the end of the warm-up".to_owned())),
        }
    }

    /// The longest warm-up: under a budget at most half of what is left of the session.
    fn warm_up_limit_ns(&self) -> u64 {
        let left = self.plan.deadline.filter(|_| !self.device_session.virtual_time());
        let left = left.map(|end| end.saturating_duration_since(Instant::now()) / 2);
        let half = left.map_or(u64::MAX, |half| u64::try_from(half.as_nanos()).unwrap_or(u64::MAX));
        WARM_UP_MAX_NS.min(half.max(WARM_UP_MIN_NS))
    }

    /// Looks at each workload once to see how many runs a visit needs.
    fn size(&mut self) -> Result<(), EngineError> {
        for workload in &self.plan.workloads {
            let mut repeat = 1;
            let mut tries = 0;
            loop {
                tries += 1;
                let request = VisitRequest {
                    sequence: self.next_sequence(),
                    workload: workload.id,
                    warm_up_runs: 2,
                    layer_runs: 0,
                    whole_runs: 3,
                    repeat,
                    timings: Vec::new(),
                };
                let (mode, overhead) = (self.plan.mode, self.device_session.timer_overhead_ns());
                let most = if self.device_session.has_queue() { QUEUED_RUNS } else { u32::MAX };
                let event = self.observe(|device| {
                    let visit = device.visit(&request)?;
                    let runs = match judge(mode, &visit, repeat, overhead) {
                        Sizing::Runs(runs) => runs.min(most),
                        Sizing::Grow(_) => 0,
                    };
                    Ok(Event::Sizing { repeat, runs, visit })
                })?;
                let Event::Sizing { repeat: seen, runs, visit } = event else {
                    return Err(EngineError::Replay("expected a sizing visit".to_owned()));
                };
                if runs > 0 {
                    self.sizes.insert(workload.id, (seen, runs, warm_up_runs(fastest_ns(&visit))));
                    break;
                }
                match judge(mode, &visit, repeat, overhead) {
                    Sizing::Grow(grown) if tries < MAX_TRIES && grown < 1_000_000_000 => repeat = grown,
                    _ => {
                        let problem =
                            format!("the timer returns zero for `{}`, however often it runs", workload.whole_key());
                        return Err(EngineError::Device(DeviceError::Refused(problem)));
                    }
                }
            }
        }
        Ok(())
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }

    fn rounds(&mut self) -> Result<bool, EngineError> {
        let mut is_enough = false;
        let mut known = (0, self.keys().len());
        loop {
            self.round += 1;
            let started = Instant::now();
            if !self.one_round()? {
                // The round that was cut off does not count.
                return self.end(self.round - 1, false, EndReason::Throttled);
            }
            let round = self.round;
            let event = self.observe(|device| Ok(Event::Round { round, probes: device.probe()? }))?;
            let probes = match event {
                Event::Round { round: seen, probes } if seen == round => probes,
                _ => return Err(EngineError::Replay(format!("expected the end of round {round}"))),
            };
            self.recorder.sync()?;
            self.round_time = started.elapsed();
            if self.recorder.session_ends_here() {
                // Whatever ended it then.
                return self.end(round, is_enough, EndReason::TimeBudget);
            }
            let is_last = round >= self.plan.max_rounds || self.is_over();
            let look = (is_last || CHECKPOINTS.contains(&round)).then(|| self.look());
            if let Some(look) = &look {
                (known, is_enough) = (look.known, look.is_enough);
            }
            self.report(Progress::Round(round, known.0, known.1));
            // A journal that goes on was begun by a version that asked for more.
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

    /// Judges the rounds so far by the statistics that the rows are made of.
    fn look(&self) -> Look {
        let values = self.values.levelled();
        let workloads = &self.plan.workloads;
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

    /// Has the next rounds visit what is known least. On record, so that a replay visits the same, whatever it computes; journals
    /// of older versions have no such event, and visit all.
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
            _ => Err(EngineError::Replay(format!("expected where the effort of round {round} goes"))),
        }
    }

    /// Ends the session. Not a pure function of what was observed (the time budget), so a recorded end counts.
    fn end(&mut self, rounds: u32, converged: bool, reason: EndReason) -> Result<bool, EngineError> {
        match self.recorder.next(false, || Ok(Event::SessionEnd { rounds, converged, reason }))? {
            Event::SessionEnd { converged, .. } => self.recorder.sync().map(|()| converged),
            _ => Err(EngineError::Replay("expected the end of the session".to_owned())),
        }
    }

    /// Waits for a device that is slowed down; false: it was waited for long enough, or the time budget is used up.
    fn wait(&mut self) -> Result<bool, EngineError> {
        let Some(pause) = self.throttle.pause() else { return Ok(false) };
        if self.device_session.virtual_time() {
            self.device_session.ready()?.pass_time(pause)?;
        } else if self.recorder.session_ends_here() || self.is_over() {
            return Ok(false);
        } else if !self.recorder.is_replaying() {
            (self.progress)(Progress::Waiting(format!("throttled; pausing for {:.1} s", pause.as_secs_f64())));
            let start = Instant::now();
            while start.elapsed() < pause && !self.is_over() && !self.recorder.is_interrupted() {
                std::thread::sleep(pause.saturating_sub(start.elapsed()).min(LISTEN));
            }
        }
        Ok(true)
    }

    fn is_over(&self) -> bool {
        // A round that would end too late is not begun.
        let next = Instant::now() + self.round_time;
        !self.device_session.virtual_time() && self.plan.deadline.is_some_and(|deadline| next >= deadline)
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

    /// Visits each workload that the effort goes to once in shuffled order, with canaries between. Visits beside a slow canary are repeated, and those
    /// of a device that says it was slowed down, after a pause; false: the pauses did not help.
    fn one_round(&mut self) -> Result<bool, EngineError> {
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
                // A machine that stays slow and says nothing is flagged, not waited for.
                None if slow && voids < MAX_VOIDS => Some("a canary beside it was more than 5 % slow".to_owned()),
                None => None,
            };
            if let Some(reason) = reason {
                let mut void = Vec::new();
                for ((index, visit), throttled) in segment.into_iter().zip(throttled) {
                    // A slow canary speaks for all visits beside it, the device's own word for one.
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
        self.values.add_round(round);
        Ok(true)
    }

    fn canary_is_due(&self) -> bool {
        self.since_canary_ns >= CANARY_EVERY_NS.max(self.canary_ns.saturating_mul(CANARY_SPACING))
    }

    /// Runs the canary; whether it or the one before was slow.
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

    /// What a visit took: its timed runs, and the untimed ones before them, as long as its fastest.
    fn duration_ns(&self, visit: &Visit) -> u64 {
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
        let event = self.observe(|device| Ok(Event::Visit { round, visit: device.visit(&request)? }))?;
        match event {
            Event::Visit { visit, .. } if visit.sequence == request.sequence => Ok(visit),
            _ => Err(EngineError::Replay(format!("expected visit {}", request.sequence))),
        }
    }
}

/// The canary's compute time: its memory kernel wanders too much on shared machines to void visits by.
fn level(canary: &Canary) -> f64 {
    let times: Vec<f64> = canary.compute_ns.iter().map(|&t| t as f64).collect();
    median(&times).unwrap_or(f64::NAN)
}
