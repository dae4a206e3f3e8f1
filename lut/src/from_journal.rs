//! Makes a LUT from a journal, as a pure function.

use std::collections::BTreeMap;

use nasprof_base::Whole;
use nasprof_base::statistics::{mean, trimmed_mean};
use nasprof_graph::cost::op_cost;
use nasprof_graph::key::{attributes, input_shapes};
use nasprof_graph::{Graph, LayerKey};
use nasprof_profiler::engine::{Known, Precision, RoundValues, Shares, scale_half_width};
use nasprof_profiler::journal::{EnergyTarget, Event, Mode, Role, Trial};
use nasprof_profiler::protocol::{Probe, Timing};

use crate::anchors::{anchors, energy, networks};
use crate::calibration::{Form, level_prior};
use crate::key_session::KeySession;
use crate::layer_rounds::{LayerRounds, round_values};
use crate::layer_times::{collect, flag_width, flags, times};
use crate::occurrences::{LeftOut, Occurrences};
use crate::parts::{Parts, shortest_ns};
use crate::queued::{at_usual_speed, launches, timings, without_marks};
use crate::session_facts::session_facts;
use crate::sessions::SessionLevels;
use crate::size_effect::{Example, fit};
use crate::{
    Calibration, Context, FORMAT_VERSION, Lut, LutError, Observations, Queued, Reconciliation, Row, SessionFacts,
    SessionObservations, SizeEffect, Times,
};

/// Makes a LUT from the events of a journal.
///
/// # Errors
/// If the journal holds no complete session.
pub fn from_journal(events: &[Event]) -> Result<Lut, LutError> {
    let observations = Observations::new(events)?;
    if observations.header.mode == Mode::Whole {
        return Err(LutError::Incomplete("only whole networks were timed, no layers".to_owned()));
    }
    from_observations(&observations)
}

pub(crate) fn from_observations(observations: &Observations) -> Result<Lut, LutError> {
    match without_marks(observations)? {
        Some((mut without, timer_ns)) => {
            at_usual_speed(&mut without);
            of_sessions(&without, Some(timer_ns))
        }
        None => of_sessions(observations, None),
    }
}

