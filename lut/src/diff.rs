//! Two LUTs layer by layer.

use std::collections::BTreeMap;

use nasprof_graph::LayerKey;
use nasprof_profiler::statistics::{median, quantile};
use serde::Serialize;

use crate::{Lut, Row};

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
    let mut rows: Vec<DiffRow> = a
        .iter()
        .filter_map(|(key, x)| {
            let (x, y) = (x.times.as_ref()?, b.get(key)?.times.as_ref()?);
            let overlap = match (x.ci_low_ns, x.ci_high_ns, y.ci_low_ns, y.ci_high_ns) {
                (Some(xl), Some(xh), Some(yl), Some(yh)) => Some(xl <= yh && yl <= xh),
                _ => None,
            };
            let ratio = y.mean_ns / x.mean_ns;
            Some(DiffRow { key: key.clone(), before_ms: x.mean_ns / 1e6, after_ms: y.mean_ns / 1e6, ratio, overlap })
        })
        .collect();
    rows.sort_by(|x, y| y.ratio.ln().abs().total_cmp(&x.ratio.ln().abs()));
    let logs: Vec<f64> = rows.iter().map(|r| r.ratio.ln()).collect();
    let level = median(&logs);
    let spread = |center: f64| quantile(&logs.iter().map(|l| (l - center).abs()).collect::<Vec<_>>(), 0.95);
    let judged: Vec<bool> = rows.iter().filter_map(|r| r.overlap).collect();
    let overlapping = judged.iter().filter(|o| **o).count() as f64 / judged.len().max(1) as f64;
    Diff {
        level: level.map(f64::exp),
        p95_log_ratio: spread(0.0),
        p95_log_ratio_without_level: level.and_then(spread),
        overlapping: (!judged.is_empty()).then_some(overlapping),
        only_before: a.keys().filter(|k| !b.contains_key(*k)).cloned().collect(),
        only_after: b.keys().filter(|k| !a.contains_key(*k)).cloned().collect(),
        rows,
    }
}
