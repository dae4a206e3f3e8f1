//! Measures whole networks in separate sessions, in a LUT's context: new ones to compare with their predictions, and
//! the LUT's anchors for the level.

use std::collections::BTreeSet;

use nasprof_graph::Arch;
use nasprof_profiler::engine::{
    EngineError, Gate, Progress, Recorder, SessionPlan, Workload, first_free_session, run_session, setup,
};
use nasprof_profiler::journal::{Event, Header, Mode, Role};
use nasprof_profiler::protocol::{Device, DeviceError};
use nasprof_spaces::Space;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{Lut, LutError};

/// Rounds of such a session: until all have converged, at the earliest at the second checkpoint, so that intervals exist. A
/// network that is told much less well than the layers would be counted as an error of the LUT.
const MIN_ROUNDS: u32 = 12;
/// Half-width to which each network is measured: what is asked of all together is not asked of each.
const NETWORK_WIDTH: f64 = 0.02;
/// Samples spent on a network that was not measured before, in small spaces.
const MAX_SAMPLES: usize = 1000;

/// Architectures that the LUT was not made from, drawn uniformly.
///
/// # Errors
/// If the space has too few of them.
pub fn holdout_networks(space: &Space, lut: &Lut, count: usize, seed: u64) -> Result<Vec<Arch>, LutError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut seen: BTreeSet<Arch> = lut.context.measured.iter().cloned().collect();
    let mut archs = Vec::new();
    for _ in 0..count {
        let arch = (0..MAX_SAMPLES)
            .map(|_| space.sample(&mut rng))
            .find(|arch| !seen.contains(arch))
            .ok_or(LutError::TooFewNetworks { wanted: count, found: archs.len() })?;
        seen.insert(arch.clone());
        archs.push(arch);
    }
    Ok(archs)
}

/// Measures the LUT's anchors and these networks whole, in the processes that the session says. Progress comes with the number
/// of the process, from 0, and how many there are. The recorder then has the events, for [`crate::validate`] and [`crate::level_now`].
///
/// # Errors
/// If a network cannot be built, the device is lost, the machine is too noisy or another one, or the user asks to stop.
pub fn measure_whole(
    (lut, space): (&Lut, &Space),
    networks: &[Arch],
    session: WholeSession,
    recorder: &mut Recorder,
    connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
    progress: &mut dyn FnMut(u32, u32, Progress),
) -> Result<(), EngineError> {
    let workloads = workloads(lut, space, networks)?;
    let sessions: Vec<Vec<Workload>> = match session.processes {
        Processes::OneEach => workloads.iter().map(|workload| vec![workload.clone()]).collect(),
        Processes::All(count) => vec![workloads.clone(); count.max(1) as usize],
    };
    let header = Header {
        mode: Mode::Whole,
        seed: session.seed,
        sessions: sessions.len() as u32,
        allow_noisy: session.gate.allow_noisy,
        ..lut.context.header.clone()
    };
    recorder.decide(Event::Header(Box::new(header.clone())))?;
    for Workload { id, role, network } in workloads {
        let graph = network.into_graph();
        recorder.decide(Event::Workload { workload: id, role, graph })?;
    }
    // Session numbers of their own: a synthetic device must not repeat a session of the LUT.
    let first = first_free_session(&lut.context.header).saturating_add((session.seed % 1000) as u32);
    for (workloads, number) in sessions.into_iter().zip(first..) {
        let plan = SessionPlan {
            workloads,
            mode: Mode::Whole,
            ci: NETWORK_WIDTH,
            min_rounds: MIN_ROUNDS.min(session.max_rounds),
            max_rounds: session.max_rounds,
            gate: session.gate,
            deadline: None,
            setup: setup(&header, number),
            expected: Some(lut.context.facts.clone()),
        };
        run_session(&plan, recorder, connect, &mut |p| progress(number - first, header.sessions, p))?;
    }
    Ok(())
}

/// Which networks share a process, and with it the blocks of memory that others have freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes {
    /// Each in its own, as a deployed program has one network.
    OneEach,
    /// All in each of so many: a slow minute falls on all of them alike. Level and blocks of memory differ from process to
    /// process, and the mean over several differs less.
    All(u32),
}

/// How networks are measured whole.
#[derive(Debug, Clone, Copy)]
pub struct WholeSession {
    /// Which share a process.
    pub processes: Processes,
    /// Rounds at most; where fewer do, it ends earlier.
    pub max_rounds: u32,
    /// Seed of the order of visits.
    pub seed: u64,
    /// How a busy machine is treated.
    pub gate: Gate,
}

/// The anchors, then the networks.
fn workloads(lut: &Lut, space: &Space, networks: &[Arch]) -> Result<Vec<Workload>, EngineError> {
    let anchors = lut.context.anchors.iter().map(|a| (&a.arch, true));
    let all = anchors.chain(networks.iter().map(|arch| (arch, false)));
    all.enumerate()
        .map(|(i, (arch, anchor))| {
            let graph = lut.context.header.runtime.subnet(&space.graph, arch);
            let graph = graph.map_err(|e| EngineError::Plan(e.to_string()))?;
            Ok(Workload::new(i as u32, Role::Network { arch: arch.clone(), anchor }, graph))
        })
        .collect()
}