/// `timer_ns`: the time subtracted from every layer on a device with a queue.
fn of_sessions(observations: &Observations, timer_ns: Option<f64>) -> Result<Lut, LutError> {
    let sessions: Vec<&SessionObservations> = observations.sessions.iter().filter(|s| s.end.is_some()).collect();
    let first = sessions.first().ok_or_else(|| LutError::Incomplete("no session was completed".to_owned()))?;
    let values: Vec<RoundValues> = sessions.iter().map(|s| round_values(observations, s)).collect();
    let by_key: Vec<BTreeMap<LayerKey, KeySession>> =
        sessions.iter().zip(&values).map(|(s, values)| collect(observations, s, values)).collect();
    let levels = SessionLevels::of(&by_key);
    let occurrences = Occurrences::new(observations.workloads.values(), |workload, position| {
        let key = workload.keys().nth(position).cloned().unwrap_or_else(|| workload.whole_key());
        let samples = |keys: &BTreeMap<LayerKey, KeySession>| {
            keys.get(&key).and_then(|seen| trimmed_mean(seen.occurrences.get(&(workload.id, position))?))
        };
        mean(&by_key.iter().filter_map(samples).collect::<Vec<_>>())
    });
    let sampling = occurrences.sampling();
    let facts: Vec<SessionFacts> =
        sessions.iter().zip(&values).map(|(s, values)| session_facts(s, values.levelling)).collect();
    let rounds = LayerRounds::of(observations.trials.iter().map(|(key, ..)| key), &levels, &values);
    let mut rows: Vec<Row> = observations
        .trials
        .iter()
        .filter(|(key, _, trial)| observations.has_row(key, trial))
        .map(|(key, graph, trial)| {
            let mut row = static_row(key, graph, observations.header.mode);
            match trial {
                // CSV cannot distinguish an empty text from an absent one.
                Trial::Failed(error) if error.is_empty() => row.error = Some("the device gave no reason".to_owned()),
                Trial::Failed(error) => row.error = Some(error.clone()),
                Trial::Ran(memory) => {
                    row.peak_memory_bytes = memory.peak_bytes;
                    row.stored_bytes = memory.stored_bytes;
                    row.first_call_ns = Some(memory.first_ns);
                    row.energy = energy(observations, &EnergyTarget::Layer(key.clone()));
                    let seen: Vec<(usize, &KeySession)> =
                        by_key.iter().enumerate().filter_map(|(i, keys)| Some((i, keys.get(key)?))).collect();
                    let rounds = &rounds[key];
                    row.times = times(&seen, &levels, rounds, occurrences.points(key, None));
                    if let (Some(times), Some(sampling)) = (&mut row.times, sampling.get(key)) {
                        times.widen(*sampling);
                    }
                    row.flags = flags(&seen, &levels, rounds, &facts);
                    if row.times.is_none() {
                        row.error = Some(match observations.refusal(key) {
                            Some(reason) => format!("runs alone, but its networks were refused: {reason}"),
                            None => "no clean sample was measured".to_owned(),
                        });
                    }
                }
            }
            row
        })
        .collect();
    levels.widen(&mut rows);
    let (bandwidth, mut left_out) = occurrences.best_bandwidth();
    let wholes = wholes(observations, &left_out);
    // The cost of marks on a device with a queue was already subtracted, for each session separately.
    let parts = match timer_ns {
        Some(_) => Parts::nothing(wholes.len()),
        None => Parts::fit(&wholes, shortest_ns(&rows)),
    };
    for (left, layer_ns) in
        left_out.values_mut().zip(&parts.left_out_ns).zip(&wholes).map(|((l, ns), w)| (l, ns * w.count))
    {
        let whole_ns = left.sum_ns * left.log_ratio.exp();
        left.sum_ns += layer_ns;
        left.log_ratio = (whole_ns / left.sum_ns).ln();
    }
    rows.iter_mut().for_each(|row| parts.take_off(row));
    flag_width(&mut rows);
    let size_effect = size_effect(&mut left_out);
    let level_sessions = observations.level_sessions.iter().filter(|s| s.end.is_some());
    let alone: Vec<_> = level_sessions.map(|s| collect(observations, s, &RoundValues::default())).collect();
    let anchors = anchors(observations, &by_key, &alone, &left_out);
    let log_ratios: Vec<f64> = left_out.values().map(|left| left.log_ratio).collect();
    let measured = observations.workloads.values().filter_map(|workload| match &workload.role {
        Role::Network { arch, .. } => Some(arch.clone()),
        Role::Layer { .. } => None,
    });
    let governor = first.fingerprint.facts.get("governor").map(String::as_str);
    let locked = observations.header.clocks.is_some();
    let gpu_tells = matches!(first.gate.values.get("gpu_clock_mhz"), Some(Probe::Ok(_)));
    let prior = level_prior(locked, gpu_tells, governor);
    // A GPU's clock says nothing of its host's.
    let host_prior = level_prior(locked, false, governor);
    let form = Form { reuse_bandwidth: bandwidth, size_effect, layer_ns: parts.added_ns() };
    let calibration = Calibration::fit(&anchors, &log_ratios, form, prior, wander(&values));
    let precision = precision(observations, &rows, calibration.as_ref());
    let queued =
        timer_ns.map(|timer_ns| Queued { timer_ns, timings: timings(observations, &occurrences, [prior, host_prior]) });
    if queued.is_some() {
        let launches = launches(observations);
        rows.iter_mut().for_each(|row| row.launch_ns = launches.get(&row.key).copied());
    }
    check_timing(observations.header.timing, queued.as_ref())?;
    let context = Context {
        format_version: FORMAT_VERSION,
        header: observations.header.clone(),
        facts: first.fingerprint.facts.clone(),
        sessions: facts,
        measured: measured.collect(),
        networks: networks(observations, &by_key),
        calibration,
        reconciliation: Reconciliation::of(&wholes, &parts).map(|parts| parts.with_marks(timer_ns)),
        precision,
        anchors,
        queued,
        parts: Vec::new(),
        imported: None,
    };
    Ok(Lut { context, rows })
}

