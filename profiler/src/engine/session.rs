//! One session: an agent process loads all workloads, warms up, and visits them in shuffled rounds.

use std::collections::BTreeMap;
use std::time::Duration;

use nasprof_base::statistics::median;

use super::clock::Clock;
use super::device_session::{Connect, DeviceSession, WARM_UP_MIN_NS, total};
use super::rounds::SessionValues;
use super::session_plan::{Progress, SessionPlan};
use super::sizing::{MAX_TRIES, QUEUED_WARM_UP_RUNS, Sizing, fastest_ns, judge, most_queued_runs, warm_up_runs};
use super::throttle::Throttle;
use super::whole_rounds::WholeRounds;
use super::{EngineError, Recorder};
use crate::journal::Event;
use crate::protocol::checked::Checked;
use crate::protocol::{Canary, Device, DeviceError, Loaded, VisitRequest};

/// Warm-up: two consecutive windows of this many canaries must agree to within [`WARM_UP_WITHIN`]. It lasts from
/// [`WARM_UP_MIN_NS`] to [`WARM_UP_MAX_NS`].
const WARM_UP_WINDOW: usize = 10;
const WARM_UP_WITHIN: f64 = 0.01;
const WARM_UP_MAX_NS: u64 = 30_000_000_000;
/// A processor with a queue whose canaries agree this well is warm much sooner; loading has warmed it up too.
const STEADY_WITHIN: f64 = 0.001;
const STEADY_MIN_NS: u64 = 200_000_000;

/// Runs, replays or resumes one session. Returns whether all keys converged.
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
    let mut device_session = DeviceSession { plan, connect, device: None, fingerprint: None, loaded: Vec::new() };
    device_session.start(recorder, progress)?;
    let mut session = Session {
        plan,
        device_session,
        clock: recorder.clock(),
        recorder,
        progress,
        sequence: 0,
        sizes: BTreeMap::new(),
        values: SessionValues::default(),
        wholes: BTreeMap::new(),
        usual: Vec::new(),
        throttle: Throttle::new(&plan.setup.backend),
        round: 0,
        visited: Vec::new(),
        before: f64::NAN,
        since_canary_ns: 0,
        canary_ns: 0,
        round_time: Duration::ZERO,
    };
    let plan = &session.load()?;
    let mut session = Session { plan, visited: (0..plan.workloads.len()).collect(), ..session };
    session.warm_up()?;
    session.size()?;
    session.rounds()
}

pub(super) struct Session<'a, 'b, 'r> {
    pub(super) plan: &'a SessionPlan,
    pub(super) device_session: DeviceSession<'a, 'b>,
    pub(super) clock: Clock,
    pub(super) recorder: &'r mut Recorder,
    pub(super) progress: &'r mut dyn FnMut(Progress),
    pub(super) sequence: u64,
    /// By workload: calls in a timed run, runs in a visit, untimed runs at its start.
    pub(super) sizes: BTreeMap<u32, (u32, u32, u32)>,
    pub(super) values: SessionValues,
    /// The whole times of each workload, in the latency of the setup.
    pub(super) wholes: BTreeMap<u32, WholeRounds>,
    /// Medians of the canaries' compute times so far.
    pub(super) usual: Vec<f64>,
    pub(super) throttle: Throttle,
    pub(super) round: u32,
    /// Indices of the workloads that rounds visit: all, until a look selects some.
    pub(super) visited: Vec<usize>,
    /// The last canary's level.
    pub(super) before: f64,
    /// Time in visits since the last canary.
    pub(super) since_canary_ns: u64,
    /// Duration of a canary.
    pub(super) canary_ns: u64,
    /// Duration of the last round.
    pub(super) round_time: Duration,
}

