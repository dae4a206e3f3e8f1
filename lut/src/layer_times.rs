//! The times of one layer and what is flagged about them, from the samples and round values of its sessions.
//!
//! Samples are divided by the level of their visit or round, and sessions are scaled to their mean level. Times and
//! flags therefore describe the layer's share of its networks.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_base::change_points::change_points;
use nasprof_base::statistics::{mann_whitney, mean, median, median_absolute_deviation, quantile, trend};
use nasprof_graph::LayerKey;
use nasprof_profiler::engine::{ROW_WIDTH, RoundValues, clean_samples};
use nasprof_profiler::journal::EndReason;

use crate::key_session::KeySession;
use crate::layer_rounds::LayerRounds;
use crate::sessions::SessionLevels;
use crate::{Flag, Observations, ReusePoint, Row, SessionFacts, SessionObservations, Times};

/// Maximum difference between sessions without a flag.
pub(crate) const INCONSISTENT: f64 = 0.05;
/// Maximum harmless drift of a layer's share over a session.
const DRIFT: f64 = 0.005;
/// Significance of a drift. A LUT has hundreds of rows, and every flag by chance makes flags less useful.
const DRIFT_SIGNIFICANCE: f64 = 0.001;
/// Fewest rounds for comparing stretches of rounds.
const SEGMENTABLE: usize = 16;

/// The measurements of each key in a session. The visits are those behind `values`.
pub(crate) fn collect(
    all: &Observations,
    session: &SessionObservations,
    values: &RoundValues,
) -> BTreeMap<LayerKey, KeySession> {
    let mut keys: BTreeMap<LayerKey, KeySession> = BTreeMap::new();
    let known = session.visits.iter().filter_map(|(_, visit)| Some((all.workloads.get(&visit.workload)?, visit)));
    for (number, (workload, visit)) in known.enumerate() {
        let repeat = session.repeats.get(&visit.workload).copied().unwrap_or(1);
        for (position, (key, samples)) in clean_samples(workload, visit, repeat).into_iter().enumerate() {
            let whole = workload.is_layer() || position == workload.keys().len();
            let runs = if whole { &visit.whole } else { &visit.layers };
            let level = values.factor(number, workload.id, position);
            let entry = keys.entry(key).or_default();
            entry.visits += 1;
            entry.dropped += (runs.len() - samples.len()) as u64;
            entry.faulty += runs.iter().filter(|run| run.faults > 0).count() as u64;
            let occurrence = entry.occurrences.entry((visit.workload, position)).or_default();
            occurrence.extend(samples.iter().map(|ns| ns / level));
        }
    }
    keys
}

/// The times of a layer.
pub(crate) fn times(
    seen: &[(usize, &KeySession)],
    levels: &SessionLevels,
    rounds: &LayerRounds,
    reuse: Vec<ReusePoint>,
) -> Option<Times> {
    let samples: Vec<f64> =
        seen.iter().flat_map(|(session, own)| own.samples().map(|ns| ns / levels.factor(*session))).collect();
    let sessions_ns: Vec<f64> = seen.iter().filter_map(|(_, own)| own.value()).collect();
    let times = Times {
        mean_ns: mean(&sessions_ns)?,
        median_ns: Some(median(&rounds.by_session.concat())?),
        min_ns: Some(quantile(&samples, 0.0)?),
        p10_ns: Some(quantile(&samples, 0.10)?),
        p25_ns: Some(quantile(&samples, 0.25)?),
        p75_ns: Some(quantile(&samples, 0.75)?),
        p90_ns: Some(quantile(&samples, 0.90)?),
        mad_ns: Some(median_absolute_deviation(&samples)?),
        ci_low_ns: rounds.interval.map(|i| (i.center - i.half_width).exp()),
        ci_high_ns: rounds.interval.map(|i| (i.center + i.half_width).exp()),
        n_occurrences: seen.first()?.1.occurrences.len() as u64,
        n_visits: seen.iter().map(|(_, own)| own.visits).sum(),
        n_samples: samples.len() as u64,
        n_dropped: seen.iter().map(|(_, own)| own.dropped).sum(),
        sessions_ns,
        reuse,
    };
    // A timer that reads zero is a failed measurement, not a free layer.
    (times.mean_ns > 0.0).then_some(times)
}

