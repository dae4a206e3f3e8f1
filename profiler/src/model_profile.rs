//! Measures a model file kernel by kernel: sessions of fresh processes, in each of them rounds of plain runs and of runs whose
//! kernels are timed, in turn.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, mean_half_width, median};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model_kernels::partners;
use crate::protocol::{Device, DeviceError, ModelKernel, ModelOpened, ModelRequest, Setup, Visit, VisitRequest};

/// Sessions from which an interval can be made.
pub const MIN_SESSIONS: u32 = 3;
/// A visit's runs last about this long.
const VISIT_NS: f64 = 300e6;
/// Untimed runs last about this long.
const WARM_UP_NS: f64 = 100e6;

/// What is measured and how often.
#[derive(Debug, Clone)]
pub struct ModelPlan {
    /// What the agents set up.
    pub setup: Setup,
    /// The model and its inputs.
    pub request: ModelRequest,
    /// Fresh processes.
    pub sessions: u32,
    /// Visits in each of them.
    pub rounds: u32,
}

/// Why a model could not be measured.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The device does not answer, or its runtime refuses the model.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Two sessions ran different kernels.
    #[error("a later session ran other kernels than the first: {0}")]
    Changed(String),
    /// No run was undisturbed.
    #[error("no run of the model was undisturbed: other programs use the processor")]
    Disturbed,
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A time in milliseconds with its 95 % interval for another session.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ModelTime {
    /// Mean over sessions.
    pub ms: f64,
    /// Interval of the mean, from the sessions' spread.
    pub interval_ms: [f64; 2],
}

/// A kernel, as far as the runtime tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfiledKernel {
    /// Name of its node: what was fused into it is often part of the name.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Execution provider that runs it; empty where the runtime has one only, or does not say.
    #[serde(default)]
    pub provider: String,
    /// Types and shapes of its inputs, as far as they are told.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Types and shapes of its outputs, as far as they are told.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Bytes of its parameters, where they are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_bytes: Option<u64>,
}

impl From<ModelKernel> for ProfiledKernel {
    fn from(kernel: ModelKernel) -> Self {
        let ModelKernel { name, operator, provider, inputs, outputs, parameter_bytes } = kernel;
        Self { name, operator, provider, inputs, outputs, parameter_bytes: Some(parameter_bytes) }
    }
}

/// One kernel's part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KernelPart {
    /// The kernel.
    #[serde(flatten)]
    pub kernel: ProfiledKernel,
    /// Its time in a plain run: as timed, less what timing takes.
    #[serde(flatten)]
    pub time: ModelTime,
    /// Its share of the sum of all.
    pub share: f64,
}

/// A measured model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelProfile {
    /// The device's facts.
    pub facts: BTreeMap<String, String>,
    /// The inputs in words.
    pub inputs: Vec<String>,
    /// The kernels, in the order they run.
    pub kernels: Vec<KernelPart>,
    /// A plain run, where one was timed.
    pub whole: Option<ModelTime>,
    /// Sum of the kernels as they were timed, milliseconds.
    pub timed_sum_ms: f64,
    /// What timing takes of each kernel, nanoseconds: the same for all, so that they add up to a plain run.
    pub timer_ns: f64,
    /// Sum of the kernels' parts over a plain run, minus one.
    pub sum_error: Option<f64>,
    /// Milliseconds of making a session.
    pub session_ms: Option<f64>,
    /// Milliseconds of the first run.
    pub first_ms: Option<f64>,
    /// Most bytes above the process without the model.
    pub peak_bytes: Option<u64>,
}

/// One session's means, nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfiledSession {
    /// Of each kernel, as it was timed.
    pub kernels: Vec<f64>,
    /// Of a plain run, where one was timed.
    pub whole: Option<f64>,
}

/// Measures a model. `connect` gives a fresh agent; `progress` hears of sessions and rounds, and says whether to go on.
///
/// # Errors
/// If the device is lost, the runtime refuses the model, or nothing was measured undisturbed.
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
        // The second run says how many runs fill a visit.
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

/// Where a later session has each kernel of the first.
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

/// Mean of each kernel over a visit's undisturbed runs.
fn clean_kernels(visit: &Visit, count: usize) -> Vec<Option<f64>> {
    let clean: Vec<_> = visit.layers.iter().filter(|run| run.switches == 0).collect();
    let of = |k: usize| mean(&clean.iter().filter_map(|run| Some(*run.ns.get(k)? as f64)).collect::<Vec<_>>());
    (0..count).map(of).collect()
}

