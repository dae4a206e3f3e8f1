//! The calibration of merged LUTs.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, median};
use nasprof_graph::{Arch, LayerKey};

use crate::{Anchor, Calibration, Lut, Row, SizeEffect};

/// The calibration and the anchors for merged rows.
///
/// A part's factor turns the sum of its own rows into its networks. Merged rows are at a level between the parts, so
/// the sums of each part's anchors are scaled to that level. If two parts differ, the next session may be as far off as
/// either of them says.
pub(super) fn merge(luts: &[&Lut], rows: &[Row]) -> (Option<Calibration>, Vec<Anchor>) {
    let merged: BTreeMap<&LayerKey, f64> =
        rows.iter().filter_map(|row| Some((&row.key, row.times.as_ref()?.mean_ns))).collect();
    // The factor of merged rows over each part's rows.
    let shift = |lut: &Lut| {
        let ratio = |row: &Row| Some((merged.get(&row.key)? / row.times.as_ref()?.mean_ns).ln());
        median(&lut.rows.iter().filter_map(ratio).collect::<Vec<_>>()).unwrap_or(0.0)
    };
    let shifts: Vec<f64> = luts.iter().map(|lut| shift(lut)).collect();
    let known: Vec<(&Calibration, f64)> =
        luts.iter().zip(&shifts).filter_map(|(lut, shift)| Some((lut.context.calibration.as_ref()?, *shift))).collect();
    // Some networks show nothing about others that were never compared with the sums of their layers.
    let calibration = of_all(&known).filter(|_| known.len() == luts.len());
    let mut anchors: BTreeMap<&Arch, Vec<Anchor>> = BTreeMap::new();
    for (lut, shift) in luts.iter().zip(&shifts) {
        for anchor in &lut.context.anchors {
            let moved = Anchor { sum_ns: anchor.sum_ns * shift.exp(), ..anchor.clone() };
            anchors.entry(&anchor.arch).or_default().push(moved);
        }
    }
    (calibration, anchors.into_values().filter_map(|same| same.into_iter().reduce(both)).collect())
}

fn of_all(known: &[(&Calibration, f64)]) -> Option<Calibration> {
    let logs: Vec<f64> = known.iter().map(|(calibration, _)| calibration.scale.ln()).collect();
    let center = mean(&logs)?;
    // Each part's prediction of a network, relative to the merged LUT's.
    let apart = |(calibration, shift): &(&Calibration, f64)| (calibration.scale.ln() - shift - center).abs();
    let widest = |of: fn(&Calibration) -> f64| known.iter().map(|(c, _)| of(c)).fold(0.0, f64::max);
    let level = known.iter().map(|part| part.0.level_half_width + apart(part)).fold(0.0, f64::max);
    Some(Calibration {
        scale: center.exp(),
        leave_one_out: widest(|c| c.leave_one_out),
        networks: known.iter().map(|(c, _)| c.networks).sum(),
        shape_half_width: widest(|c| c.shape_half_width),
        level_half_width: level,
        // The smoother: fewer occurrences decide.
        reuse_bandwidth: known.iter().filter_map(|(c, _)| c.reuse_bandwidth).reduce(f64::max),
        size_effect: size_effect(known),
        layer_ns: mean(&known.iter().map(|(c, _)| c.layer_ns).collect::<Vec<_>>())?,
    })
}

/// The mean of the parts' slopes, one without an effect counting as flat. Its sums are those of merged rows.
fn size_effect(known: &[(&Calibration, f64)]) -> Option<SizeEffect> {
    let parts: Vec<(SizeEffect, f64)> =
        known.iter().filter_map(|(c, shift)| Some((c.size_effect?, shift.exp()))).collect();
    let all = |of: fn(&SizeEffect) -> f64| parts.iter().map(move |(part, shift)| shift * of(part));
    let (low_ns, high_ns) = (all(|part| part.low_ns).reduce(f64::min)?, all(|part| part.high_ns).reduce(f64::max)?);
    let slope = parts.iter().map(|(part, _)| part.slope).sum::<f64>() / known.len() as f64;
    let usual_ns = mean(&all(|part| part.usual_ns).collect::<Vec<_>>())?;
    // The rounded mean of equal values may differ from them.
    Some(SizeEffect { slope, usual_ns: usual_ns.clamp(low_ns, high_ns), low_ns, high_ns })
}

/// One anchor measured in two parts.
fn both(a: Anchor, b: Anchor) -> Anchor {
    Anchor {
        sessions_ns: [a.sessions_ns, b.sessions_ns].concat(),
        level_sessions_ns: [a.level_sessions_ns, b.level_sessions_ns].concat(),
        sum_ns: 0.5 * (a.sum_ns + b.sum_ns),
        ..a
    }
}
