//! A complete measurement: the trial of every layer, the plan of networks, then sessions in fresh processes.

mod pace;
mod plan;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nasprof_base::statistics::{mean, trimmed_mean};

use self::pace::Pace;
use self::plan::{Plan, plan};
use super::budget::{self, Costs, LEVEL_ROUNDS, LEVEL_SESSIONS};
use super::energy::run_energy;
use super::session::run_session;
use super::session_plan::SessionPlan;
use super::setup::{first_free_session, setup};
use super::{EngineError, Recorder, Workload};
use crate::journal::{Event, Header, Mode, Role};
use crate::protocol::checked::Checked;
use crate::protocol::{Device, DeviceError};
pub use request::{Measurement, Stage};

/// If the levels of this many sessions agree to within [`STILL`], the machine's level is stable.
const STILL_SESSIONS: usize = 3;
const STILL: f64 = 0.005;

/// Runs or resumes a measurement. Returns whether every key converged in every session.
///
/// # Errors
/// See [`EngineError`]; the journal keeps everything measured before the error.
pub fn measure(
    measurement: &Measurement<'_>,
    recorder: &mut Recorder,
    connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
    progress: &mut dyn FnMut(Stage),
) -> Result<bool, EngineError> {
    let header = &begun(recorder, &measurement.header);
    recorder.decide(Event::Header(Box::new(header.clone())))?;
    if let Some(converged) = recorder.complete(header.mode) {
        // A complete measurement stays complete, even if this version would measure differently.
        return Ok(converged);
    }
    if let Some(request) = &header.clocks {
        // Recorded before any clock is set. The device restores from its own copy.
        recorder.next(false, || Ok(Event::Clocks { before: Checked::new(connect()?).clocks(request)?.settings }))?;
    }
    let clock = recorder.clock();
    let Plan { workloads, keys, failed, mut costs } = plan(measurement, recorder, connect, progress)?;
    if !recorder.is_replaying() {
        budget::check(measurement.deadline, clock.now(), budget::SURELY * costs.least(), costs.least())?;
    }
    let mut expected: Option<BTreeMap<String, String>> = None;
    let mut converged = true;
    for session in 0..header.sessions {
        let plan = SessionPlan {
            workloads: without_refused(&workloads, recorder.events()),
            mode: header.mode,
            ci: width(header),
            own_times: false,
            timing: None,
            leaves_out: header.mode == Mode::InContext,
            sessions: header.sessions,
            min_rounds: 0,
            max_rounds: header.max_rounds,
            gate: measurement.gate,
            deadline: measurement.deadline.map(|end| session_end(clock.now(), end, &costs, header.sessions - session)),
            setup: setup(header, session),
            expected: expected.clone(),
        };
        let mut pace = Pace::new(clock.clone());
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
        // A budget that its parts exceed is not exceeded by further sessions as well.
        let least = Duration::from_secs_f64(costs.levels(1) / f64::from(LEVEL_SESSIONS));
        let is_late = measurement.deadline.is_some_and(|end| clock.now() + least > end) && !recorder.is_replaying();
        let left = first_free_session(header) - session;
        let workloads = without_refused(&workloads, recorder.events());
        let mut plan = level_plan(measurement, &workloads, session, expected.clone());
        if is_late || plan.workloads.is_empty() || level_is_still(recorder.events()) {
            break;
        }
        // Each session gets an equal share of the remaining time.
        plan.deadline = measurement.deadline.map(|end| share_of(clock.now(), end, left));
        run_session(&plan, recorder, connect, &mut |p| {
            progress(Stage::Level(session - header.sessions, LEVEL_SESSIONS, p));
        })?;
    }
    if header.energy {
        // A separate session number, because this process times nothing.
        let setup = setup(header, first_free_session(header));
        let workloads = without_refused(&workloads, recorder.events());
        run_energy(&workloads, &keys, &failed, &setup, recorder, connect, |done, all| {
            progress(Stage::Energy(done, all));
        })?;
    }
    recorder.decide(Event::Complete)?;
    recorder.sync()?;
    Ok(converged)
}

/// The workloads that no session so far refused.
fn without_refused(workloads: &[Workload], events: &[Event]) -> Vec<Workload> {
    let refused: BTreeSet<u32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Refused { workload, .. } => Some(*workload),
            _ => None,
        })
        .collect();
    workloads.iter().filter(|workload| !refused.contains(&workload.id)).cloned().collect()
}

/// The journal's header, if it differs from the request only in `allow_noisy`; else the request. `allow_noisy` may change on
/// resume, because rows measured on a busy machine are flagged.
fn begun(recorder: &Recorder, asked: &Header) -> Header {
    match recorder.recorded_header() {
        Some(begun) if *begun == (Header { allow_noisy: begun.allow_noisy, ..asked.clone() }) => begun.clone(),
        _ => asked.clone(),
    }
}

/// When the next of `sessions` sessions must end so that all get equal time: a session with one round is almost useless.
#[must_use]
pub fn share_of(now: Instant, end: Instant, sessions: u32) -> Instant {
    now + end.saturating_duration_since(now) / sessions.max(1)
}

/// Target half-width of a session: of networks if layers are timed inside them, else of each layer alone, for which twice
/// the width is enough.
fn width(header: &Header) -> f64 {
    if header.mode == Mode::InContext { header.ci } else { 2.0 * header.ci }
}

/// When the next of `sessions` sessions must end so that all get equal time and time is left for the level.
fn session_end(now: Instant, end: Instant, costs: &Costs, sessions: u32) -> Instant {
    now + Duration::from_secs_f64(costs.share(end.saturating_duration_since(now).as_secs_f64(), sessions))
}

/// Whether a device with a queue has a stable level: at least three sessions agree to within half a percent. On other
/// devices a few sessions may agree by chance, so this returns false.
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

/// A short anchor-only session.
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
        own_times: false,
        timing: None,
        leaves_out: true,
        sessions: 1,
        min_rounds: 0,
        max_rounds: LEVEL_ROUNDS,
        gate: measurement.gate,
        deadline: measurement.deadline,
        setup: setup(&measurement.header, session),
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_gets_its_share_of_what_is_left_and_the_level_has_its_own() {
        let now = Instant::now();
        let end = now + Duration::from_secs(1000);
        let costs = Costs { trials: 0.0, loading: 10.0, round: 10.0, anchors: 0.5, sessions: 4, level_sessions: 3 };
        let share = session_end(now, end, &costs, 4).saturating_duration_since(now).as_secs_f64();
        let expected = (1000.0 - costs.levels(LEVEL_ROUNDS) - 0.5) / 4.0;
        assert!((share - expected).abs() < 1.0, "{share} {expected}");
    }
}
