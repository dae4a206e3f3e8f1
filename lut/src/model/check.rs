//! Refuses values that no measurement of a model can have.

use nasprof_profiler::model_profile::{ModelProfile, ModelTime};

use crate::{MAX_COUNT, MAX_NS};

/// Maximum kernels of a model.
const MAX_KERNELS: usize = 200_000;
/// Tolerance between sums of many times in different orders.
const ROUNDING: f64 = 1e-6;
/// Maximum time of a model, milliseconds.
const MAX_MS: f64 = MAX_NS / 1e6;

/// Refuses values that are out of bounds or that contradict others.
pub(super) fn check(profile: &ModelProfile) -> Result<(), String> {
    if profile.kernels.len() > MAX_KERNELS {
        return Err(format!("more than {MAX_KERNELS} kernels"));
    }
    let sum = profile.sum_ms();
    for part in &profile.kernels {
        let name = &part.kernel.name;
        time(&part.time).map_err(|problem| format!("kernel `{name}`: {problem}"))?;
        let expected = if sum > 0.0 { part.time.ms / sum } else { 0.0 };
        if (part.share - expected).abs() > ROUNDING {
            return Err(format!("kernel `{name}`: share is {}, but its time is {expected} of the sum", part.share));
        }
        if part.kernel.parameter_bytes.is_some_and(|bytes| bytes > MAX_COUNT) {
            return Err(format!("kernel `{name}`: parameter_bytes is larger than {MAX_COUNT}"));
        }
    }
    for (name, ms) in [
        ("timed_sum_ms", Some(profile.timed_sum_ms)),
        ("timer_ns", Some(profile.timer_ns / 1e6)),
        ("session_ms", profile.session_ms),
        ("first_ms", profile.first_ms),
    ] {
        if ms.is_some_and(|ms| !(0.0..=MAX_MS).contains(&ms)) {
            return Err(format!("{name} is not a time"));
        }
    }
    if profile.peak_bytes.is_some_and(|bytes| bytes > MAX_COUNT) {
        return Err(format!("peak_bytes is larger than {MAX_COUNT}"));
    }
    match (&profile.whole, profile.sum_error) {
        (None, None) => Ok(()),
        (Some(whole), Some(error)) => {
            time(whole).map_err(|problem| format!("whole: {problem}"))?;
            let expected = sum / whole.ms - 1.0;
            // A plain run that takes no time has no error either.
            match (error - expected).abs() <= ROUNDING * (1.0 + expected.abs()) {
                true => Ok(()),
                false => Err(format!("sum_error is {error}, but the kernels are {expected} off the plain run")),
            }
        }
        (Some(_), None) => Err("it has a plain run and no sum_error".to_owned()),
        (None, Some(_)) => Err("it has a sum_error and no plain run".to_owned()),
    }
}

fn time(time: &ModelTime) -> Result<(), String> {
    if !(0.0..=MAX_MS).contains(&time.ms) {
        return Err(format!("ms is {}, which is not a time", time.ms));
    }
    match time.interval_ms {
        Some([low, high]) if !(0.0..=time.ms).contains(&low) || !(time.ms..=2.0 * MAX_MS).contains(&high) => {
            Err(format!("interval_ms [{low}, {high}] does not contain ms {}", time.ms))
        }
        _ => Ok(()),
    }
}
