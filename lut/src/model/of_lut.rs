//! Turns an imported profile, which is stored as a LUT, back into a profile.

use std::collections::BTreeMap;

use nasprof_profiler::model_profile::{
    KernelPart, ModelProfile, ModelSubject, ModelTime, PROFILE_VERSION, ProfiledKernel,
};

use crate::import::is_runtime_profile;
use crate::{Flag, Lut, Row};

/// The profile that a LUT was imported from; `None` for any other LUT. Tables of blocks are not profiles: blocks are
/// not parts of one model.
#[must_use]
pub fn model_of(lut: &Lut) -> Option<ModelProfile> {
    let imported = lut.context.imported.as_ref().filter(|imported| is_runtime_profile(&imported.format))?;
    let header = &lut.context.header;
    let ms = |row: &Row| row.times.as_ref().map(|times| times.mean_ns / 1e6);
    let sum: f64 = lut.rows.iter().filter_map(ms).sum();
    let part = |row: &Row| {
        let time = time(row)?;
        let share = if sum > 0.0 { time.ms / sum } else { 0.0 };
        Some(KernelPart { kernel: kernel(row), time, share, suspicious: row.flags.contains(&Flag::Suspicious) })
    };
    let facts = [("profile_format", &imported.format), ("profile_file", &imported.file)];
    Some(ModelProfile {
        format_version: PROFILE_VERSION,
        subject: ModelSubject {
            model: header.space.clone(),
            device: header.device.clone(),
            backend: header.backend.clone(),
            threads: Some(header.threads),
        },
        sessions: 0,
        facts: facts.map(|(name, value)| (name.to_owned(), value.clone())).into_iter().collect::<BTreeMap<_, _>>(),
        inputs: Vec::new(),
        kernels: lut.rows.iter().filter_map(part).collect(),
        failed: lut.rows.iter().filter(|row| row.times.is_none()).map(|row| row.attributes.clone()).collect(),
        whole: None,
        timed_sum_ms: sum,
        timer_ns: 0.0,
        sum_error: None,
        session_ms: None,
        first_ms: None,
        peak_bytes: None,
    })
}

fn time(row: &Row) -> Option<ModelTime> {
    let times = row.times.as_ref()?;
    let interval = times.ci_low_ns.zip(times.ci_high_ns);
    Some(ModelTime { ms: times.mean_ns / 1e6, interval_ms: interval.map(|(low, high)| [low / 1e6, high / 1e6]) })
}

fn kernel(row: &Row) -> ProfiledKernel {
    ProfiledKernel {
        name: row.attributes.clone(),
        operator: row.op.clone(),
        provider: String::new(),
        inputs: row.input_shapes.split(',').filter(|shape| !shape.is_empty()).map(str::to_owned).collect(),
        outputs: Vec::new(),
        parameter_bytes: None,
    }
}