/// The precision of the sampled networks; `None` if layers were not timed inside them.
fn precision(all: &Observations, rows: &[Row], calibration: Option<&Calibration>) -> Option<Precision> {
    let times: BTreeMap<&LayerKey, &Times> =
        rows.iter().filter_map(|row| Some((&row.key, row.times.as_ref()?))).collect();
    let known = |key: &LayerKey| {
        let times = times.get(key)?;
        Some(Known { ns: times.mean_ns, half_width: times.half_width() })
    };
    let scale = calibration.map_or(0.0, |c| scale_half_width(c.leave_one_out, c.networks));
    (all.header.mode == Mode::InContext).then(|| Shares::new(all.workloads.values(), known).precision(scale))
}

/// The networks that were measured whole, in the order of their numbers.
fn wholes(observations: &Observations, left_out: &BTreeMap<u32, LeftOut>) -> Vec<Whole> {
    let whole = |(workload, left): (&u32, &LeftOut)| Whole {
        whole: left.sum_ns * left.log_ratio.exp(),
        sum: left.sum_ns,
        count: observations.workloads.get(workload).map_or(0, |workload| workload.keys().len()) as f64,
    };
    left_out.iter().map(whole).collect()
}

/// Refuses a LUT that cannot predict the requested latency.
fn check_timing(timing: Option<Timing>, queued: Option<&Queued>) -> Result<(), LutError> {
    let tells = |timing| queued.is_some_and(|queued| queued.tells(timing));
    timing.filter(|timing| !tells(*timing)).map_or(Ok(()), |timing| Err(LutError::Timing(timing)))
}

/// The effect of a network's size; predictions of the networks from each other then include it as well.
fn size_effect(left_out: &mut BTreeMap<u32, LeftOut>) -> Option<SizeEffect> {
    let networks: Vec<Example> = left_out.values().map(|left| (left.sum_ns.ln(), left.log_ratio)).collect();
    let (effect, log_factors) = fit(&networks)?;
    for (left, log_factor) in left_out.values_mut().zip(log_factors) {
        left.sum_ns *= log_factor.exp();
        left.log_ratio -= log_factor;
    }
    Some(effect)
}

/// How far the level moved within sessions: root mean square of the standard deviations of its logarithm.
fn wander(values: &[RoundValues]) -> f64 {
    mean(&values.iter().map(|values| values.level_spread.powi(2)).collect::<Vec<_>>()).unwrap_or(0.0).sqrt()
}

pub(crate) fn static_row(key: &LayerKey, graph: &Graph, mode: Mode) -> Row {
    let node = graph.outputs().first().map(|id| graph.node(*id));
    let shapes = node.map(|n| graph.input_shapes(n)).unwrap_or_default();
    let cost = node.map(|n| op_cost(&n.op, &shapes, &n.shape)).unwrap_or_default();
    Row {
        key: key.clone(),
        op: node.map_or("", |n| n.op.name()).to_owned(),
        attributes: node.map(|n| attributes(&n.op)).unwrap_or_default(),
        input_shapes: node.map(|n| input_shapes(&n.op, &shapes)).unwrap_or_default(),
        mode,
        times: None,
        error: None,
        flags: Vec::new(),
        params: cost.params,
        macs: cost.macs,
        bytes: cost.bytes_read + cost.bytes_written,
        peak_memory_bytes: None,
        stored_bytes: None,
        launch_ns: None,
        first_call_ns: None,
        energy: None,
    }
}