impl Session<'_, '_, '_> {
    /// Reports new observations. Replayed events were reported when they were first observed.
    pub(super) fn report(&mut self, progress: Progress) {
        if !self.recorder.is_replaying() {
            (self.progress)(progress);
        }
    }

    pub(super) fn observe(
        &mut self,
        ask: impl FnOnce(&mut Checked) -> Result<Event, DeviceError>,
    ) -> Result<Event, EngineError> {
        let always = self.device_session.virtual_time();
        let device_session = &mut self.device_session;
        let resuming = device_session.device.is_none() && !self.recorder.is_replaying();
        if resuming {
            device_session.ready()?;
            self.recorder.decide(Event::Resumed)?;
        }
        let event = self.recorder.next(always, || Ok(ask(device_session.ready()?)?))?;
        if always {
            self.clock.pass(Duration::from_nanos(self.took_ns(&event)));
        }
        Ok(event)
    }

    /// What an observation took on the device.
    fn took_ns(&self, event: &Event) -> u64 {
        match event {
            Event::Loaded(Loaded { first_ns, .. }) => first_ns.iter().fold(0, |sum, &ns| sum.saturating_add(ns)),
            Event::Canary { times, .. } => total(times),
            Event::Sizing { visit, .. } | Event::Visit { visit, .. } => self.duration_ns(visit),
            _ => 0,
        }
    }

    /// Loads all workloads, and returns the plan of those that the device accepts.
    fn load(&mut self) -> Result<SessionPlan, EngineError> {
        let plan = self.plan;
        for (i, workload) in plan.workloads.iter().enumerate() {
            self.report(Progress::Loading(i, plan.workloads.len()));
            // A device that refuses the first network would refuse others for the same reason.
            let can_be_left_out = plan.leaves_out && !self.device_session.loaded.is_empty();
            let event = self.observe(|device| match device.load(workload.id, &workload.network) {
                Ok(loaded) => Ok(Event::Loaded(loaded)),
                Err(DeviceError::Refused(reason)) if can_be_left_out => {
                    Ok(Event::Refused { workload: workload.id, reason })
                }
                Err(error) => Err(error.of(&workload.describe())),
            })?;
            match event {
                Event::Loaded(Loaded { workload: loaded, .. }) if loaded == workload.id => {
                    self.device_session.loaded.push(workload);
                }
                Event::Refused { workload: refused, .. } if refused == workload.id => {}
                _ => return Err(EngineError::Replay(format!("expected the loading of workload {}", workload.id))),
            }
        }
        let loaded = self.device_session.loaded.iter().map(|&workload| workload.clone()).collect();
        Ok(SessionPlan { workloads: loaded, ..plan.clone() })
    }

    pub(super) fn canary(&mut self) -> Result<Canary, EngineError> {
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
            if self.recorder.is_replaying() {
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
        // The end also depends on the time budget, not only on observations, so a recorded end takes precedence.
        match self.recorder.next(false, || Ok(Event::WarmedUp { is_steady }))? {
            Event::WarmedUp { .. } => Ok(()),
            _ => Err(EngineError::Replay("expected the end of the warm-up".to_owned())),
        }
    }

    /// Maximum warm-up: under a budget, at most half of the session's remaining time.
    fn warm_up_limit_ns(&self) -> u64 {
        let left = self.plan.deadline.map(|end| end.saturating_duration_since(self.clock.now()) / 2);
        let half = left.map_or(u64::MAX, |half| u64::try_from(half.as_nanos()).unwrap_or(u64::MAX));
        WARM_UP_MAX_NS.min(half.max(WARM_UP_MIN_NS))
    }

    /// Visits each workload once to determine the number of runs of a visit.
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
                let has_queue = self.device_session.has_queue();
                let event = self.observe(|device| {
                    let visit = device.visit(&request).map_err(|e| e.of(&workload.describe()))?;
                    let runs = match judge(mode, &visit, repeat, overhead) {
                        Sizing::Runs(runs) if has_queue => runs.min(most_queued_runs(&visit, self.plan.own_times)),
                        Sizing::Runs(runs) => runs,
                        Sizing::Grow(_) => 0,
                    };
                    Ok(Event::Sizing { repeat, runs, visit })
                })?;
                let Event::Sizing { repeat: seen, runs, visit } = event else {
                    return Err(EngineError::Replay("expected a sizing visit".to_owned()));
                };
                if runs > 0 {
                    let warm_up_runs = if has_queue { QUEUED_WARM_UP_RUNS } else { warm_up_runs(fastest_ns(&visit)) };
                    self.sizes.insert(workload.id, (seen, runs, warm_up_runs));
                    break;
                }
                match judge(mode, &visit, repeat, overhead) {
                    Sizing::Grow(grown) if tries < MAX_TRIES && grown < 1_000_000_000 => repeat = grown,
                    _ => {
                        let problem =
                            format!("the timer returns zero for `{}`, even over many runs", workload.whole_key());
                        return Err(EngineError::Device(DeviceError::Refused(problem)));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }
}

/// The canary's compute time. Its memory time varies too much on shared machines to void visits by it.
pub(super) fn level(canary: &Canary) -> f64 {
    let times: Vec<f64> = canary.compute_ns.iter().map(|&t| t as f64).collect();
    median(&times).unwrap_or(f64::NAN)
}
