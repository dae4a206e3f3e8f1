//! Merges rows of one layer from several LUTs.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_base::statistics::{mean, median};
use nasprof_graph::LayerKey;
use serde::Serialize;

use crate::layer_times::INCONSISTENT;
use crate::{Energy, Flag, Lut, ReusePoint, Row, Times};

/// A layer on which the parts disagree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Conflict {
    /// The layer.
    pub key: LayerKey,
    /// What they say.
    pub problem: String,
}

/// All rows in the order of keys, and the layers that the LUTs disagree on after their levels are taken out.
pub(super) fn merge(luts: &[&Lut]) -> (Vec<Row>, Vec<Conflict>) {
    let mut by_key: BTreeMap<&LayerKey, Vec<(usize, &Row)>> = BTreeMap::new();
    for (i, lut) in luts.iter().enumerate() {
        for row in &lut.rows {
            by_key.entry(&row.key).or_default().push((i, row));
        }
    }
    let levels = levels(by_key.values(), luts.len());
    let mut conflicts = Vec::new();
    let rows = by_key.into_iter().map(|(key, rows)| {
        let mut row = one(&rows, &levels);
        if let Some(problem) = conflict(&rows, &levels) {
            conflicts.push(Conflict { key: key.clone(), problem });
            if !row.flags.contains(&Flag::Inconsistent) {
                row.flags.push(Flag::Inconsistent);
                row.flags.sort_unstable();
            }
        }
        row
    });
    (rows.collect(), conflicts)
}

/// Each LUT's level: the median, over the layers that all have, of its time divided by the common time.
fn levels<'a>(layers: impl Iterator<Item = &'a Vec<(usize, &'a Row)>>, luts: usize) -> Vec<f64> {
    let mut logs = vec![Vec::new(); luts];
    for rows in layers {
        let times: Vec<(usize, &Times)> = rows.iter().filter_map(|(i, row)| Some((*i, row.times.as_ref()?))).collect();
        if times.len() < luts {
            continue;
        }
        let Some(together) = mean(&sessions(times.iter().map(|(_, times)| *times))) else { continue };
        for (i, times) in times {
            logs[i].push((times.mean_ns / together).ln());
        }
    }
    logs.iter().map(|logs| median(logs).map_or(1.0, f64::exp)).collect()
}

/// One number per session; an imported row has no sessions and counts as one.
fn sessions<'a>(times: impl Iterator<Item = &'a Times>) -> Vec<f64> {
    let values = |times: &Times| {
        if times.sessions_ns.is_empty() { vec![times.mean_ns] } else { times.sessions_ns.clone() }
    };
    times.flat_map(values).collect()
}

/// The disagreement between the parts, if they contradict each other.
fn conflict(rows: &[(usize, &Row)], levels: &[f64]) -> Option<String> {
    let failed = rows.iter().find_map(|(_, row)| row.times.is_none().then_some(row.error.as_deref()));
    let measured: Vec<f64> =
        rows.iter().filter_map(|(i, row)| Some(row.times.as_ref()?.mean_ns / levels[*i])).collect();
    if let (Some(error), false) = (failed, measured.is_empty()) {
        return Some(format!("measured in one LUT, failed in another: {}", error.unwrap_or("no reason is given")));
    }
    let low = measured.iter().copied().reduce(f64::min)?;
    let high = measured.iter().copied().reduce(f64::max)?;
    (high / low - 1.0 > INCONSISTENT).then(|| {
        format!("times differ by {:.0} % after dividing by the LUTs' common factor", 100.0 * (high / low - 1.0))
    })
}

/// The row of one layer.
fn one(rows: &[(usize, &Row)], levels: &[f64]) -> Row {
    let all = || rows.iter().map(|(_, row)| *row);
    let flags: BTreeSet<Flag> = all().flat_map(|row| row.flags.iter().copied()).collect();
    let present: Vec<&Times> = all().filter_map(|row| row.times.as_ref()).collect();
    let mut times = pooled(&present);
    if let Some(times) = &mut times {
        // If a LUT does not have the layer, its level is missing from the row: either level may be right.
        if present.len() < levels.len() && levels.len() > 1 {
            let own = rows.iter().filter(|(_, row)| row.times.is_some()).map(|(i, _)| levels[*i]);
            let own = mean(&own.collect::<Vec<_>>()).unwrap_or(1.0);
            times.ci_low_ns = times.ci_low_ns.map(|low| low * (1.0 / own).min(1.0));
            times.ci_high_ns = times.ci_high_ns.map(|high| high * (1.0 / own).max(1.0));
        }
    }
    let error = if times.is_some() { None } else { all().find_map(|row| row.error.clone()) };
    Row {
        times,
        error,
        flags: flags.into_iter().collect(),
        peak_memory_bytes: all().filter_map(|row| row.peak_memory_bytes).max(),
        stored_bytes: all().filter_map(|row| row.stored_bytes).max(),
        launch_ns: mean(&all().filter_map(|row| row.launch_ns).collect::<Vec<_>>()),
        first_call_ns: all().filter_map(|row| row.first_call_ns).max(),
        energy: energy(&all().filter_map(|row| row.energy.as_ref()).collect::<Vec<_>>()),
        ..rows[0].1.clone()
    }
}

