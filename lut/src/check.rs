//! Detects implausible entries.

use std::collections::HashMap;

use nasprof_graph::LayerKey;
use serde::Serialize;

use crate::Lut;

/// Something suspicious.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The layer, if the finding is about one.
    pub key: Option<LayerKey>,
    /// What is wrong.
    pub problem: String,
}

/// Looks for failures stored as numbers, copied entries, constant fillers and whole milliseconds.
#[must_use]
pub fn check(lut: &Lut) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut about = |key: Option<&LayerKey>, problem: String| findings.push(Finding { key: key.cloned(), problem });
    let mut same: HashMap<u64, Vec<&LayerKey>> = HashMap::new();
    let mut keys: HashMap<&LayerKey, usize> = HashMap::new();
    let mut whole_ms = 0;
    let mut measured = 0;
    for row in &lut.rows {
        *keys.entry(&row.key).or_default() += 1;
        if let Some(energy) = &row.energy {
            let all = [energy.energy_mj, energy.energy_low_mj, energy.energy_high_mj];
            if all.iter().any(|e| !e.is_finite() || *e <= 0.0) {
                about(
                    Some(&row.key),
                    "an energy is not a positive number; an energy below the resolution is not 0 mJ".to_owned(),
                );
            }
        }
        let Some(times) = &row.times else {
            if row.error.is_none() {
                about(Some(&row.key), "has neither times nor an error".to_owned());
            }
            continue;
        };
        measured += 1;
        let quantiles = [times.median_ns, times.min_ns, times.p10_ns, times.p25_ns, times.p75_ns, times.p90_ns];
        let mut all = quantiles.into_iter().flatten().chain([times.mean_ns]);
        if all.any(|t| !t.is_finite() || t <= 0.0) {
            about(Some(&row.key), "a time is not a positive number; a failed measurement is not 0 ms".to_owned());
        }
        let ordered = [times.min_ns, times.p10_ns, times.p25_ns, times.p75_ns, times.p90_ns];
        if !ordered.into_iter().flatten().is_sorted() {
            about(Some(&row.key), "its quantiles are not in order".to_owned());
        }
        if times.mean_ns % 1e6 == 0.0 {
            whole_ms += 1;
        }
        same.entry(times.mean_ns.to_bits()).or_default().push(&row.key);
    }
    for (key, _) in keys.iter().filter(|(_, count)| **count > 1) {
        about(Some(key), "appears more than once".to_owned());
    }
    for copies in same.values().filter(|copies| copies.len() > 1) {
        about(
            Some(copies[0]),
            format!("has exactly the same time as {} other layers: copied or filled in", copies.len() - 1),
        );
    }
    if measured > 3 && whole_ms * 2 > measured {
        about(None, "most times are whole milliseconds: rounded".to_owned());
    }
    findings.sort_by(|a, b| (&a.key, &a.problem).cmp(&(&b.key, &b.problem)));
    findings
}
