//! Compares two LUTs layer by layer.

use std::collections::BTreeMap;

use nasprof_base::statistics::{median, quantile};
use nasprof_graph::LayerKey;
use serde::Serialize;

use crate::{Lut, Row, Times};

/// One layer in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffRow {
    /// The layer.
    pub key: LayerKey,
    /// Milliseconds before.
    pub before_ms: f64,
    /// Milliseconds after.
    pub after_ms: f64,
    /// After over before.
    pub ratio: f64,
    /// Whether the intervals overlap; absent if one has none.
    pub overlap: Option<bool>,
    /// Whether they overlap after the common factor is taken out.
    pub overlap_without_level: Option<bool>,
}

/// How two LUTs differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// Median ratio: the common factor.
    pub level: Option<f64>,
    /// 95th percentile of |ln ratio|.
    pub p95_log_ratio: Option<f64>,
    /// The same after the common factor is taken out.
    pub p95_log_ratio_without_level: Option<f64>,
    /// Share of layers whose intervals overlap.
    pub overlapping: Option<f64>,
    /// The same after the common factor is taken out: the intervals of layers do not hold the level.
    pub overlapping_without_level: Option<f64>,
    /// Layers in only one of them.
    pub only_before: Vec<LayerKey>,
    /// Layers in only one of them.
    pub only_after: Vec<LayerKey>,
    /// Layers in both, the largest change first.
    pub rows: Vec<DiffRow>,
}

/// Compares two LUTs.
#[must_use]
pub fn diff(before: &Lut, after: &Lut) -> Diff {
    let index = |lut: &Lut| -> BTreeMap<LayerKey, Row> {
        lut.rows.iter().filter(|r| r.times.is_some()).map(|r| (r.key.clone(), r.clone())).collect()
    };
    let (a, b) = (index(before), index(after));
    let both: Vec<(&LayerKey, &Times, &Times)> =
        a.iter().filter_map(|(key, x)| Some((key, x.times.as_ref()?, b.get(key)?.times.as_ref()?))).collect();
    let logs: Vec<f64> = both.iter().map(|(_, x, y)| (y.mean_ns / x.mean_ns).ln()).collect();
    let level = median(&logs);
    let mut rows: Vec<DiffRow> = both
        .iter()
        .map(|&(key, x, y)| DiffRow {
            key: key.clone(),
            before_ms: x.mean_ns / 1e6,
            after_ms: y.mean_ns / 1e6,
            ratio: y.mean_ns / x.mean_ns,
            overlap: overlap(x, y, 1.0),
            overlap_without_level: level.and_then(|level| overlap(x, y, level.exp())),
        })
        .collect();
    rows.sort_by(|x, y| y.ratio.ln().abs().total_cmp(&x.ratio.ln().abs()));
    let spread = |center: f64| quantile(&logs.iter().map(|l| (l - center).abs()).collect::<Vec<_>>(), 0.95);
    let share = |of: fn(&DiffRow) -> Option<bool>| {
        let judged: Vec<bool> = rows.iter().filter_map(of).collect();
        (!judged.is_empty()).then(|| judged.iter().filter(|overlaps| **overlaps).count() as f64 / judged.len() as f64)
    };
    Diff {
        level: level.map(f64::exp),
        p95_log_ratio: spread(0.0),
        p95_log_ratio_without_level: level.and_then(spread),
        overlapping: share(|row| row.overlap),
        overlapping_without_level: share(|row| row.overlap_without_level),
        only_before: a.keys().filter(|k| !b.contains_key(*k)).cloned().collect(),
        only_after: b.keys().filter(|k| !a.contains_key(*k)).cloned().collect(),
        rows,
    }
}

/// Whether the intervals overlap once the second's is divided by `factor`.
fn overlap(x: &Times, y: &Times, factor: f64) -> Option<bool> {
    Some(x.ci_low_ns? <= y.ci_high_ns? / factor && y.ci_low_ns? / factor <= x.ci_high_ns?)
}
