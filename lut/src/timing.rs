//! Times of given whole networks on a device, without a LUT.

use nasprof_base::statistics::{median, quantile};
use nasprof_graph::Arch;
use nasprof_profiler::engine::{EngineError, Levelling, Progress, Recorder, Workload, setup, timed_runs};
use nasprof_profiler::journal::{Event, Header, Role, Trial};
use nasprof_profiler::protocol::checked::Checked;
use nasprof_profiler::protocol::{Allocator, Device, DeviceError, Memory, Run, Setup};
use serde::Serialize;

use crate::session_facts::session_facts;
use crate::whole_session::{WholeSession, WholeSessions, begin};
use crate::whole_times::WholeTimes;
use crate::{LutError, Observations, SessionFacts, SessionObservations};

/// A request to time networks.
#[derive(Debug, Clone)]
pub struct Timings {
    /// The context; seed and sessions come from the session.
    pub header: Header,
    /// Facts that the machine must have, such as a LUT's.
    pub expected: Option<std::collections::BTreeMap<String, String>>,
    /// The networks, as the runtime executes them, with their architectures.
    pub networks: Vec<(Arch, nasprof_graph::LoweredNetwork)>,
    /// How they are measured.
    pub session: WholeSession,
    /// Whether the layers are timed as well, in one more process: [`layer_times`].
    pub layers: bool,
}

impl Timings {
    /// Runs each network once in a process of its own for its first call and its memory, then times all of them. The
    /// recorder then has the events, for [`timings`]. A recorder with events continues from them.
    ///
    /// # Errors
    /// A network that does not run; if the device is lost, the machine is too noisy or another one, or the user asks to stop.
    pub fn measure(
        &self,
        recorder: &mut Recorder,
        connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
        progress: &mut dyn FnMut(TimingProgress),
    ) -> Result<(), EngineError> {
        let workloads: Vec<Workload> = (0..)
            .zip(&self.networks)
            .map(|(i, (arch, network))| {
                Workload::new(i, Role::Network { arch: arch.clone(), anchor: false }, network.clone())
            })
            .collect();
        let header = self.session.header(&self.header, workloads.len());
        begin(&header, &workloads, recorder)?;
        for (done, workload) in workloads.iter().enumerate() {
            if !recorder.is_replaying() {
                progress(TimingProgress::FirstCall(done, workloads.len()));
            }
            first_call(&header, workload, recorder, connect)?;
        }
        let sessions = WholeSessions { header: &header, first: 0, expected: self.expected.clone() };
        sessions.run(&workloads, self.session, recorder, connect, &mut |process, all, p| {
            progress(TimingProgress::Session(process, all, p));
        })?;
        if self.layers {
            sessions.run_layers(&workloads, self.session, recorder, connect, &mut |p| {
                progress(TimingProgress::Layers(p));
            })?;
        }
        recorder.decide(Event::Complete)?;
        recorder.sync()
    }
}

/// The progress of [`Timings::measure`].
#[derive(Debug, Clone, PartialEq)]
pub enum TimingProgress {
    /// First calls: number done, and total.
    FirstCall(usize, usize),
    /// Number of the process, from 0, number of processes, and the progress of this one.
    Session(u32, u32, Progress),
    /// The layers are timed.
    Layers(Progress),
}

/// The very first run of a network in a fresh process, and its memory.
fn first_call(
    header: &Header,
    workload: &Workload,
    recorder: &mut Recorder,
    connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
) -> Result<(), EngineError> {
    let key = workload.whole_key();
    let event = recorder.next(false, || {
        let mut device = Checked::new(connect()?);
        // An allocator that keeps freed memory would hide it.
        device.configure(&Setup { allocator: Allocator::System, ..setup(header, 0) })?;
        let result = match device.memory(&workload.network) {
            Ok(memory) => Trial::Ran(memory),
            Err(DeviceError::Refused(error)) => Trial::Failed(error),
            Err(error) => return Err(error.into()),
        };
        Ok(Event::Trial { key: key.clone(), graph: workload.network.graph().clone(), result })
    })?;
    match event {
        Event::Trial { key: recorded, result: Trial::Ran(_), .. } if recorded == key => Ok(()),
        Event::Trial { key: recorded, result: Trial::Failed(error), .. } if recorded == key => {
            Err(EngineError::Plan(format!("{} does not run on the device: {error}", workload.describe())))
        }
        _ => Err(EngineError::Replay(format!("expected the first call of {}", workload.describe()))),
    }
}

