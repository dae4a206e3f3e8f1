//! Makes a LUT from a journal, as a pure function.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_base::change_points::change_points;
use nasprof_base::statistics::{
    mann_whitney, mean, median, median_absolute_deviation, median_interval, quantile, standard_deviation, trimmed_mean,
};
use nasprof_graph::cost::op_cost;
use nasprof_graph::key::attributes;
use nasprof_graph::{Graph, LayerKey};
use nasprof_profiler::engine::{RoundValues, Workload, bad_probes, clean_samples, half_width};
use nasprof_profiler::journal::{EndReason, EnergyResult, EnergyTarget, Event, Mode, Role, Trial};
use nasprof_profiler::protocol::Canary;

use crate::calibration::level_prior;
use crate::occurrences::{LeftOut, Occurrences};
use crate::sessions::widen_by_sessions;
use crate::size_effect::{Example, fit, log_costs};
use crate::{
    Anchor, Calibration, Context, Energy, FORMAT_VERSION, Flag, Lut, LutError, Observations, ReusePoint, Row,
    SessionFacts, SessionObservations, SizeEffect, Times,
};

/// The canary may spread this much beyond its reading noise.
const DRIFT: f64 = 0.005;
/// Sessions may differ this much.
pub(crate) const INCONSISTENT: f64 = 0.05;

/// Rounds from which stretches of them are told apart.
const SEGMENTABLE: usize = 16;

/// Samples of one key in one session.
#[derive(Default)]
struct KeySession {
    /// Clean samples by occurrence.
    occurrences: BTreeMap<(u32, usize), Vec<f64>>,
    visits: u64,
    dropped: u64,
    faulty: u64,
}

/// Makes a LUT of what was measured.
///
/// # Errors
/// If the journal holds no complete session.
pub fn from_journal(events: &[Event]) -> Result<Lut, LutError> {
    from_observations(&Observations::new(events)?)
}

pub(crate) fn from_observations(observations: &Observations) -> Result<Lut, LutError> {
    let sessions: Vec<&SessionObservations> = observations.sessions.iter().filter(|s| s.end.is_some()).collect();
    let first = sessions.first().ok_or_else(|| LutError::Incomplete("no session was completed".to_owned()))?;
    let by_key: Vec<BTreeMap<LayerKey, KeySession>> = sessions.iter().map(|s| collect(observations, s)).collect();
    let values: Vec<RoundValues> = sessions.iter().map(|s| round_values(observations, s)).collect();
    let occurrences = Occurrences::new(observations.workloads.values(), |workload, position| {
        let key = workload.keys().nth(position).cloned().unwrap_or_else(|| workload.whole_key());
        let samples = |keys: &BTreeMap<LayerKey, KeySession>| {
            keys.get(&key).and_then(|seen| trimmed_mean(seen.occurrences.get(&(workload.id, position))?))
        };
        mean(&by_key.iter().filter_map(samples).collect::<Vec<_>>())
    });
    let sampling = occurrences.sampling();
    let facts: Vec<SessionFacts> = sessions.iter().map(|s| session_facts(s)).collect();
    let mut rows: Vec<Row> = observations
        .trials
        .iter()
        .filter(|(key, _, trial)| observations.has_row(key, trial))
        .map(|(key, graph, trial)| {
            let mut row = static_row(key, graph, observations.header.mode);
            match trial {
                // CSV does not tell an empty text from an absent one.
                Trial::Failed(error) if error.is_empty() => row.error = Some("the device gave no reason".to_owned()),
                Trial::Failed(error) => row.error = Some(error.clone()),
                Trial::Ran(memory) => {
                    row.peak_memory_bytes = memory.peak_bytes;
                    row.stored_bytes = memory.stored_bytes;
                    row.first_call_ns = Some(memory.first_ns);
                    row.energy = energy(observations, &EnergyTarget::Layer(key.clone()));
                    let seen: Vec<&KeySession> = by_key.iter().filter_map(|keys| keys.get(key)).collect();
                    row.times = times(&seen, key, &values, occurrences.points(key, None));
                    if let (Some(times), Some(sampling)) = (&mut row.times, sampling.get(key)) {
                        times.widen(*sampling);
                    }
                    row.flags = flags(&row, &seen, key, &values, &facts, observations.header.ci);
                    if row.times.is_none() {
                        row.error = Some("no clean sample was measured".to_owned());
                    }
                }
            }
            row
        })
        .collect();
    widen_by_sessions(&mut rows);
    let (bandwidth, mut left_out) = occurrences.best_bandwidth();
    let size_effect = size_effect(observations, &mut left_out);
    let level_sessions = observations.level_sessions.iter().filter(|s| s.end.is_some());
    let levels: Vec<_> = level_sessions.map(|s| collect(observations, s)).collect();
    let anchors = anchors(observations, &by_key, &levels, &left_out);
    let is_anchor = |workload| {
        let role = observations.workloads.get(workload).map(|workload| &workload.role);
        matches!(role, Some(Role::Network { anchor: true, .. }))
    };
    let log_ratios: Vec<(bool, f64)> =
        left_out.iter().map(|(workload, left)| (is_anchor(workload), left.log_ratio)).collect();
    let measured = observations.workloads.values().filter_map(|workload| match &workload.role {
        Role::Network { arch, .. } => Some(arch.clone()),
        Role::Layer { .. } => None,
    });
    let governor = first.fingerprint.facts.get("governor").map(String::as_str);
    let prior = level_prior(observations.header.clocks.is_some(), governor);
    let context = Context {
        format_version: FORMAT_VERSION,
        header: observations.header.clone(),
        facts: first.fingerprint.facts.clone(),
        sessions: facts,
        measured: measured.collect(),
        calibration: Calibration::fit(&anchors, &log_ratios, (bandwidth, size_effect), prior),
        anchors,
        parts: Vec::new(),
        imported: None,
    };
    Ok(Lut { context, rows })
}

