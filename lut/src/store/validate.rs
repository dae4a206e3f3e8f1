//! Validates LUT files: values that no measurement can produce mean that the file was changed, and its predictions
//! would be wrong.

use std::collections::HashSet;

use nasprof_profiler::engine::Precision;
use nasprof_profiler::protocol::Timing;

use crate::{
    Anchor, Calibration, Energy, Lut, MAX_COUNT, MAX_FACTOR, MAX_MJ, MAX_NS, MAX_W, NetworkTime, Queued,
    Reconciliation, Row, SessionFacts, SizeEffect, Times,
};

/// Refuses values that must not be used in an estimate. [`crate::check`] reports values that are only suspicious.
///
/// # Errors
/// The first value that cannot be right, with its row.
pub(super) fn validate(lut: &Lut) -> Result<(), String> {
    let context = &lut.context;
    let header = &context.header;
    if header.batch == 0 || header.threads == 0 {
        return Err("its context: batch and threads must be at least 1".to_owned());
    }
    let counts = [("batch", header.batch), ("threads", header.threads)];
    counts
        .into_iter()
        .try_for_each(|(name, value)| count(name, value as u64))
        .map_err(|p| format!("its context: {p}"))?;
    not_negative("ci", header.ci, 1.0).map_err(|problem| format!("its context: {problem}"))?;
    for (i, part) in context.parts.iter().enumerate() {
        of_networks(&part.networks)
            .and_then(|()| part.reconciliation.as_ref().map_or(Ok(()), of_reconciliation))
            .and_then(|()| part.precision.as_ref().map_or(Ok(()), of_precision))
            .map_err(|problem| format!("its part {}: {problem}", i + 1))?;
    }
    of_networks(&context.networks).map_err(|problem| format!("its networks: {problem}"))?;
    let of_parts = context.parts.iter().flat_map(|part| &part.sessions);
    for (i, session) in context.sessions.iter().chain(of_parts).enumerate() {
        of_session(session).map_err(|problem| format!("its session {}: {problem}", i + 1))?;
    }
    if let Some(calibration) = &context.calibration {
        of_calibration(calibration).map_err(|problem| format!("its calibration: {problem}"))?;
    }
    if let Some(parts) = &context.reconciliation {
        of_reconciliation(parts).map_err(|problem| format!("its reconciliation: {problem}"))?;
    }
    if let Some(precision) = &context.precision {
        of_precision(precision).map_err(|problem| format!("its precision: {problem}"))?;
    }
    if let Some(queued) = &context.queued {
        of_queued(queued).map_err(|problem| format!("its timings: {problem}"))?;
    }
    let tells = |timing| context.queued.as_ref().is_some_and(|queued| queued.tells(timing));
    if let Some(timing) = header.timing.filter(|timing| !tells(*timing)) {
        return Err(format!("its context: there is no calibration of the timing `{}`", timing.name()));
    }
    for (i, anchor) in context.anchors.iter().enumerate() {
        of_anchor(anchor).map_err(|problem| format!("its anchor {}: {problem}", i + 1))?;
    }
    let mut keys = HashSet::new();
    for (i, row) in lut.rows.iter().enumerate() {
        let at_row = |problem| format!("row {} (`{}`): {problem}", i + 1, row.key);
        if !keys.insert(&row.key) {
            return Err(at_row("duplicate key".to_owned()));
        }
        of_row(row).map_err(at_row)?;
    }
    Ok(())
}

fn of_session(session: &SessionFacts) -> Result<(), String> {
    session.canary_spread.iter().try_for_each(|&spread| not_negative("canary_spread", spread, MAX_FACTOR))?;
    count("voided", session.voided as u64)
}

fn of_networks(networks: &[NetworkTime]) -> Result<(), String> {
    networks.iter().flat_map(|network| &network.sessions_ns).try_for_each(|&ns| positive("sessions_ns", ns, MAX_NS))
}

