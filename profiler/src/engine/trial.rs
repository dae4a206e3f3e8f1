//! The trial: every layer runs once alone in a fresh process. It finds layers that do not run, and measures the first call
//! and the memory of each layer. No later timing shares a process with the trial.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_graph::{Arch, Graph, LayerKey};

use super::{EngineError, Recorder};
use crate::journal::{Event, Trial};
use crate::protocol::checked::Checked;
use crate::protocol::{Allocator, Device, DeviceError, Setup};

/// Runs every key once and returns the failed keys.
///
/// # Errors
/// If the device is lost, the journal cannot be written, or the user asks to stop.
pub fn run_trials(
    keys: &BTreeMap<LayerKey, (Graph, Arch)>,
    setup: &Setup,
    recorder: &mut Recorder,
    connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
    mut progress: impl FnMut(usize, usize),
) -> Result<BTreeSet<LayerKey>, EngineError> {
    let mut device: Option<Checked> = None;
    let mut failed = BTreeSet::new();
    for (done, (key, (graph, _))) in keys.iter().enumerate() {
        if !recorder.is_replaying() {
            progress(done, keys.len());
        }
        let event = recorder.next(false, || {
            let device = match &mut device {
                Some(device) => device,
                none => {
                    let mut fresh = Checked::new(connect()?);
                    // With retained memory, a layer would reuse freed blocks and show no memory of its own.
                    fresh.configure(&Setup { allocator: Allocator::System, ..setup.clone() })?;
                    none.insert(fresh)
                }
            };
            let result = match device.memory(graph) {
                Ok(memory) => Trial::Ran(memory),
                Err(DeviceError::Refused(error)) => Trial::Failed(error),
                Err(error) => return Err(error.into()),
            };
            Ok(Event::Trial { key: key.clone(), graph: graph.clone(), result })
        })?;
        match event {
            Event::Trial { key: recorded, result, .. } if recorded == *key => {
                if matches!(result, Trial::Failed(_)) {
                    failed.insert(recorded);
                }
            }
            _ => return Err(EngineError::Replay(format!("expected the trial of {key}"))),
        }
    }
    Ok(failed)
}
