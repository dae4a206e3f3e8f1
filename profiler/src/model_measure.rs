//! Measures a model file kernel by kernel. Each session is a fresh process with rounds of plain runs and of runs with timed
//! kernels.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, median};
use thiserror::Error;

use crate::model_kernels::partners;
use crate::model_profile::{ModelProfile, ProfiledSession};
use crate::protocol::{Device, DeviceError, ModelKernel, ModelOpened, ModelRequest, Setup, Visit, VisitRequest};

/// Minimum number of sessions for an interval.
pub const MIN_SESSIONS: u32 = 3;
/// Approximate duration of a visit's runs.
const VISIT_NS: f64 = 300e6;
/// Approximate duration of its untimed runs.
const WARM_UP_NS: f64 = 100e6;

/// The model to measure, and how often.
#[derive(Debug, Clone)]
pub struct ModelPlan {
    /// The agents' setup.
    pub setup: Setup,
    /// The model and its inputs.
    pub request: ModelRequest,
    /// Number of sessions, each a fresh process.
    pub sessions: u32,
    /// Number of visits in each session.
    pub rounds: u32,
}

/// Why a model could not be measured.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The device does not reply, or its runtime refuses the model.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Two sessions ran different kernels.
    #[error("a later session ran other kernels than the first: {0}")]
    Changed(String),
    /// All runs were disturbed.
    #[error("all runs of the model were disturbed: other programs use the processor")]
    Disturbed,
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Measures a model. `connect` returns a fresh agent. `progress` gets the session and the round, and returns whether to
/// continue.
///
/// # Errors
/// If the device is lost, the runtime refuses the model, or all runs were disturbed.
pub fn measure_model(
    plan: &ModelPlan,
    connect: &mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>,
    progress: &mut dyn FnMut(u32, u32) -> bool,
) -> Result<ModelProfile, ModelError> {
    let mut sessions: Vec<ProfiledSession> = Vec::new();
    let mut first: Option<(ModelOpened, BTreeMap<String, String>)> = None;
    for session in 0..plan.sessions.max(MIN_SESSIONS) {
        let mut device = connect()?;
        let fingerprint = device.configure(&Setup { session, ..plan.setup.clone() })?;
        let opened = device.open_model(&plan.request)?;
        let (known, _) = &*first.get_or_insert_with(|| (opened.clone(), fingerprint.facts));
        let places = order(&known.kernels, &opened.kernels)?;
        let (mut kernels, mut whole) = (Vec::new(), Vec::new());
        // The time of a warm run determines how many runs fill a visit.
        let look = VisitRequest {
            sequence: 0,
            workload: 0,
            warm_up_runs: 1,
            layer_runs: 0,
            whole_runs: 2,
            repeat: 1,
            timings: Vec::new(),
        };
        let fastest = device.visit(&look)?.whole.iter().filter_map(|run| run.ns.first()).min().copied();
        let fastest = fastest.unwrap_or(1).max(1) as f64;
        let runs = (VISIT_NS / 4.0 / fastest).clamp(3.0, 40.0) as u32;
        let warm_up_runs = (WARM_UP_NS / fastest).clamp(2.0, 10.0) as u32;
        for round in 0..plan.rounds {
            if !progress(session, round) {
                return Err(ModelError::Interrupted);
            }
            let sequence = u64::from(round) + 1;
            let request = VisitRequest {
                sequence,
                workload: 0,
                warm_up_runs,
                layer_runs: runs,
                whole_runs: runs,
                repeat: 1,
                timings: Vec::new(),
            };
            let visit = device.visit(&request)?;
            let count = known.kernels.len();
            whole.extend(clean_whole(&visit));
            kernels.push(clean_kernels(&visit, count));
        }
        let whole = median(&whole).ok_or(ModelError::Disturbed)?;
        let kernels = places.iter().map(|&k| {
            let rounds: Vec<f64> = kernels.iter().filter_map(|round| round.get(k).copied().flatten()).collect();
            median(&rounds).ok_or(ModelError::Disturbed)
        });
        sessions.push(ProfiledSession { kernels: kernels.collect::<Result<_, _>>()?, whole: Some(whole) });
    }
    let (opened, facts) = first.ok_or(ModelError::Disturbed)?;
    Ok(ModelProfile {
        session_ms: Some(opened.session_ns as f64 / 1e6),
        first_ms: Some(opened.first_ns as f64 / 1e6),
        peak_bytes: opened.peak_bytes,
        ..ModelProfile::of(opened.kernels.into_iter().map(Into::into).collect(), facts, opened.inputs, &sessions)
    })
}

/// For each kernel of the first session, its index in a later session.
fn order(first: &[ModelKernel], later: &[ModelKernel]) -> Result<Vec<usize>, ModelError> {
    let mut places = vec![None; first.len()];
    for (place, partner) in partners(first, later).into_iter().enumerate() {
        let partner = partner.ok_or_else(|| ModelError::Changed(format!("`{}` is new", later[place].name)))?;
        places[partner] = Some(place);
    }
    let found = places.into_iter().zip(first);
    found
        .map(|(place, kernel)| place.ok_or_else(|| ModelError::Changed(format!("`{}` is missing", kernel.name))))
        .collect()
}

fn clean_whole(visit: &Visit) -> Vec<f64> {
    visit.whole.iter().filter(|run| run.switches == 0).filter_map(|run| Some(*run.ns.first()? as f64)).collect()
}

/// Mean time of each kernel over a visit's undisturbed runs.
fn clean_kernels(visit: &Visit, count: usize) -> Vec<Option<f64>> {
    let clean: Vec<_> = visit.layers.iter().filter(|run| run.switches == 0).collect();
    let of = |k: usize| mean(&clean.iter().filter_map(|run| Some(*run.ns.get(k)? as f64)).collect::<Vec<_>>());
    (0..count).map(of).collect()
}