impl ModelProfile {
    /// Of kernels that all sessions timed. What timing takes is told only where plain runs were timed as well.
    #[must_use]
    pub fn of(
        kernels: Vec<ProfiledKernel>,
        facts: BTreeMap<String, String>,
        inputs: Vec<String>,
        sessions: &[ProfiledSession],
    ) -> Self {
        let wholes: Option<Vec<f64>> = sessions.iter().map(|session| session.whole).collect();
        let whole = wholes.filter(|wholes| !wholes.is_empty()).map(|wholes| time(&wholes));
        // Each session's own cost of timing: machines are faster in one than in another.
        let part = |session: &ProfiledSession| match session.whole.filter(|_| whole.is_some()) {
            Some(whole) => without_timer(&session.kernels, whole),
            None => (0.0, session.kernels.clone()),
        };
        let parts: Vec<(f64, Vec<f64>)> = sessions.iter().map(part).collect();
        let kernel_time = |k: usize| time(&parts.iter().map(|(_, kernels)| kernels[k]).collect::<Vec<_>>());
        let times: Vec<ModelTime> = (0..kernels.len()).map(kernel_time).collect();
        let sum: f64 = times.iter().map(|t| t.ms).sum();
        let timed: Vec<f64> = sessions.iter().map(|s| s.kernels.iter().sum::<f64>()).collect();
        let timers: Vec<f64> = parts.iter().map(|(timer, _)| *timer).collect();
        let kernels = kernels.into_iter().zip(times);
        Self {
            facts,
            inputs,
            kernels: kernels.map(|(kernel, time)| KernelPart { kernel, time, share: time.ms / sum }).collect(),
            whole,
            timed_sum_ms: mean(&timed).unwrap_or(0.0) / 1e6,
            timer_ns: mean(&timers).unwrap_or(0.0),
            sum_error: whole.map(|whole| sum / whole.ms - 1.0),
            session_ms: None,
            first_ms: None,
            peak_bytes: None,
        }
    }
}

/// What timing takes of each kernel, and the kernels without it: as much off each as makes them add up to the whole, but no
/// kernel below a tenth of what was timed. A sum that is too small stays so: the rest is not any kernel's.
fn without_timer(kernels: &[f64], whole: f64) -> (f64, Vec<f64>) {
    let less = |timer: f64| kernels.iter().map(|&ns| (ns - timer).max(0.1 * ns)).collect::<Vec<f64>>();
    let (mut low, mut high) = (0.0, kernels.iter().copied().fold(0.0, f64::max));
    if kernels.iter().sum::<f64>() <= whole {
        return (0.0, kernels.to_vec());
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if less(middle).iter().sum::<f64>() > whole { low = middle } else { high = middle }
    }
    (high, less(high))
}

fn time(sessions_ns: &[f64]) -> ModelTime {
    let center = mean(sessions_ns).unwrap_or(0.0);
    let half = mean_half_width(sessions_ns).unwrap_or(0.0);
    ModelTime { ms: center / 1e6, interval_ms: [(center - half).max(0.0) / 1e6, (center + half) / 1e6] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_off_where_no_plain_run_was_timed() {
        let kernel = |name: &str| ProfiledKernel {
            name: name.to_owned(),
            operator: "Conv".to_owned(),
            provider: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            parameter_bytes: None,
        };
        let of = |whole: Option<f64>| {
            let session = |more: f64| ProfiledSession { kernels: vec![30e6 + more, 10e6 + more], whole };
            let kernels = vec![kernel("a"), kernel("b")];
            ModelProfile::of(kernels, BTreeMap::new(), Vec::new(), &[session(0.0), session(2e6), session(4e6)])
        };
        let alone = of(None);
        assert_eq!((alone.whole, alone.sum_error, alone.timer_ns), (None, None, 0.0));
        assert!((alone.kernels[0].time.ms - 32.0).abs() < 1e-9 && alone.kernels[0].time.interval_ms[0] < 32.0);
        // The control.
        let with = of(Some(40e6));
        assert!(with.timer_ns > 0.0 && with.sum_error.unwrap().abs() < 1e-6, "{with:?}");
    }

    #[test]
    fn what_timing_takes_is_the_same_for_all_kernels() {
        let truth = [40.0, 10.0, 5.0];
        let timed: Vec<f64> = truth.iter().map(|ns| ns + 2.0).collect();
        let (timer, kernels) = without_timer(&timed, 55.0);
        assert!((timer - 2.0).abs() < 1e-6);
        for (found, expected) in kernels.iter().zip(truth) {
            assert!((found - expected).abs() < 1e-6);
        }
        // A control: nothing is taken off what is too small already.
        assert_eq!(without_timer(&truth, 60.0), (0.0, truth.to_vec()));
        // No kernel becomes nothing.
        assert!(without_timer(&[1.0, 100.0], 50.0).1[0] >= 0.1);
    }
}
