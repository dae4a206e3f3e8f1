//! Measures whole networks in separate sessions, in a LUT's context: new ones to compare with their predictions, and
//! the LUT's anchors for the level.

use std::collections::BTreeSet;

use nasprof_graph::Arch;
use nasprof_profiler::engine::{EngineError, Progress, Recorder, Workload, first_free_session};
use nasprof_profiler::journal::Role;
use nasprof_profiler::protocol::{Device, DeviceError};
use nasprof_spaces::Space;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::whole_session::{WholeSession, WholeSessions, begin};
use crate::{Estimator, Lut, LutError};

/// Maximum samples to find one network that was not measured before; small spaces may have none left.
const MAX_SAMPLES: usize = 1000;

/// Networks to validate a LUT with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdout {
    /// Networks that the LUT was not made from, drawn uniformly among those that it can predict.
    pub networks: Vec<Arch>,
    /// How many more were drawn that the LUT cannot predict, because it has no entry for one of their layers.
    pub uncovered: usize,
}

/// Draws networks that the LUT was not made from.
///
/// # Errors
/// If the space has too few of them that the LUT can predict.
pub fn holdout_networks(space: &Space, lut: &Lut, count: usize, seed: u64) -> Result<Holdout, LutError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut seen: BTreeSet<Arch> = lut.context.measured.iter().cloned().collect();
    let estimator = Estimator::new(lut);
    let mut holdout = Holdout { networks: Vec::new(), uncovered: 0 };
    while holdout.networks.len() < count {
        let too_few =
            LutError::TooFewNetworks { wanted: count, found: holdout.networks.len(), uncovered: holdout.uncovered };
        let samples = if holdout.uncovered < MAX_SAMPLES * (1 + holdout.networks.len()) { MAX_SAMPLES } else { 0 };
        let arch = (0..samples).map(|_| space.sample(&mut rng)).find(|arch| !seen.contains(arch)).ok_or(too_few)?;
        seen.insert(arch.clone());
        if estimator.predicts(space, &arch) {
            holdout.networks.push(arch);
        } else {
            holdout.uncovered += 1;
        }
    }
    Ok(holdout)
}

/// Measures the LUT's anchors and these networks whole, in the processes that the session sets. Progress comes with the
/// number of the process, from 0, and the number of processes. The recorder then has the events, for
/// [`crate::validate`] and [`crate::level_now`].
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
    // Separate session numbers: a synthetic device must not repeat a session of the LUT.
    let first = first_free_session(&lut.context.header).saturating_add((session.seed % 1000) as u32);
    let header = session.header(&lut.context.header, workloads.len());
    begin(&header, &workloads, recorder)?;
    let sessions = WholeSessions { header: &header, first, expected: Some(lut.context.facts.clone()) };
    sessions.run(&workloads, session, recorder, connect, progress)
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