fn of_calibration(calibration: &Calibration) -> Result<(), String> {
    positive("scale", calibration.scale, MAX_FACTOR)?;
    calibration.reuse_bandwidth.map_or(Ok(()), |width| positive("reuse_bandwidth", width, MAX_FACTOR))?;
    calibration.size_effect.as_ref().map_or(Ok(()), of_size_effect)?;
    not_negative("layer_ns", calibration.layer_ns, MAX_NS)?;
    count("networks", calibration.networks as u64)?;
    not_negative("leave_one_out", calibration.leave_one_out, MAX_FACTOR)?;
    not_negative("shape_half_width", calibration.shape_half_width, MAX_FACTOR)?;
    not_negative("level_half_width", calibration.level_half_width, MAX_FACTOR)
}

fn of_precision(precision: &Precision) -> Result<(), String> {
    let counts = [("weak", precision.weak), ("weighty", precision.weighty), ("of", precision.of)];
    counts.into_iter().try_for_each(|(name, value)| count(name, value as u64))?;
    let widths = [("networks", precision.networks), ("rows", precision.rows)];
    widths.into_iter().try_for_each(|(name, width)| width.map_or(Ok(()), |width| not_negative(name, width, MAX_FACTOR)))
}

fn of_reconciliation(parts: &Reconciliation) -> Result<(), String> {
    count("networks", parts.networks as u64)?;
    not_negative("layers", parts.layers, MAX_COUNT as f64)?;
    let times = [("sum_ns", parts.sum_ns), ("timed_ns", parts.timed_ns), ("plain_ns", parts.plain_ns)];
    times.into_iter().try_for_each(|(name, ns)| positive(name, ns, MAX_NS))?;
    let parts = [("timer_ns", parts.timer_ns), ("layer_ns", parts.layer_ns)];
    parts.into_iter().try_for_each(|(name, ns)| not_negative(name, ns, MAX_NS))
}

fn of_queued(queued: &Queued) -> Result<(), String> {
    not_negative("timer_ns", queued.timer_ns, MAX_NS)?;
    let mut seen = HashSet::new();
    for calibration in &queued.timings {
        if calibration.timing == Timing::Queue || !seen.insert(calibration.timing) {
            return Err(format!("`{}` appears twice", calibration.timing.name()));
        }
        positive("scale", calibration.scale, MAX_FACTOR)?;
        not_negative("layer_ns", calibration.layer_ns.abs(), MAX_NS)?;
        not_negative("call_ns", calibration.call_ns.abs(), MAX_NS)?;
        count("networks", calibration.networks as u64)?;
        not_negative("leave_one_out", calibration.leave_one_out, MAX_FACTOR)?;
        not_negative("shape_half_width", calibration.shape_half_width, MAX_FACTOR)?;
        not_negative("level_half_width", calibration.level_half_width, MAX_FACTOR)?;
        for anchor in &calibration.anchors {
            positive("time_ns", anchor.time_ns, MAX_NS)?;
            count("layers", anchor.layers as u64)?;
        }
    }
    Ok(())
}

fn of_size_effect(effect: &SizeEffect) -> Result<(), String> {
    if effect.is_possible() && effect.high_ns <= MAX_NS {
        return Ok(());
    }
    let SizeEffect { slope, usual_ns, low_ns, high_ns } = effect;
    Err(format!("size_effect: a slope of {slope} around {usual_ns}, between {low_ns} and {high_ns} ns, is impossible"))
}

fn of_anchor(anchor: &Anchor) -> Result<(), String> {
    positive("sum_ns", anchor.sum_ns, MAX_NS)?;
    count("layers", anchor.layers as u64)?;
    anchor.sessions_ns.iter().try_for_each(|&ns| positive("sessions_ns", ns, MAX_NS))?;
    anchor.level_sessions_ns.iter().try_for_each(|&ns| positive("level_sessions_ns", ns, MAX_NS))?;
    anchor.energy.as_ref().map_or(Ok(()), of_energy)?;
    anchor.power_w.map_or(Ok(()), |watts| positive("power_w", watts, MAX_W))?;
    anchor.layers_energy_mj.map_or(Ok(()), |mj| positive("layers_energy_mj", mj, MAX_MJ))
}

