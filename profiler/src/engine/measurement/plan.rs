//! The plan of a measurement: tries every layer, then chooses networks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nasprof_graph::LayerKey;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::super::budget::{self, Costs};
use super::super::keys::Witness;
use super::super::setup::setup;
use super::super::{
    EngineError, Recorder, Workload, keys_of_space, layer_workloads, network_workloads, run_trials, select_shard,
};
use super::request::{Measurement, Stage};
use crate::journal::{Event, Mode, Role};
use crate::protocol::{Device, DeviceError};

/// Time to load a layer, and to visit it, as a fraction of its trial, including reports and the process's start: measured on a
/// 2-core virtual machine. Used until the first session provides real durations.
const LOADING_PER_TRIAL: f64 = 0.03;
const VISIT_PER_TRIAL: f64 = 0.03;

/// The workloads and their costs.
pub(super) struct Plan {
    pub(super) workloads: Vec<Workload>,
    pub(super) keys: BTreeMap<LayerKey, Witness>,
    pub(super) failed: BTreeSet<LayerKey>,
    pub(super) costs: Costs,
}

/// Tries every layer, then decides which workloads the sessions load.
pub(super) fn plan(
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
        // Checked before the trials, so that they do not run in vain.
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
    // The trial ran every layer twice with a cold cache; a visit runs every layer of a network about a dozen times with a
    // warm cache.
    let per_layer = tried.elapsed().as_secs_f64() / keys.len().max(1) as f64;
    let layers = workloads.iter().map(|workload| workload.keys().len()).sum::<usize>() as f64;
    costs.loading = per_layer * layers * LOADING_PER_TRIAL;
    costs.round = per_layer * layers * VISIT_PER_TRIAL;
    let anchors = workloads.iter().filter(|w| matches!(w.role, Role::Network { anchor: true, .. })).count();
    costs.anchors = anchors as f64 / workloads.len().max(1) as f64;
    Ok(Plan { workloads, keys, failed, costs })
}