/// The times of one network. On a device with a queue, all but the first call are of the requested latency.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timing {
    /// Trimmed mean of the clean runs in each process, as the mean over processes, milliseconds. Estimates predict
    /// this.
    pub mean_ms: f64,
    /// 95 % interval of the mean over processes; with one process, around the median of its rounds, so for this process
    /// only.
    pub interval_ms: Option<[f64; 2]>,
    /// Median of all runs, disturbed ones too.
    pub median_ms: f64,
    /// 90 % quantile of all runs.
    pub p90_ms: f64,
    /// 99 % quantile.
    pub p99_ms: f64,
    /// The mean in each process.
    pub processes_ms: Vec<f64>,
    /// Timed runs.
    pub runs: usize,
    /// Preempted runs, which are not in the mean.
    pub disturbed: usize,
    /// Calls in each run, the most in any process. If a network is too short to be timed singly, its quantiles are of
    /// means over this many calls.
    pub calls_per_run: u32,
    /// The very first call in a fresh process, with everything that the runtime prepares then.
    pub first_call_ms: f64,
    /// Most bytes above the process without the network, in a fresh process; absent if the machine does not report it.
    pub peak_memory_bytes: Option<u64>,
}

impl Timing {
    /// Half of the interval's width, relative to the mean; `None` without an interval.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        self.interval_ms.map(|[low, high]| (high - low) / 2.0 / self.mean_ms)
    }
}

/// How each process that timed the networks went. No level is divided out.
///
/// # Errors
/// If the journal is out of order.
pub fn timing_sessions(events: &[Event]) -> Result<Vec<SessionFacts>, LutError> {
    let observations = Observations::new(events)?;
    Ok(observations.sessions.iter().map(|session| session_facts(session, Levelling::None)).collect())
}

/// The times of the networks, in the given order.
///
/// # Errors
/// If a network was not measured.
pub fn timings(events: &[Event]) -> Result<Vec<Timing>, LutError> {
    let observations = Observations::new(events)?;
    observations.workloads.values().map(|workload| timing(workload, &observations)).collect()
}

fn timing(workload: &Workload, observations: &Observations) -> Result<Timing, LutError> {
    let kind = observations.header.timing.unwrap_or_default();
    let WholeTimes { ms, interval, processes_ms, .. } = WholeTimes::of(workload, observations, kind)?;
    let calls = |session: &SessionObservations| session.repeats.get(&workload.id).copied().unwrap_or(1).max(1);
    let mut runs = Vec::new();
    let mut disturbed = 0;
    for session in &observations.sessions {
        let visits = session.visits.iter().map(|(_, visit)| visit).filter(|visit| visit.workload == workload.id);
        for run in visits.flat_map(|visit| timed_runs(visit, kind)) {
            disturbed += usize::from(run.switches > 0);
            runs.extend(run.ns.first().map(|&ns| ns as f64 / f64::from(calls(session)) / 1e6));
        }
    }
    let none = || LutError::NoCleanRun { network: workload.id };
    let at = |q: f64| quantile(&runs, q).ok_or_else(none);
    let Memory { first_ns, network_bytes, .. } = memory(workload, observations)
        .ok_or_else(|| LutError::Incomplete(format!("network {}: no first call", workload.id)))?;
    Ok(Timing {
        mean_ms: ms,
        interval_ms: interval,
        median_ms: median(&runs).ok_or_else(none)?,
        p90_ms: at(0.9)?,
        p99_ms: at(0.99)?,
        processes_ms,
        runs: runs.len(),
        disturbed,
        calls_per_run: observations.sessions.iter().map(calls).max().unwrap_or(1),
        first_call_ms: first_ns as f64 / 1e6,
        peak_memory_bytes: network_bytes,
    })
}

fn memory(workload: &Workload, observations: &Observations) -> Option<Memory> {
    let own = workload.whole_key();
    observations.trials.iter().find_map(|(key, _, trial)| match trial {
        Trial::Ran(memory) if *key == own => Some(memory.clone()),
        _ => None,
    })
}

/// Nanoseconds of the layers of each network in its run with the median time, in the order of networks. Empty unless
/// layers were timed ([`Timings::layers`]).
///
/// # Errors
/// If the journal is out of order.
pub fn layer_times(events: &[Event]) -> Result<Vec<Vec<u64>>, LutError> {
    let observations = Observations::new(events)?;
    let Some(session) = observations.level_sessions.last() else { return Ok(Vec::new()) };
    let of_network = |workload: &Workload| {
        let visits = session.visits.iter().map(|(_, visit)| visit).filter(|visit| visit.workload == workload.id);
        let all: Vec<&Run> = visits.flat_map(|visit| &visit.layers).collect();
        let clean: Vec<&Run> = all.iter().copied().filter(|run| run.switches == 0).collect();
        let mut runs = if clean.is_empty() { all } else { clean };
        runs.sort_by_key(|run| run.ns.iter().fold(0_u64, |sum, &ns| sum.saturating_add(ns)));
        let run = runs.get(runs.len().saturating_sub(1) / 2);
        Ok(run.ok_or(LutError::NoCleanRun { network: workload.id })?.ns.clone())
    };
    observations.workloads.values().map(of_network).collect()
}
