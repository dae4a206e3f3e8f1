//! The difference of a layer's time between sessions, beyond the common level.

use nasprof_base::statistics::{mean, median};

use crate::Row;
use crate::variance::{Variance, VariancePrior};

/// Makes rows' intervals as wide as sessions differ: a process gives a layer other addresses and other neighbours in the
/// heap, and rounds within it cannot see that. What all layers have in common is the level, which is stated once for the
/// LUT. Two sessions of one layer say little, so a layer borrows from all; nothing is known from one session.
pub(crate) fn widen_by_sessions(rows: &mut [Row]) {
    let logs: Vec<Option<Vec<f64>>> = rows.iter().map(logs).collect();
    let count = logs.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let complete = || logs.iter().flatten().filter(|logs| logs.len() == count);
    let common: Option<Vec<f64>> =
        (0..count).map(|session| median(&complete().map(|logs| logs[session]).collect::<Vec<_>>())).collect();
    let Some(common) = common.filter(|_| count > 1) else { return };
    let own = |logs: &[f64]| -> Vec<f64> { logs.iter().zip(&common).map(|(log, level)| log - level).collect() };
    let all: Vec<Vec<f64>> = complete().map(|logs| own(logs)).collect();
    let Some(prior) = VariancePrior::within(all.iter().map(Vec::as_slice)) else { return };
    for (row, logs) in rows.iter_mut().zip(&logs) {
        if let (Some(times), Some(logs)) = (&mut row.times, logs.as_ref().filter(|logs| logs.len() == count)) {
            times.widen(Variance::of(&own(logs), prior).confidence_half_width());
        }
    }
}

/// Logarithms of the sessions' values around their mean.
fn logs(row: &Row) -> Option<Vec<f64>> {
    let logs: Vec<f64> = row.times.as_ref()?.sessions_ns.iter().map(|ns| ns.ln()).collect();
    let center = mean(&logs)?;
    Some(logs.into_iter().map(|log| log - center).collect())
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::widen_by_sessions;
    use crate::Row;

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

    /// Share of layers whose intervals hold the true time once the level, which is not theirs, is taken out.
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
            // Control: what rounds within sessions say.
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