fn of_energy(energy: &Energy) -> Result<(), String> {
    positive("energy_mj", energy.energy_mj, MAX_MJ)?;
    let others = [
        ("energy_low_mj", energy.energy_low_mj),
        ("energy_high_mj", energy.energy_high_mj),
        ("energy_idle_mj", energy.energy_idle_mj),
        ("energy_resolution_mj", energy.energy_resolution_mj),
    ];
    others.into_iter().try_for_each(|(name, value)| not_negative(name, value, MAX_MJ))?;
    in_order(("energy_low_mj", energy.energy_low_mj), ("energy_high_mj", energy.energy_high_mj))
}

fn of_row(row: &Row) -> Result<(), String> {
    if row.error.as_ref().is_some_and(String::is_empty) {
        return Err("it has an error without a reason".to_owned());
    }
    row.energy.as_ref().map_or(Ok(()), of_energy)?;
    count("params", row.params)?;
    count("macs", row.macs)?;
    count("bytes", row.bytes)?;
    count("peak_memory_bytes", row.peak_memory_bytes.unwrap_or(0))?;
    count("stored_bytes", row.stored_bytes.unwrap_or(0))?;
    not_negative("launch_ns", row.launch_ns.unwrap_or(0.0), MAX_NS)?;
    not_negative("first_call_ns", row.first_call_ns.unwrap_or(0) as f64, MAX_NS)?;
    let Some(times) = &row.times else { return Ok(()) };
    if let Some(error) = &row.error {
        return Err(format!("it has both times and the error `{error}`"));
    }
    of_times(times)
}

fn of_times(times: &Times) -> Result<(), String> {
    positive("mean_ns", times.mean_ns, MAX_NS).map_err(|problem| match times.mean_ns {
        0.0 => format!("{problem}; a failed measurement is not 0 ms"),
        _ => problem,
    })?;
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
    others.into_iter().try_for_each(|(name, value)| value.map_or(Ok(()), |value| not_negative(name, value, MAX_NS)))?;
    if let (Some(low), Some(high)) = (times.ci_low_ns, times.ci_high_ns) {
        in_order(("ci_low_ns", low), ("ci_high_ns", high))?;
    }
    let counts = [
        ("n_places", times.n_occurrences),
        ("n_visits", times.n_visits),
        ("n_samples", times.n_samples),
        ("n_dropped", times.n_dropped),
    ];
    counts.into_iter().try_for_each(|(name, value)| count(name, value))?;
    times.sessions_ns.iter().try_for_each(|&ns| positive("sessions_ns", ns, MAX_NS))?;
    for point in &times.reuse {
        positive("reuse", point.mean_ns, MAX_NS)?;
        count("reuse", point.bytes)?;
        count("reuse", point.occurrences)?;
        if point.occurrences == 0 {
            return Err("reuse: a distance without occurrences".to_owned());
        }
    }
    Ok(())
}

fn in_order((low_name, low): (&str, f64), (high_name, high): (&str, f64)) -> Result<(), String> {
    if low <= high { Ok(()) } else { Err(format!("{low_name} {low} is above {high_name} {high}")) }
}

fn count(name: &str, value: u64) -> Result<(), String> {
    if value <= MAX_COUNT { Ok(()) } else { Err(format!("{name} {value} is more than {MAX_COUNT}")) }
}

fn positive(name: &str, value: f64, most: f64) -> Result<(), String> {
    if value > 0.0 { not_negative(name, value, most) } else { Err(format!("{name} {value} is not a positive number")) }
}

fn not_negative(name: &str, value: f64, most: f64) -> Result<(), String> {
    if !(value.is_finite() && value >= 0.0) {
        return Err(format!("{name} {value} is not a number of at least 0"));
    }
    if value <= most { Ok(()) } else { Err(format!("{name} {value:e} is more than {most:e}")) }
}
