//! The energy pass after all sessions: whole anchor networks and single layers. Each takes seconds, and nothing is timed in
//! this pass.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_graph::{Arch, Graph, LayerKey};

use super::{EngineError, Recorder, Workload};
use crate::journal::{EnergyResult, EnergyTarget, Event, Role};
use crate::protocol::checked::Checked;
use crate::protocol::{Device, DeviceError, Setup};

/// Measures the energy of the anchors and of the layers that run. If energy is not observable, the reason is recorded.
///
/// # Errors
/// If the device is lost, the journal cannot be written, or the user asks to stop.
pub(super) fn run_energy(
    workloads: &[Workload],
    keys: &BTreeMap<LayerKey, (Graph, Arch)>,
    failed: &BTreeSet<LayerKey>,
    setup: &Setup,
    recorder: &mut Recorder,
    connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
    mut progress: impl FnMut(usize, usize),
) -> Result<(), EngineError> {
    let anchors = workloads.iter().filter(|workload| matches!(workload.role, Role::Network { anchor: true, .. }));
    let anchors = anchors.map(|workload| (EnergyTarget::Workload(workload.id), workload.network.graph()));
    let layers = keys.iter().filter(|(key, _)| !failed.contains(*key));
    let layers = layers.map(|(key, (graph, _))| (EnergyTarget::Layer(key.clone()), graph));
    let targets: Vec<(EnergyTarget, &Graph)> = anchors.chain(layers).collect();
    let mut device: Option<Checked> = None;
    for (done, (target, graph)) in targets.iter().enumerate() {
        if !recorder.is_replaying() {
            progress(done, targets.len());
        }
        let event = recorder.next(false, || {
            let device = match &mut device {
                Some(device) => device,
                none => {
                    let mut fresh = Checked::new(connect()?);
                    fresh.configure(setup)?;
                    none.insert(fresh)
                }
            };
            let result = match device.energy(graph) {
                Ok(energy) => EnergyResult::Measured(energy),
                Err(DeviceError::Refused(reason)) => EnergyResult::NotObservable(reason),
                Err(error) => return Err(error.into()),
            };
            Ok(Event::Energy { target: target.clone(), result })
        })?;
        match event {
            Event::Energy { target: recorded, .. } if recorded != *target => {
                return Err(EngineError::Replay(format!("expected the energy of {target:?}")));
            }
            Event::Energy { .. } => {}
            _ => return Err(EngineError::Replay(format!("expected the energy of {target:?}"))),
        }
    }
    Ok(())
}
