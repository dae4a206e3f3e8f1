//! The networks of a measurement that were timed whole in every session.

use std::collections::BTreeMap;

use nasprof_graph::LayerKey;
use nasprof_profiler::engine::Workload;
use nasprof_profiler::journal::{EnergyResult, EnergyTarget, Role};
use nasprof_profiler::protocol::Energy as Counted;

use crate::energy::power_w;
use crate::key_session::KeySession;
use crate::occurrences::LeftOut;
use crate::{Anchor, Energy, NetworkTime, Observations};

/// Anchors that were measured in every session, with sums from the other networks.
pub(crate) fn anchors(
    all: &Observations,
    by_key: &[BTreeMap<LayerKey, KeySession>],
    levels: &[BTreeMap<LayerKey, KeySession>],
    left_out: &BTreeMap<u32, LeftOut>,
) -> Vec<Anchor> {
    let anchor = |workload: &Workload| {
        let Role::Network { arch, anchor: true } = &workload.role else { return None };
        Some(Anchor {
            arch: arch.clone(),
            sessions_ns: sessions_ns(workload, by_key)?,
            level_sessions_ns: sessions_ns(workload, levels)?,
            sum_ns: left_out.get(&workload.id)?.sum_ns,
            layers: workload.keys().len(),
            energy: energy(all, &EnergyTarget::Workload(workload.id)),
            power_w: counted(all, &EnergyTarget::Workload(workload.id)).and_then(power_w),
            layers_energy_mj: layers_energy(all, workload),
        })
    };
    all.workloads.values().filter_map(anchor).collect()
}

/// All networks that were measured whole in every session.
pub(crate) fn networks(all: &Observations, by_key: &[BTreeMap<LayerKey, KeySession>]) -> Vec<NetworkTime> {
    let network = |workload: &Workload| {
        let Role::Network { arch, .. } = &workload.role else { return None };
        Some(NetworkTime { arch: arch.clone(), sessions_ns: sessions_ns(workload, by_key)? })
    };
    all.workloads.values().filter_map(network).collect()
}

/// A network's time in each session; `None` unless all have it.
fn sessions_ns(workload: &Workload, sessions: &[BTreeMap<LayerKey, KeySession>]) -> Option<Vec<f64>> {
    sessions.iter().map(|keys| keys.get(&workload.whole_key())?.value()).collect()
}

fn layers_energy(all: &Observations, workload: &Workload) -> Option<f64> {
    workload.keys().map(|key| Some(energy(all, &EnergyTarget::Layer(key.clone()))?.energy_mj)).sum()
}

pub(crate) fn energy(all: &Observations, target: &EnergyTarget) -> Option<Energy> {
    Energy::of(counted(all, target)?)
}

fn counted<'a>(all: &'a Observations, target: &EnergyTarget) -> Option<&'a Counted> {
    match all.energy.iter().find(|(of, _)| of == target)? {
        (_, EnergyResult::Measured(counted)) => Some(counted),
        (_, EnergyResult::NotObservable(_)) => None,
    }
}
