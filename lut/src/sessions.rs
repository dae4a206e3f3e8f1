//! The level, which all layers of a session have in common, and how much a layer's time differs between sessions beyond
//! it.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, median};
use nasprof_graph::LayerKey;
use nasprof_profiler::engine::RoundValues;

use crate::Row;
use crate::key_session::KeySession;
use crate::variance::{Variance, VariancePrior};

/// The levels of a measurement's sessions: logarithms around their mean. The level is stated once for the LUT, so a
/// row's statistics exclude it.
#[derive(Debug, Clone)]
pub(crate) struct SessionLevels(Vec<f64>);

impl SessionLevels {
    /// The median over the layers that every session timed.
    pub(crate) fn of(sessions: &[BTreeMap<LayerKey, KeySession>]) -> Self {
        let keys = sessions.first().into_iter().flat_map(BTreeMap::keys);
        let times = keys.map(|key| sessions.iter().map(|keys| keys.get(key)?.value()).collect::<Option<Vec<f64>>>());
        let logs: Vec<Vec<f64>> = times.flatten().filter_map(|times| around_their_mean(&times)).collect();
        Self::median_of(&logs, sessions.len())
    }

    fn median_of(logs: &[Vec<f64>], count: usize) -> Self {
        let common = |session| median(&logs.iter().filter_map(|own| own.get(session).copied()).collect::<Vec<_>>());
        Self((0..count).map(|session| common(session).unwrap_or(0.0)).collect())
    }

    /// The divisor that brings a session's times to the mean level of all sessions.
    pub(crate) fn factor(&self, session: usize) -> f64 {
        self.0.get(session).map_or(1.0, |log| log.exp())
    }

    /// A layer's round values in each session, at the mean level of all sessions.
    pub(crate) fn rounds(&self, key: &LayerKey, values: &[RoundValues]) -> Vec<Vec<f64>> {
        let own = |(session, values): (usize, &RoundValues)| {
            values.values.get(key).map(|rounds| rounds.iter().map(|ns| ns / self.factor(session)).collect())
        };
        values.iter().enumerate().filter_map(own).collect()
    }

    /// Widens the rows' intervals by the difference between sessions: each process gives a layer other addresses and
    /// other neighbours in the heap, which rounds within one process cannot show. Two sessions of one layer are few, so
    /// a layer borrows from all layers. With one session, the difference is unknown.
    pub(crate) fn widen(&self, rows: &mut [Row]) {
        let own: Vec<Option<Vec<f64>>> = rows.iter().map(|row| self.own(row)).collect();
        if self.0.len() < 2 {
            return;
        }
        let Some(prior) = VariancePrior::within(own.iter().flatten().map(Vec::as_slice)) else { return };
        for (row, own) in rows.iter_mut().zip(&own) {
            if let (Some(times), Some(own)) = (&mut row.times, own) {
                times.widen(Variance::of(own, prior).confidence_half_width());
            }
        }
    }

    /// Logarithms of a row's sessions around their mean, without the level; `None` unless every session timed it.
    fn own(&self, row: &Row) -> Option<Vec<f64>> {
        let times = &row.times.as_ref()?.sessions_ns;
        let logs = around_their_mean(times).filter(|logs| logs.len() == self.0.len())?;
        Some(logs.iter().zip(&self.0).map(|(log, level)| log - level).collect())
    }
}

fn around_their_mean(times: &[f64]) -> Option<Vec<f64>> {
    let logs: Vec<f64> = times.iter().map(|ns| ns.ln()).collect();
    let center = mean(&logs)?;
    Some(logs.into_iter().map(|log| log - center).collect())
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Layers of 1 ms; each session moves all by one factor and each layer by its own. Rounds are nearly exact.
    fn rows(seed: u64, own: f64) -> Vec<Row> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = |sd: f64| sd * ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0);
        let levels = [normal(0.05), normal(0.05)];
        let row = |i: usize| {
            let sessions: Vec<f64> = levels.iter().map(|level| 1e6 * (level + normal(own)).exp()).collect();
            let mean = (sessions[0] + sessions[1]) / 2.0;
            serde_json::from_value(serde_json::json!({
                "key": format!("relu[{i}x1x1]"), "op": "relu", "attributes": "", "input_shapes": "", "mode": "in_context",
                "times": {
                    "mean_ns": mean, "median_ns": mean, "min_ns": mean, "p10_ns": mean, "p25_ns": mean, "p75_ns": mean,
                    "p90_ns": mean, "mad_ns": 0.0, "ci_low_ns": mean * 0.999, "ci_high_ns": mean * 1.001,
                    "n_places": 1, "n_visits": 20, "n_samples": 20, "n_dropped": 0, "sessions_ns": sessions, "reuse": [],
                },
                "error": null, "flags": [], "params": 0, "macs": 0, "bytes": 0, "peak_memory_bytes": null,
                "first_call_ns": null,
            }))
            .unwrap()
        };
        (1..=200).map(row).collect()
    }

    fn widen_by_sessions(rows: &mut [Row]) {
        let logs: Vec<Vec<f64>> =
            rows.iter().filter_map(|row| around_their_mean(&row.times.as_ref()?.sessions_ns)).collect();
        SessionLevels::median_of(&logs, 2).widen(rows);
    }

    /// Share of layers whose intervals contain the true time after the level is taken out.
    fn inside(rows: &[Row]) -> f64 {
        let mut centers: Vec<f64> = rows.iter().map(|row| row.times.as_ref().unwrap().mean_ns).collect();
        centers.sort_by(f64::total_cmp);
        let truth = centers[100];
        let holds = |row: &&Row| {
            let times = row.times.as_ref().unwrap();
            times.ci_low_ns.unwrap() <= truth && truth <= times.ci_high_ns.unwrap()
        };
        rows.iter().filter(holds).count() as f64 / rows.len() as f64
    }

    #[test]
    fn intervals_hold_what_differs_from_session_to_session() {
        for seed in 0..5 {
            let rounds_only = rows(seed, 0.02);
            let mut widened = rounds_only.clone();
            widen_by_sessions(&mut widened);
            assert!(inside(&widened) > 0.9, "{}", inside(&widened));
            // Control: intervals from rounds within sessions only.
            assert!(inside(&rounds_only) < 0.3, "{}", inside(&rounds_only));
        }
    }

    #[test]
    fn a_common_level_is_not_put_on_every_layer() {
        let before = rows(1, 0.0);
        let mut after = before.clone();
        widen_by_sessions(&mut after);
        let width = |row: &Row| row.times.as_ref().map(|t| t.ci_high_ns.unwrap() / t.ci_low_ns.unwrap()).unwrap();
        for (before, after) in before.iter().zip(&after) {
            assert!((width(after) / width(before) - 1.0).abs() < 1e-9);
        }
    }
}