fn pooled(parts: &[&Times]) -> Option<Times> {
    if let [only] = parts {
        return Some((*only).clone());
    }
    let all = || parts.iter().copied();
    let sessions_ns = sessions(all());
    let intervals: Option<Vec<(f64, f64)>> = all().map(|t| t.ci_low_ns.zip(t.ci_high_ns)).collect();
    // The error of a part without an interval is unknown: then the result has no interval either.
    let hull = intervals.map(|intervals| {
        intervals.into_iter().fold((f64::INFINITY, 0.0_f64), |(low, high), (l, h)| (low.min(l), high.max(h)))
    });
    let weighted = |of: fn(&Times) -> Option<f64>| -> Option<f64> {
        let weight = |times: &Times| times.n_visits.max(1) as f64;
        let total: f64 = all().map(weight).sum();
        all().map(|times| Some(of(times)? * weight(times) / total)).sum()
    };
    Some(Times {
        mean_ns: mean(&sessions_ns)?,
        median_ns: weighted(|t| t.median_ns),
        min_ns: all().map(|t| t.min_ns).reduce(|a, b| Some(a?.min(b?)))?,
        p10_ns: quantile(parts, 0.10),
        p25_ns: quantile(parts, 0.25),
        p75_ns: quantile(parts, 0.75),
        p90_ns: quantile(parts, 0.90),
        mad_ns: all().map(|t| t.mad_ns).reduce(|a, b| Some(a?.max(b?)))?,
        ci_low_ns: hull.map(|hull| hull.0),
        ci_high_ns: hull.map(|hull| hull.1),
        n_occurrences: all().map(|t| t.n_occurrences).sum(),
        n_visits: all().map(|t| t.n_visits).sum(),
        n_samples: all().map(|t| t.n_samples).sum(),
        n_dropped: all().map(|t| t.n_dropped).sum(),
        sessions_ns,
        reuse: reuse(all().flat_map(|t| &t.reuse)),
    })
}

/// A quantile of all samples together, from the parts' quantiles by linear interpolation. `None` if a part has none.
fn quantile(parts: &[&Times], p: f64) -> Option<f64> {
    let curve = |t: &Times| -> Option<[(f64, f64); 6]> {
        let (p75, p90) = (t.p75_ns?, t.p90_ns?);
        // The upper tail is unknown, but it must end somewhere for the share of samples to become one.
        let end = p90 + (p90 - p75);
        Some([(t.min_ns?, 0.0), (t.p10_ns?, 0.1), (t.p25_ns?, 0.25), (p75, 0.75), (p90, 0.9), (end, 1.0)])
    };
    let curves = parts.iter().map(|t| Some((t.n_samples.max(1) as f64, curve(t)?))).collect::<Option<Vec<_>>>()?;
    let total: f64 = curves.iter().map(|(weight, _)| weight).sum();
    let share = |x: f64| curves.iter().map(|(weight, curve)| weight * below(curve, x)).sum::<f64>() / total;
    let mut low = curves.iter().map(|(_, curve)| curve[0].0).fold(f64::INFINITY, f64::min);
    let mut high = curves.iter().map(|(_, curve)| curve[5].0).fold(0.0, f64::max);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if share(middle) < p { low = middle } else { high = middle }
    }
    Some(0.5 * (low + high))
}

/// Share of samples below `x`.
fn below(curve: &[(f64, f64)], x: f64) -> f64 {
    let Some(after) = curve.iter().position(|(value, _)| *value > x) else { return 1.0 };
    let Some(before) = after.checked_sub(1) else { return 0.0 };
    let ((x0, p0), (x1, p1)) = (curve[before], curve[after]);
    p0 + (p1 - p0) * (x - x0) / (x1 - x0)
}

fn reuse<'a>(points: impl Iterator<Item = &'a ReusePoint>) -> Vec<ReusePoint> {
    let mut sums: BTreeMap<u64, (u64, f64)> = BTreeMap::new();
    for point in points {
        let (occurrences, sum) = sums.entry(point.bytes).or_default();
        *occurrences += point.occurrences;
        *sum += point.occurrences as f64 * point.mean_ns;
    }
    let point = |(bytes, (occurrences, sum)): (u64, (u64, f64))| ReusePoint {
        bytes,
        occurrences,
        mean_ns: sum / occurrences as f64,
    };
    sums.into_iter().map(point).collect()
}

/// Means, between the smallest and the largest window. Meters that count different things have no common figure.
fn energy(parts: &[&Energy]) -> Option<Energy> {
    let first = parts.first()?;
    if parts.iter().any(|energy| energy.energy_method != first.energy_method) {
        return None;
    }
    let all = |of: fn(&Energy) -> f64| parts.iter().map(|energy| of(energy)).collect::<Vec<_>>();
    Some(Energy {
        energy_mj: mean(&all(|e| e.energy_mj))?,
        energy_low_mj: all(|e| e.energy_low_mj).into_iter().reduce(f64::min)?,
        energy_high_mj: all(|e| e.energy_high_mj).into_iter().reduce(f64::max)?,
        energy_idle_mj: mean(&all(|e| e.energy_idle_mj))?,
        energy_resolution_mj: all(|e| e.energy_resolution_mj).into_iter().reduce(f64::max)?,
        energy_method: first.energy_method.clone(),
    })
}