/// What the size of a network does to it; predictions of the networks from each other then have it as well.
fn size_effect(observations: &Observations, left_out: &mut BTreeMap<u32, LeftOut>) -> Option<SizeEffect> {
    let example = |(workload, left): (&u32, &LeftOut)| {
        observations.workloads.get(workload).map(|workload| (log_costs(&workload.network), left.log_ratio))
    };
    let networks: Vec<Example> = left_out.iter().map(example).collect::<Option<_>>()?;
    let (effect, left_out_effects) = fit(&networks)?;
    for (left, log_effect) in left_out.values_mut().zip(left_out_effects) {
        left.sum_ns *= log_effect.exp();
        left.log_ratio -= log_effect;
    }
    Some(effect)
}

fn collect(all: &Observations, session: &SessionObservations) -> BTreeMap<LayerKey, KeySession> {
    let mut keys: BTreeMap<LayerKey, KeySession> = BTreeMap::new();
    for (_, visit) in &session.visits {
        let Some(workload) = all.workloads.get(&visit.workload) else { continue };
        let repeat = session.repeats.get(&visit.workload).copied().unwrap_or(1);
        for (position, (key, samples)) in clean_samples(workload, visit, repeat).into_iter().enumerate() {
            let whole = workload.is_layer() || position == workload.keys().len();
            let runs = if whole { &visit.whole } else { &visit.layers };
            let entry = keys.entry(key).or_default();
            entry.visits += 1;
            entry.dropped += (runs.len() - samples.len()) as u64;
            entry.faulty += runs.iter().filter(|run| run.faults > 0).count() as u64;
            entry.occurrences.entry((visit.workload, position)).or_default().extend(samples);
        }
    }
    keys
}

fn round_values(all: &Observations, session: &SessionObservations) -> RoundValues {
    let mut values = RoundValues::default();
    for round in 1..=session.rounds {
        let visits = session.visits.iter().filter(|(r, _)| *r == round).filter_map(|(_, visit)| {
            let repeat = session.repeats.get(&visit.workload).copied().unwrap_or(1);
            Some((all.workloads.get(&visit.workload)?, visit, repeat))
        });
        values.add_round(visits);
    }
    values
}

impl KeySession {
    /// Trimmed mean at each occurrence, averaged over occurrences: every neighbourhood counts alike.
    fn value(&self) -> Option<f64> {
        mean(&self.occurrences.values().filter_map(|samples| trimmed_mean(samples)).collect::<Vec<_>>())
    }

    fn samples(&self) -> impl Iterator<Item = f64> {
        self.occurrences.values().flatten().copied()
    }
}

