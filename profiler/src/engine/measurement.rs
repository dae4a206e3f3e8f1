//! A complete measurement: the trial of every layer, the plan of networks, then sessions in fresh processes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nasprof_base::statistics::{mean, trimmed_mean};
use nasprof_graph::{Arch, Graph, LayerKey};
use nasprof_spaces::Space;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::budget::{self, Costs, LEVEL_ROUNDS, LEVEL_SESSIONS};
use super::energy::run_energy;
use super::session::run_session;
use super::session_plan::{Progress, SessionPlan};
use super::{
    EngineError, Gate, Recorder, Workload, keys_of_space, layer_workloads, network_workloads, run_trials, select_shard,
};
use crate::journal::{Event, Header, Mode, Role};
use crate::protocol::checked::Checked;
use crate::protocol::{Device, DeviceError, Setup};

/// Levels of so many sessions, within so much, are of a machine whose level does not move.
const STILL_SESSIONS: usize = 3;
const STILL: f64 = 0.005;

/// What loading a layer, and a visit to it, take of its trial, with its reports and the process's start: on a 2-core virtual machine a
/// tenth. Until the first session shows.
const LOADING_PER_TRIAL: f64 = 0.03;
const VISIT_PER_TRIAL: f64 = 0.03;

/// What to measure and how.
pub struct Measurement<'a> {
    /// The space, at the batch size of the header.
    pub space: &'a Space,
    /// How it was asked for.
    pub header: Header,
    /// How a busy machine is treated.
    pub gate: Gate,
    /// When all must be done, and when the command began.
    pub deadline: Option<Instant>,
}

/// What a measurement tells the display.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Layers tried alone: done, of how many.
    Trial(usize, usize),
    /// Networks planned, keys they cover, keys that do not run.
    Planned(usize, usize, usize),
    /// Energy measured: done, of how many.
    Energy(usize, usize),
    /// Within a session: its number, of how many.
    Session(u32, u32, Progress),
    /// Within a session of the anchors alone: its number, of how many.
    Level(u32, u32, Progress),
}

/// Runs, or goes on with, a measurement. Returns whether every key converged in every session.
///
/// # Errors
/// See [`EngineError`]; what was measured until then is in the journal.
pub fn measure(
    measurement: &Measurement<'_>,
    recorder: &mut Recorder,
    connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
    progress: &mut dyn FnMut(Stage),
) -> Result<bool, EngineError> {
    let header = &begun(recorder, &measurement.header);
    recorder.decide(Event::Header(Box::new(header.clone())))?;
    if let Some(converged) = recorder.complete(header.mode) {
        // Nothing is left to do, whatever this version would have done otherwise.
        return Ok(converged);
    }
    if let Some(request) = &header.clocks {
        // On record before any is set. The device keeps its own copy to restore from.
        recorder.next(false, || Ok(Event::Clocks { before: Checked::new(connect()?).clocks(request)?.settings }))?;
    }
    let begun_at = Instant::now();
    let Plan { workloads, keys, failed, mut costs } = plan(measurement, recorder, connect, progress)?;
    if !recorder.is_replaying() {
        budget::check(measurement.deadline, &costs, begun_at.elapsed())?;
    }
    let mut expected: Option<BTreeMap<String, String>> = None;
    let mut converged = true;
    for session in 0..header.sessions {
        let plan = SessionPlan {
            workloads: workloads.clone(),
            mode: header.mode,
            ci: width(header),
            sessions: header.sessions,
            min_rounds: 0,
            max_rounds: header.max_rounds,
            gate: measurement.gate,
            deadline: measurement.deadline.map(|end| session_end(end, &costs, header.sessions - session)),
            setup: setup(header, session),
            expected: expected.clone(),
        };
        let mut pace = Pace::new();
        converged &= run_session(&plan, recorder, connect, &mut |p| {
            pace.see(&p);
            progress(Stage::Session(session, header.sessions, p));
        })?;
        pace.correct(&mut costs);
        expected = recorder.events().iter().find_map(|event| match event {
            Event::Session { fingerprint, .. } => Some(fingerprint.facts.clone()),
            _ => None,
        });
    }
    for session in header.sessions..first_free_session(header) {
        if level_is_still(recorder.events()) {
            break;
        }
        let left = first_free_session(header) - session;
        let mut plan = level_plan(measurement, &workloads, session, expected.clone());
        // Each as much of what is left.
        plan.deadline = measurement.deadline.map(|end| share_of(end, left));
        run_session(&plan, recorder, connect, &mut |p| {
            progress(Stage::Level(session - header.sessions, LEVEL_SESSIONS, p));
        })?;
    }
    if header.energy {
        // A session number of its own: its process is none of those that time.
        let setup = setup(header, first_free_session(header));
        run_energy(&workloads, &keys, &failed, &setup, recorder, connect, |done, all| {
            progress(Stage::Energy(done, all));
        })?;
    }
    recorder.decide(Event::Complete)?;
    recorder.sync()?;
    Ok(converged)
}