/// All flags except that of the interval's width, which is known only after rows were widened ([`flag_width`]).
pub(crate) fn flags(
    seen: &[(usize, &KeySession)],
    levels: &SessionLevels,
    rounds: &LayerRounds,
    sessions: &[SessionFacts],
) -> Vec<Flag> {
    let mut flags = BTreeSet::new();
    let (samples, dropped, faulty) = seen
        .iter()
        .fold((0, 0, 0), |(s, d, f), (_, own)| (s + own.samples().count() as u64, d + own.dropped, f + own.faulty));
    if dropped > samples {
        flags.insert(Flag::Preempted);
    }
    if faulty * 10 > samples + dropped {
        flags.insert(Flag::PageFaults);
    }
    if rounds.by_session.iter().any(|own| drifts(own)) {
        flags.insert(Flag::Drift);
    }
    if rounds.by_session.iter().any(|own| is_nonstationary(own)) {
        flags.insert(Flag::Nonstationary);
    }
    let of_sessions: Vec<f64> = seen.iter().filter_map(|(s, own)| Some(own.value()? / levels.factor(*s))).collect();
    if quantile(&of_sessions, 1.0).zip(quantile(&of_sessions, 0.0)).is_some_and(|(m, l)| m > (1.0 + INCONSISTENT) * l) {
        flags.insert(Flag::Inconsistent);
    }
    for session in sessions {
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

/// Flags rows whose interval is unknown or wide.
pub(crate) fn flag_width(rows: &mut [Row]) {
    for row in rows.iter_mut().filter(|row| row.error.is_none()) {
        let width = row.times.as_ref().and_then(Times::half_width);
        if width.is_none_or(|width| width > ROW_WIDTH) {
            row.flags.push(Flag::NotConverged);
            row.flags.sort_unstable();
        }
    }
}

/// Whether rounds become slower or faster from the first to the last by a harmful amount.
fn drifts(rounds: &[f64]) -> bool {
    let logs: Vec<f64> = rounds.iter().map(|ns| ns.ln()).collect();
    trend(&logs).is_some_and(|trend| trend.change.abs() > DRIFT && trend.p < DRIFT_SIGNIFICANCE)
}

/// Whether a session's rounds were not stationary: its halves differ or, with enough rounds, a stretch anywhere in it
/// differs.
fn is_nonstationary(rounds: &[f64]) -> bool {
    let (early, late) = rounds.split_at(rounds.len() / 2);
    mann_whitney(early, late) < 0.01 || (rounds.len() >= SEGMENTABLE && !change_points(rounds).is_empty())
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
        // Control: fewer rounds are compared only by halves, which are alike.
        assert!(!is_nonstationary(&rounds(12)));
        // A difference between halves is found in few rounds as well; stationary rounds are not flagged.
        assert!(is_nonstationary(&[[1e6; 6], [1.2e6; 6]].concat()));
        assert!(!is_nonstationary(&[1e6, 1.001e6].repeat(20)));
    }

    #[test]
    fn a_steady_change_is_told_of_few_rounds_unless_it_does_no_harm() {
        let ramp = |total: f64| (0..8).map(|i| 1e6 * (1.0 + total * f64::from(i) / 7.0)).collect::<Vec<f64>>();
        assert!(drifts(&ramp(0.05)) && drifts(&ramp(-0.05)));
        assert!(!drifts(&ramp(0.004)), "less than does harm");
        assert!(!drifts(&rounds(12)) && !drifts(&[1e6, 1.01e6].repeat(6)), "scatter has no direction");
    }
}