fn times(seen: &[&KeySession], key: &LayerKey, values: &[RoundValues], reuse: Vec<ReusePoint>) -> Option<Times> {
    let samples: Vec<f64> = seen.iter().flat_map(|s| s.samples()).collect();
    let sessions_ns: Vec<f64> = seen.iter().filter_map(|s| s.value()).collect();
    let rounds: Vec<f64> = values.iter().filter_map(|v| v.values.get(key)).flatten().copied().collect();
    let interval = median_interval(&rounds, 0.99);
    let times = Times {
        mean_ns: mean(&sessions_ns)?,
        median_ns: Some(median(&rounds)?),
        min_ns: Some(quantile(&samples, 0.0)?),
        p10_ns: Some(quantile(&samples, 0.10)?),
        p25_ns: Some(quantile(&samples, 0.25)?),
        p75_ns: Some(quantile(&samples, 0.75)?),
        p90_ns: Some(quantile(&samples, 0.90)?),
        mad_ns: Some(median_absolute_deviation(&samples)?),
        ci_low_ns: interval.map(|i| i.0),
        ci_high_ns: interval.map(|i| i.1),
        n_occurrences: seen.first()?.occurrences.len() as u64,
        n_visits: seen.iter().map(|s| s.visits).sum(),
        n_samples: samples.len() as u64,
        n_dropped: seen.iter().map(|s| s.dropped).sum(),
        sessions_ns,
        reuse,
    };
    // A timer that reads zero is a failure to measure, not a free layer.
    (times.mean_ns > 0.0).then_some(times)
}

fn flags(
    row: &Row,
    seen: &[&KeySession],
    key: &LayerKey,
    values: &[RoundValues],
    sessions: &[SessionFacts],
    ci: f64,
) -> Vec<Flag> {
    let mut flags = BTreeSet::new();
    let (samples, dropped, faulty) =
        seen.iter().fold((0, 0, 0), |(s, d, f), k| (s + k.samples().count() as u64, d + k.dropped, f + k.faulty));
    if dropped > samples {
        flags.insert(Flag::Preempted);
    }
    if faulty * 10 > samples + dropped {
        flags.insert(Flag::PageFaults);
    }
    let rounds: Vec<&Vec<f64>> = values.iter().filter_map(|v| v.values.get(key)).collect();
    if rounds.iter().any(|v| half_width(v).is_none_or(|width| width > ci)) {
        flags.insert(Flag::NotConverged);
    }
    if rounds.iter().any(|v| is_nonstationary(v)) {
        flags.insert(Flag::Nonstationary);
    }
    if row.times.as_ref().and_then(Times::between).is_some_and(|between| between > INCONSISTENT) {
        flags.insert(Flag::Inconsistent);
    }
    for session in sessions {
        if session.canary_spread.iter().any(|spread| *spread > DRIFT) {
            flags.insert(Flag::Drift);
        }
        if !session.is_steady {
            flags.insert(Flag::Unsettled);
        }
        if !session.bad_probes.is_empty() {
            flags.insert(Flag::Noisy);
        }
        if session.reason == EndReason::Throttled {
            flags.insert(Flag::Throttled);
        }
    }
    flags.into_iter().collect()
}

/// Whether a session's rounds were not of one kind: its halves differ, or, with rounds enough to tell, a stretch anywhere
/// in it.
fn is_nonstationary(rounds: &[f64]) -> bool {
    let (early, late) = rounds.split_at(rounds.len() / 2);
    mann_whitney(early, late) < 0.01 || (rounds.len() >= SEGMENTABLE && !change_points(rounds).is_empty())
}

fn session_facts(session: &SessionObservations) -> SessionFacts {
    let spread = |of: fn(&Canary) -> &Vec<u64>| {
        let mut rounds: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (round, canary) in session.canaries.iter().filter(|(round, _)| *round > 0) {
            let times: Vec<f64> = of(canary).iter().map(|&t| (t.max(1) as f64).ln()).collect();
            rounds.entry(*round).or_default().extend(median(&times));
        }
        beyond_noise(&rounds.into_values().collect::<Vec<_>>())
    };
    let (converged, reason) = session.end.unwrap_or((false, EndReason::CutOff));
    SessionFacts {
        rounds: session.rounds,
        converged,
        reason,
        is_steady: session.is_steady,
        canary_spread: [spread(|c| &c.compute_ns), spread(|c| &c.memory_ns)],
        bad_probes: bad_probes(&session.gate).into_iter().chain(session.disturbed.iter().cloned()).collect(),
        voided: session.voided,
        resumed: session.resumed,
    }
}

