//! Sessions that time networks as a whole.

use std::collections::BTreeMap;
use std::time::Instant;

use nasprof_profiler::engine::{
    EngineError, Gate, Progress, Recorder, SessionPlan, Workload, level_is_still, run_session, setup, share_of,
};
use nasprof_profiler::journal::{Event, Header, Mode};
use nasprof_profiler::protocol::{Device, DeviceError, Timing};

/// Rounds of such a session: until all networks have converged, but at least until the second checkpoint, so that
/// intervals exist. A network that is measured much less precisely than the layers would count as an error of the LUT.
const MIN_ROUNDS: u32 = 12;
/// Target half-width of each network where networks are compared with each other. It is wider than the target for all
/// networks together.
const NETWORK_WIDTH: f64 = 0.02;

/// How networks share processes, and so the memory blocks that other networks have freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {
    /// Each network in its own process, as in a deployed program.
    OneEach,
    /// All networks in each of this many processes, so that a slow minute affects all of them alike. Level and memory
    /// blocks differ between processes; the mean over several processes varies less.
    All(u32),
}

/// How to measure whole networks.
#[derive(Debug, Clone, Copy)]
pub struct WholeSession {
    /// How networks share processes.
    pub processes: Processes,
    /// Target half-width of the time of each network for itself ([`nasprof_profiler::engine::WholeRounds`]). `None`: the
    /// networks are compared with each other, so the level of their rounds is divided out and each is to be known to 2 %.
    pub ci: Option<f64>,
    /// The only latency of a GPU to measure; `None`: all that it has, from the same visits.
    pub timing: Option<Timing>,
    /// Maximum rounds; the session ends earlier if fewer are enough.
    pub max_rounds: u32,
    /// Seed of the order of visits.
    pub seed: u64,
    /// How to treat a busy machine.
    pub gate: Gate,
    /// When all sessions must end, even without convergence; a session always has one round.
    pub deadline: Option<Instant>,
}

impl WholeSession {
    /// The header of a journal of these sessions, in the context of another.
    pub(crate) fn header(&self, context: &Header, workloads: usize) -> Header {
        let sessions = match self.processes {
            Processes::OneEach => workloads as u32,
            Processes::All(count) => count.max(1),
        };
        let (seed, allow_noisy) = (self.seed, self.gate.allow_noisy);
        Header { mode: Mode::Whole, seed, sessions, allow_noisy, ..context.clone() }
    }
}

/// Records the plan of a measurement.
pub(crate) fn begin(header: &Header, workloads: &[Workload], recorder: &mut Recorder) -> Result<(), EngineError> {
    recorder.decide(Event::Header(Box::new(header.clone())))?;
    for workload in workloads {
        let (workload, role, graph) = (workload.id, workload.role.clone(), workload.network.graph().clone());
        recorder.decide(Event::Workload { workload, role, graph })?;
    }
    Ok(())
}

/// Sessions of a journal that [`begin`] began.
pub(crate) struct WholeSessions<'a> {
    pub(crate) header: &'a Header,
    /// Number of the first.
    pub(crate) first: u32,
    /// Facts that the machine must have.
    pub(crate) expected: Option<BTreeMap<String, String>>,
}

impl WholeSessions<'_> {
    /// Runs the sessions. Progress comes with the number of the process, from 0, and the number of processes.
    pub(crate) fn run(
        &self,
        workloads: &[Workload],
        session: WholeSession,
        recorder: &mut Recorder,
        connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
        progress: &mut dyn FnMut(u32, u32, Progress),
    ) -> Result<(), EngineError> {
        let count = self.header.sessions;
        for number in 0..count {
            // A GPU with an observably constant level needs no more processes.
            if matches!(session.processes, Processes::All(_)) && level_is_still(recorder.events()) {
                break;
            }
            let workloads = match session.processes {
                Processes::OneEach => vec![workloads[number as usize].clone()],
                Processes::All(_) => workloads.to_vec(),
            };
            let plan = SessionPlan {
                min_rounds: MIN_ROUNDS.min(session.max_rounds),
                max_rounds: session.max_rounds,
                deadline: session.deadline.map(|end| share_of(recorder.clock().now(), end, count - number)),
                expected: self.expected.clone().or_else(|| facts(recorder)),
                ..self.plan(workloads, session, number)
            };
            run_session(&plan, recorder, connect, &mut |p| progress(number, count, p))?;
        }
        Ok(())
    }

    /// One session of one round that times the layers inside the networks as well, after all others.
    pub(crate) fn run_layers(
        &self,
        workloads: &[Workload],
        session: WholeSession,
        recorder: &mut Recorder,
        connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), EngineError> {
        let plan = SessionPlan {
            mode: Mode::InContext,
            expected: self.expected.clone().or_else(|| facts(recorder)),
            ..self.plan(workloads.to_vec(), session, self.header.sessions)
        };
        run_session(&plan, recorder, connect, progress).map(drop)
    }

    fn plan(&self, workloads: Vec<Workload>, session: WholeSession, number: u32) -> SessionPlan {
        SessionPlan {
            workloads,
            mode: Mode::Whole,
            ci: session.ci.unwrap_or(NETWORK_WIDTH),
            own_times: session.ci.is_some(),
            timing: session.timing,
            leaves_out: false,
            sessions: 1,
            min_rounds: 0,
            max_rounds: 1,
            gate: session.gate,
            deadline: None,
            setup: setup(self.header, self.first.saturating_add(number)),
            expected: None,
        }
    }
}

/// The machine's facts in the first session.
fn facts(recorder: &Recorder) -> Option<BTreeMap<String, String>> {
    recorder.events().iter().find_map(|event| match event {
        Event::Session { fingerprint, .. } => Some(fingerprint.facts.clone()),
        _ => None,
    })
}