/// The header that the journal was begun with, if it differs only in whether a busy machine is measured: that may be asked
/// for later, and what was then measured on one is stamped as such.
fn begun(recorder: &Recorder, asked: &Header) -> Header {
    match recorder.recorded_header() {
        Some(begun) if *begun == (Header { allow_noisy: begun.allow_noisy, ..asked.clone() }) => begun.clone(),
        _ => asked.clone(),
    }
}

/// When the next of so many sessions must end, so that each has as much time: a session of one round says next to nothing.
#[must_use]
pub fn share_of(end: Instant, sessions: u32) -> Instant {
    let now = Instant::now();
    now + end.saturating_duration_since(now) / sessions.max(1)
}

/// The half-width that a session is to reach: of networks where layers are timed inside them, else of each layer alone, for which
/// twice as much is enough.
fn width(header: &Header) -> f64 {
    if header.mode == Mode::InContext { header.ci } else { 2.0 * header.ci }
}

/// When the next of so many sessions must end, so that each has as much time and the level has its own.
fn session_end(end: Instant, costs: &Costs, sessions: u32) -> Instant {
    Instant::now() + Duration::from_secs_f64(costs.share(time_left(end).as_secs_f64(), sessions))
}

fn time_left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

/// How long the parts of a session take, from when its progress says so.
struct Pace {
    begun: Instant,
    warm: Option<Instant>,
    sized: Option<Instant>,
    rounds: Option<(Instant, u32)>,
}

impl Pace {
    fn new() -> Self {
        Self { begun: Instant::now(), warm: None, sized: None, rounds: None }
    }

    fn see(&mut self, progress: &Progress) {
        let now = Instant::now();
        match progress {
            Progress::WarmingUp => self.warm = Some(now),
            Progress::Visit { round: 1, done: 1, .. } => self.sized = Some(now),
            Progress::Round(round, ..) => self.rounds = Some((now, *round)),
            _ => {}
        }
    }

    /// Says what was seen of the session; nothing of one that was replayed.
    fn correct(&self, costs: &mut Costs) {
        if let (Some(warm), Some(sized), Some((end, rounds))) = (self.warm, self.sized, self.rounds) {
            costs.loading = warm.saturating_duration_since(self.begun).as_secs_f64();
            costs.round = end.saturating_duration_since(sized).as_secs_f64() / f64::from(rounds.max(1));
        }
    }
}

/// Whether the sessions of a device with a queue have told that its level does not move: those of three processes are within half
/// a percent. On other devices few sessions agree by luck.
#[must_use]
pub fn level_is_still(events: &[Event]) -> bool {
    let mut anchors = BTreeSet::new();
    let mut sessions: Vec<BTreeMap<u32, Vec<f64>>> = Vec::new();
    for event in events {
        match event {
            Event::Workload { workload, role: Role::Network { anchor: true, .. }, .. } => {
                anchors.insert(*workload);
            }
            Event::Session { fingerprint, .. } if fingerprint.timings.is_empty() => return false,
            Event::Session { .. } => sessions.push(BTreeMap::new()),
            Event::Visit { visit, .. } if anchors.contains(&visit.workload) => {
                let Some(session) = sessions.last_mut() else { return false };
                let times = visit.whole.iter().filter_map(|run| run.ns.first()).map(|&ns| ns as f64);
                session.entry(visit.workload).or_default().extend(times);
            }
            _ => {}
        }
    }
    let level = |session: &BTreeMap<u32, Vec<f64>>| {
        let logs = session.values().map(|times| trimmed_mean(times).map(f64::ln)).collect::<Option<Vec<f64>>>();
        logs.filter(|logs| logs.len() == anchors.len()).and_then(|logs| mean(&logs))
    };
    let Some(levels) = sessions.iter().map(level).collect::<Option<Vec<f64>>>() else { return false };
    let low = levels.iter().copied().fold(f64::INFINITY, f64::min);
    let high = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    levels.len() >= STILL_SESSIONS && high - low <= STILL
}

