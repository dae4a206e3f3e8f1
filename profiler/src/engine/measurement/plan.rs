//! The plan of a measurement: tries every layer, then chooses networks.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_graph::LayerKey;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::super::budget::{self, Costs};
use super::super::keys::Witness;
use super::super::plan::sampled_networks;
use super::super::setup::setup;
use super::super::{
    EngineError, Recorder, Workload, keys_of_space, layer_workloads, network_workloads, run_trials, select_shard,
};
use super::request::{Measurement, Stage};
use crate::backend::is_gpu;
use crate::journal::{Event, Mode, Role, Trial};
use crate::protocol::{Device, DeviceError};

/// A layer's first call in the trial, over its time inside a network: the runtime prepares each kernel. With libtorch on 2-core
/// virtual machines it was between 6 and 26 for the layers of a network together.
const FIRST_CALL: f64 = 12.0;

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
    let sampled = sampled_networks(header.runtime, is_gpu(&header.backend));
    if !recorder.is_replaying() {
        // Checked before the trials, so that they do not run in vain: processes and warm-ups take this on any device.
        let usual = costs.usual(sampled, keys.len()).least();
        budget::check(measurement.deadline, recorder.clock().now(), costs.least(), usual)?;
    }
    let failed = run_trials(&keys, &setup(header, 0), recorder, connect, |done, all| {
        progress(Stage::Trial(done, all));
    })?;
    let mut workloads = match header.mode {
        Mode::Isolated => layer_workloads(&keys, &failed),
        Mode::InContext | Mode::Whole => {
            network_workloads(measurement.space, header.runtime, sampled, &keys, &failed, &mut rng)?
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
    let first = first_calls(recorder.events());
    costs.visit(workloads.iter().map(|workload| {
        let known = |key| first.get(key).copied().unwrap_or_default();
        workload.keys().map(known).sum::<f64>() / FIRST_CALL
    }));
    let anchors = workloads.iter().filter(|w| matches!(w.role, Role::Network { anchor: true, .. })).count();
    costs.anchors = anchors as f64 / workloads.len().max(1) as f64;
    Ok(Plan { workloads, keys, failed, costs })
}

/// Seconds of the first call of each layer that runs.
fn first_calls(events: &[Event]) -> BTreeMap<LayerKey, f64> {
    let ran = |event: &Event| match event {
        Event::Trial { key, result: Trial::Ran(memory), .. } => Some((key.clone(), memory.first_ns as f64 / 1e9)),
        _ => None,
    };
    events.iter().filter_map(ran).collect()
}
