//! Validates LUT files: values that no measurement can produce mean that the file was changed, and its predictions
//! would be wrong.

use std::collections::HashSet;

use crate::size_effect::STEEPEST;
use crate::{Anchor, Calibration, Lut, Row, Slope};

/// Refuses values from which no estimate may be made. What is merely strange is [`crate::check`]'s matter.
///
/// # Errors
/// The first value that cannot be right, with its row.
pub(super) fn validate(lut: &Lut) -> Result<(), String> {
    let context = &lut.context;
    if context.header.batch == 0 || context.header.threads == 0 {
        return Err("its context: batch and threads must be at least 1".to_owned());
    }
    if let Some(calibration) = &context.calibration {
        of_calibration(calibration).map_err(|problem| format!("its calibration: {problem}"))?;
    }
    for (i, anchor) in context.anchors.iter().enumerate() {
        of_anchor(anchor).map_err(|problem| format!("its anchor {}: {problem}", i + 1))?;
    }
    let mut keys = HashSet::new();
    for (i, row) in lut.rows.iter().enumerate() {
        let at_row = |problem| format!("row {} (`{}`): {problem}", i + 1, row.key);
        if !keys.insert(&row.key) {
            return Err(at_row("its key stands more than once".to_owned()));
        }
        of_row(row).map_err(at_row)?;
    }
    Ok(())
}

fn of_calibration(calibration: &Calibration) -> Result<(), String> {
    positive("scale", calibration.scale)?;
    calibration.reuse_bandwidth.map_or(Ok(()), |width| positive("reuse_bandwidth", width))?;
    if let Some(effect) = &calibration.size_effect {
        effect.slopes().iter().try_for_each(of_slope)?;
    }
    not_negative("leave_one_out", calibration.leave_one_out)?;
    not_negative("shape_half_width", calibration.shape_half_width)?;
    not_negative("level_half_width", calibration.level_half_width)
}

fn of_slope(slope: &Slope) -> Result<(), String> {
    let ordered = slope.low <= slope.usual && slope.usual <= slope.high;
    if slope.slope.abs() <= STEEPEST && ordered && slope.low.is_finite() && slope.high.is_finite() {
        return Ok(());
    }
    Err(format!("size_effect: slope {} between {} and {} cannot be", slope.slope, slope.low, slope.high))
}

fn of_anchor(anchor: &Anchor) -> Result<(), String> {
    positive("sum_ns", anchor.sum_ns)?;
    anchor.sessions_ns.iter().try_for_each(|&ns| positive("sessions_ns", ns))?;
    anchor.level_sessions_ns.iter().try_for_each(|&ns| positive("level_sessions_ns", ns))
}

fn of_row(row: &Row) -> Result<(), String> {
    if let Some(energy) = &row.energy {
        positive("energy_mj", energy.energy_mj)?;
    }
    let Some(times) = &row.times else { return Ok(()) };
    if let Some(error) = &row.error {
        return Err(format!("it has times and the error `{error}`"));
    }
    positive("mean_ns", times.mean_ns).map_err(|problem| format!("{problem}; a failed measurement is not 0 ms"))?;
    let others = [
        ("median_ns", times.median_ns),
        ("min_ns", times.min_ns),
        ("p10_ns", times.p10_ns),
        ("p25_ns", times.p25_ns),
        ("p75_ns", times.p75_ns),
        ("p90_ns", times.p90_ns),
        ("mad_ns", times.mad_ns),
        ("ci_low_ns", times.ci_low_ns),
        ("ci_high_ns", times.ci_high_ns),
    ];
    others.into_iter().try_for_each(|(name, value)| value.map_or(Ok(()), |value| not_negative(name, value)))?;
    if let (Some(low), Some(high)) = (times.ci_low_ns, times.ci_high_ns)
        && low > high
    {
        return Err(format!("ci_low_ns {low} is above ci_high_ns {high}"));
    }
    times.sessions_ns.iter().try_for_each(|&ns| positive("sessions_ns", ns))?;
    for point in &times.reuse {
        positive("reuse", point.mean_ns)?;
        if point.occurrences == 0 {
            return Err("reuse: a distance without places".to_owned());
        }
    }
    Ok(())
}

fn positive(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value > 0.0 { Ok(()) } else { Err(format!("{name} {value} is not a positive number")) }
}

fn not_negative(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(format!("{name} {value} is not a number from 0 on")) }
}