/// Standard deviation of the rounds' means beyond what their own scatter explains (analysis of variance).
fn beyond_noise(rounds: &[Vec<f64>]) -> f64 {
    let means: Vec<f64> = rounds.iter().filter_map(|r| mean(r)).collect();
    let between = standard_deviation(&means).map_or(0.0, |sd| sd * sd);
    let within =
        rounds.iter().filter_map(|r| Some(standard_deviation(r)?.powi(2) / r.len() as f64)).collect::<Vec<_>>();
    (between - mean(&within).unwrap_or(0.0)).max(0.0).sqrt()
}

pub(crate) fn static_row(key: &LayerKey, graph: &Graph, mode: Mode) -> Row {
    let node = graph.outputs().first().map(|id| graph.node(*id));
    let shapes = node.map(|n| graph.input_shapes(n)).unwrap_or_default();
    let cost = node.map(|n| op_cost(&n.op, &shapes, &n.shape)).unwrap_or_default();
    Row {
        key: key.clone(),
        op: node.map_or("", |n| n.op.name()).to_owned(),
        attributes: node.map(|n| attributes(&n.op)).unwrap_or_default(),
        input_shapes: shapes.iter().map(|s| s.without_batch()).collect::<Vec<_>>().join(","),
        mode,
        times: None,
        error: None,
        flags: Vec::new(),
        params: cost.params,
        macs: cost.macs,
        bytes: cost.bytes_read + cost.bytes_written,
        peak_memory_bytes: None,
        stored_bytes: None,
        first_call_ns: None,
        energy: None,
    }
}

/// Anchors that were measured in every session, their sums from the other networks.
fn anchors(
    all: &Observations,
    by_key: &[BTreeMap<LayerKey, KeySession>],
    levels: &[BTreeMap<LayerKey, KeySession>],
    left_out: &BTreeMap<u32, LeftOut>,
) -> Vec<Anchor> {
    let anchor = |workload: &Workload| {
        let Role::Network { arch, anchor: true } = &workload.role else { return None };
        let times = |sessions: &[BTreeMap<LayerKey, KeySession>]| -> Option<Vec<f64>> {
            sessions.iter().map(|keys| keys.get(&workload.whole_key())?.value()).collect()
        };
        Some(Anchor {
            arch: arch.clone(),
            sessions_ns: times(by_key)?,
            level_sessions_ns: times(levels)?,
            sum_ns: left_out.get(&workload.id)?.sum_ns,
            layers: workload.keys().len(),
            energy: energy(all, &EnergyTarget::Workload(workload.id)),
            layers_energy_mj: layers_energy(all, workload),
        })
    };
    all.workloads.values().filter_map(anchor).collect()
}

fn layers_energy(all: &Observations, workload: &Workload) -> Option<f64> {
    workload.keys().map(|key| Some(energy(all, &EnergyTarget::Layer(key.clone()))?.energy_mj)).sum()
}

fn energy(all: &Observations, target: &EnergyTarget) -> Option<Energy> {
    match all.energy.iter().find(|(of, _)| of == target)? {
        (_, EnergyResult::Measured(counted)) => Energy::of(counted),
        (_, EnergyResult::NotObservable(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of 1 ms that alternate by a thousandth, with a slow stretch around the middle.
    fn rounds(count: usize) -> Vec<f64> {
        let middle = count / 4..count - count / 4;
        let slow = |i| if middle.contains(&i) { 1.1 } else { 1.0 };
        (0..count).map(|i| 1e6 * slow(i) * if i % 2 == 0 { 1.0 } else { 1.001 }).collect()
    }

    #[test]
    fn a_slow_stretch_that_both_halves_have_is_told_where_there_are_rounds_enough() {
        assert!(is_nonstationary(&rounds(40)));
        assert!(is_nonstationary(&rounds(24)));
        // Control: fewer rounds are compared by halves alone, which are alike.
        assert!(!is_nonstationary(&rounds(12)));
        // What halves do show is told of few rounds as well; what is of one kind is not.
        assert!(is_nonstationary(&[[1e6; 6], [1.2e6; 6]].concat()));
        assert!(!is_nonstationary(&[1e6, 1.001e6].repeat(20)));
    }
}
