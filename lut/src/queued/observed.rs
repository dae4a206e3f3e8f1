//! Observations of latencies other than `queue`, in sessions on a processor with a queue.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, student_t_95, trimmed_mean};
use nasprof_graph::LayerKey;
use nasprof_profiler::engine::{Workload, timed_samples};
use nasprof_profiler::journal::Role;
use nasprof_profiler::protocol::Timing;

use super::calibration::{TimingAnchor, TimingCalibration};
use super::fit::{Example, fit, rms};
use super::two_queues::LaunchedLayer;
use crate::occurrences::Occurrences;
use crate::variance::{Variance, VariancePrior};
use crate::{Observations, ReusePoint, SessionObservations};

/// Fewest networks for a calibration, as for `queue`.
const FEWEST: usize = 4;

/// The processor's mean time to launch each layer, as the mean over its occurrences; absent for a layer that no visit
/// launched.
pub(crate) fn launches(observations: &Observations) -> BTreeMap<LayerKey, f64> {
    let occurrences = launch_occurrences(observations);
    let keys = observations.workloads.values().flat_map(Workload::keys);
    keys.filter_map(|key| Some((key.clone(), mean_ns(&occurrences.points(key, None))?))).collect()
}

/// The calibrations of the measured latencies other than `queue`. `kernels` has the GPU's times of the layers,
/// The priors say how much the GPU's level and its host's differ from one occasion to another.
pub(crate) fn timings(
    observations: &Observations,
    kernels: &Occurrences<'_>,
    [of_gpu, of_host]: [VariancePrior; 2],
) -> Vec<TimingCalibration> {
    let launches = launch_occurrences(observations);
    let ended = |sessions: &'_ [SessionObservations]| -> Vec<usize> {
        (0..sessions.len()).filter(|&i| sessions[i].end.is_some()).collect()
    };
    let sessions: Vec<&SessionObservations> = ended(&observations.sessions)
        .into_iter()
        .map(|i| &observations.sessions[i])
        .chain(ended(&observations.level_sessions).into_iter().map(|i| &observations.level_sessions[i]))
        .collect();
    let of_layers = ended(&observations.sessions).len();
    let one = |(timing, prior)| of_timing(timing, observations, (kernels, &launches), (&sessions, of_layers), prior);
    [(Timing::Graph, of_gpu), (Timing::Wall, of_host)].into_iter().filter_map(one).collect()
}

fn of_timing(
    timing: Timing,
    observations: &Observations,
    (kernels, launches): (&Occurrences<'_>, &Occurrences<'_>),
    (sessions, of_layers): (&[&SessionObservations], usize),
    prior: VariancePrior,
) -> Option<TimingCalibration> {
    let mut calibration = TimingCalibration {
        timing,
        scale: 1.0,
        layer_ns: 0.0,
        call_ns: 0.0,
        networks: 0,
        leave_one_out: 0.0,
        shape_half_width: 0.0,
        level_half_width: 0.0,
        anchors: Vec::new(),
    };
    let mut examples = Vec::new();
    let mut levels: Vec<Vec<f64>> = vec![Vec::new(); sessions.len()];
    for workload in observations.workloads.values().filter(|workload| !workload.is_layer()) {
        let of_sessions: Vec<Option<f64>> =
            sessions.iter().map(|session| whole_ns(session, workload, timing)).collect();
        let Some(whole_ns) =
            of_sessions[..of_layers].iter().copied().collect::<Option<Vec<_>>>().and_then(|all| mean(&all))
        else {
            continue;
        };
        // As in an estimate of a network that was never measured: from the layers' occurrences in the others.
        let layer = |key: &LayerKey| {
            let elsewhere = |of: &Occurrences<'_>| mean_ns(&of.points(key, Some(workload.id)));
            let launch_ns = if timing == Timing::Wall { elsewhere(launches)? } else { 0.0 };
            Some(LaunchedLayer { launch_ns, kernel_ns: elsewhere(kernels)? })
        };
        let Some(layers) = workload.keys().map(layer).collect::<Option<Vec<_>>>() else { continue };
        let (time_ns, count) = (calibration.times(layers).sum(), workload.keys().len());
        examples.push(Example { time_ns, layers: count as f64, whole_ns });
        if let Role::Network { arch, anchor: true } = &workload.role {
            calibration.anchors.push(TimingAnchor { arch: arch.clone(), time_ns, layers: count });
            levels.iter_mut().zip(of_sessions).for_each(|(level, ns)| level.extend(ns.map(f64::ln)));
        }
    }
    if examples.len() < FEWEST {
        return None;
    }
    let (parts, errors) = fit(&examples)?;
    let anchors = calibration.anchors.len();
    let levels: Vec<f64> =
        levels.iter().filter(|level| level.len() == anchors && anchors > 0).filter_map(|level| mean(level)).collect();
    let n = examples.len() as f64;
    Some(TimingCalibration {
        scale: parts.scale,
        layer_ns: parts.layer_ns,
        call_ns: parts.call_ns,
        networks: examples.len(),
        leave_one_out: rms(&errors),
        shape_half_width: student_t_95(errors.len() - 1) * rms(&errors) * (1.0 + 1.0 / n).sqrt(),
        level_half_width: Variance::of(&levels, prior).prediction_half_width(),
        ..calibration
    })
}

/// The times of a whole network in a session.
fn whole_ns(session: &SessionObservations, workload: &Workload, timing: Timing) -> Option<f64> {
    let repeat = session.repeats.get(&workload.id).copied().unwrap_or(1);
    let visits = session.visits.iter().filter(|(_, visit)| visit.workload == workload.id);
    trimmed_mean(&visits.flat_map(|(_, visit)| timed_samples(visit, timing, repeat)).collect::<Vec<_>>())
        .filter(|ns| *ns > 0.0)
}

fn launch_occurrences(observations: &Observations) -> Occurrences<'_> {
    let mut samples: BTreeMap<(u32, usize), Vec<Vec<f64>>> = BTreeMap::new();
    for session in observations.sessions.iter().filter(|session| session.end.is_some()) {
        let mut own: BTreeMap<(u32, usize), Vec<f64>> = BTreeMap::new();
        for (_, visit) in &session.visits {
            for run in visit.queued.iter().flat_map(|queued| &queued.launches).filter(|run| run.switches == 0) {
                for (position, ns) in run.ns.iter().enumerate() {
                    own.entry((visit.workload, position)).or_default().push(*ns as f64);
                }
            }
        }
        own.into_iter().for_each(|(place, all)| samples.entry(place).or_default().push(all));
    }
    Occurrences::new(observations.workloads.values(), |workload, position| {
        let sessions = samples.get(&(workload.id, position))?;
        mean(&sessions.iter().filter_map(|all| trimmed_mean(all)).collect::<Vec<_>>())
    })
}

fn mean_ns(points: &[ReusePoint]) -> Option<f64> {
    let count: u64 = points.iter().map(|point| point.occurrences).sum();
    let sum: f64 = points.iter().map(|point| point.occurrences as f64 * point.mean_ns).sum();
    (count > 0).then(|| sum / count as f64)
}