/// A short session of the anchors alone.
fn level_plan(
    measurement: &Measurement<'_>,
    workloads: &[Workload],
    session: u32,
    expected: Option<BTreeMap<String, String>>,
) -> SessionPlan {
    let anchors = workloads.iter().filter(|workload| matches!(workload.role, Role::Network { anchor: true, .. }));
    SessionPlan {
        workloads: anchors.cloned().collect(),
        mode: Mode::Whole,
        ci: 2.0 * measurement.header.ci,
        sessions: 1,
        min_rounds: 0,
        max_rounds: LEVEL_ROUNDS,
        gate: measurement.gate,
        deadline: measurement.deadline,
        setup: setup(&measurement.header, session),
        expected,
    }
}

/// The first session number that a measurement itself does not use.
#[must_use]
pub fn first_free_session(header: &Header) -> u32 {
    let level = if header.mode == Mode::InContext { LEVEL_SESSIONS } else { 0 };
    header.sessions.saturating_add(level)
}

/// What an agent sets up for a session of a measurement.
#[must_use]
pub fn setup(header: &Header, session: u32) -> Setup {
    Setup {
        backend: header.backend.clone(),
        threads: header.threads,
        cores: header.cores.clone(),
        allocator: header.allocator,
        precision: header.precision,
        layout: header.layout,
        timing: header.timing,
        // Boards that share work plan alike and load in orders of their own.
        seed: header.seed ^ header.shard.map_or(0, |shard| u64::from(shard.index) << 32),
        session,
        clocks: header.clocks.clone(),
        clock_copy: String::new(),
    }
}

/// What is measured.
struct Plan {
    workloads: Vec<Workload>,
    keys: BTreeMap<LayerKey, (Graph, Arch)>,
    failed: BTreeSet<LayerKey>,
    costs: Costs,
}

/// Tries every layer, then decides what is loaded in the sessions.
fn plan(
    measurement: &Measurement<'_>,
    recorder: &mut Recorder,
    connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
    progress: &mut dyn FnMut(Stage),
) -> Result<Plan, EngineError> {
    let header = &measurement.header;
    let mut rng = ChaCha8Rng::seed_from_u64(header.seed);
    let mut keys = keys_of_space(measurement.space, header.runtime, &mut rng)?;
    let has_levels = header.mode == Mode::InContext;
    let mut costs = Costs::unseen(keys.len(), header.sessions, has_levels);
    if !recorder.is_replaying() {
        // Before a device is kept busy for nothing.
        budget::check(measurement.deadline, &costs, Duration::ZERO)?;
    }
    let tried = Instant::now();
    let failed = run_trials(&keys, &setup(header, 0), recorder, connect, |done, all| {
        progress(Stage::Trial(done, all));
    })?;
    let mut workloads = match header.mode {
        Mode::Isolated => layer_workloads(&keys, &failed),
        Mode::InContext | Mode::Whole => {
            network_workloads(measurement.space, header.runtime, &keys, &failed, &mut rng)?
        }
    };
    if let Some(shard) = header.shard {
        workloads = select_shard(shard, workloads);
        let own: BTreeSet<&LayerKey> = workloads.iter().flat_map(Workload::keys).collect();
        keys.retain(|key, _| own.contains(key) || failed.contains(key));
    }
    for workload in &workloads {
        let (workload, role, graph) = (workload.id, workload.role.clone(), workload.network.graph().clone());
        recorder.decide(Event::Workload { workload, role, graph })?;
    }
    recorder.decide(Event::Planned)?;
    if !recorder.is_replaying() {
        progress(Stage::Planned(workloads.len(), keys.len() - failed.len(), failed.len()));
    }
    costs.trials = 0.0;
    // The trial ran every layer twice from cold, a network's share of them; a visit runs a network about a dozen times warm.
    let per_layer = tried.elapsed().as_secs_f64() / keys.len().max(1) as f64;
    let layers = workloads.iter().map(|workload| workload.keys().len()).sum::<usize>() as f64;
    costs.loading = per_layer * layers * LOADING_PER_TRIAL;
    costs.round = per_layer * layers * VISIT_PER_TRIAL;
    let anchors = workloads.iter().filter(|w| matches!(w.role, Role::Network { anchor: true, .. })).count();
    costs.anchors = anchors as f64 / workloads.len().max(1) as f64;
    Ok(Plan { workloads, keys, failed, costs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_gets_its_share_of_what_is_left_and_the_level_has_its_own() {
        let end = Instant::now() + Duration::from_secs(1000);
        let costs = Costs { trials: 0.0, loading: 10.0, round: 10.0, anchors: 0.5, sessions: 4, level_sessions: 3 };
        let share = session_end(end, &costs, 4).saturating_duration_since(Instant::now()).as_secs_f64();
        let expected = (1000.0 - costs.levels(LEVEL_ROUNDS) - 0.5) / 4.0;
        assert!((share - expected).abs() < 1.0, "{share} {expected}");
    }
}
