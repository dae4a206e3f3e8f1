//! Predicted against measured, with level and shape kept apart.

use nasprof_base::ranks::spearman;
use nasprof_base::statistics::mean;
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_profiler::journal::{Event, Role};
use nasprof_spaces::Space;

use crate::disturbed::leave_out;
use crate::noise_floor::noise_floor;
use crate::queued::at_usual_speed;
use crate::validation::share_within;
use crate::whole_times::WholeTimes;
use crate::{CurrentLevel, Estimator, Level, LutError, Observations, Validation, ValidationRow};

struct Measured {
    arch: Arch,
    anchor: bool,
    ms: f64,
    ci: Option<[f64; 2]>,
    processes_ms: Vec<f64>,
    /// Its time in parts of the measurement that can be compared: processes, or halves of the rounds of one.
    parts: Option<Vec<f64>>,
    estimated: f64,
    interval: Option<[f64; 2]>,
    isolated: Option<f64>,
}

/// Compares what sessions of whole networks of a space measured with what the LUT says.
///
/// # Errors
/// If a network was not measured, or the LUT cannot predict one.
pub fn validate(
    events: &[Event],
    space: &Space,
    estimator: &Estimator<'_>,
    isolated: Option<&Estimator<'_>>,
    seed: u64,
) -> Result<Validation, LutError> {
    let (all, disturbed_processes) = measured(events, estimator, isolated)?;
    let level = level_of(&all);
    let factor = level.as_ref().map_or(1.0, |l| l.level);
    let holdout: Vec<&Measured> = all.iter().filter(|m| !m.anchor).collect();
    let errors: Vec<f64> = holdout.iter().map(|m| m.estimated * factor / m.ms - 1.0).collect();
    let mape_of = |e: &[f64]| mean(&e.iter().map(|e| e.abs()).collect::<Vec<_>>()).unwrap_or(f64::NAN);
    let isolated_errors: Option<Vec<f64>> = holdout.iter().map(|m| Some(m.isolated? / m.ms - 1.0)).collect();
    let inside: Option<Vec<f64>> =
        holdout.iter().map(|m| m.interval.map(|i| f64::from(u8::from(i[0] <= m.ms && m.ms <= i[1])))).collect();
    let estimated: Vec<f64> = holdout.iter().map(|m| m.estimated).collect();
    let times: Vec<f64> = holdout.iter().map(|m| m.ms).collect();
    Ok(Validation {
        n: holdout.len(),
        uncovered: 0,
        known: 0,
        disturbed_processes,
        level: level.as_ref().map(|l| l.level),
        level_interval: level.map(|l| l.interval),
        mape: mape_of(&errors),
        noise_floor: noise_floor(holdout.iter().filter_map(|m| m.parts.as_deref())),
        bias: mean(&errors).unwrap_or(f64::NAN),
        within_2: share_within(&errors, 0.02),
        within_5: share_within(&errors, 0.05),
        within_10: share_within(&errors, 0.10),
        spearman: spearman(&estimated, &times),
        raw_mape: mape_of(&holdout.iter().map(|m| m.estimated / m.ms - 1.0).collect::<Vec<_>>()),
        isolated_mape: isolated_errors.as_deref().filter(|_| isolated.is_some()).map(mape_of),
        covered: inside.as_deref().and_then(mean),
        timing: estimator.lut.context.queued.as_ref().map(|_| estimator.timing()),
        seed: Some(seed),
        rows: holdout
            .into_iter()
            .map(|m| ValidationRow {
                arch: ArchFile::new(&space.name, &space.choices, &m.arch),
                measured_ms: m.ms,
                ci: m.ci,
                processes_ms: m.processes_ms.clone(),
                estimated_ms: m.estimated,
                interval: m.interval,
            })
            .collect(),
    })
}

/// The level of the anchors in a session that measured them.
///
/// # Errors
/// As [`validate`].
pub fn level_now(events: &[Event], estimator: &Estimator<'_>) -> Result<Option<Level>, LutError> {
    Ok(level_of(&measured(events, estimator, None)?.0))
}

/// The level of now, for estimates of now ([`Estimator::at_level`]), by the anchors in sessions that measured them. `None`
/// without anchors.
///
/// # Errors
/// As [`validate`].
pub fn current_level(events: &[Event], estimator: &Estimator<'_>) -> Result<Option<CurrentLevel>, LutError> {
    let (all, _) = measured(events, estimator, None)?;
    let anchors: Vec<&Measured> = all.iter().filter(|m| m.anchor).collect();
    let ratios: Vec<Vec<f64>> =
        anchors.iter().map(|m| m.processes_ms.iter().map(|ms| ms / m.estimated).collect()).collect();
    let of_sum = estimator.latency_of_sum();
    let sums_ns: Vec<f64> = anchors.iter().map(|m| of_sum.sum_ns(m.estimated)).collect();
    Ok(CurrentLevel::of(&ratios, &sums_ns, estimator.lut.context.header.clocks.is_some()))
}

fn level_of(all: &[Measured]) -> Option<Level> {
    Level::of(&all.iter().filter(|m| m.anchor).map(|m| m.ms / m.estimated).collect::<Vec<_>>())
}

/// The networks, and how many processes were disturbed and do not count.
fn measured(
    events: &[Event],
    estimator: &Estimator<'_>,
    isolated: Option<&Estimator<'_>>,
) -> Result<(Vec<Measured>, usize), LutError> {
    let mut observations = Observations::new(events)?;
    at_usual_speed(&mut observations);
    let timing = estimator.timing();
    let disturbed = leave_out(&mut observations, timing);
    let mut result = Vec::new();
    for workload in observations.workloads.values() {
        let Role::Network { arch, anchor } = &workload.role else { continue };
        let WholeTimes { ms, interval: ci, processes_ms, parts } = WholeTimes::of(workload, &observations, timing)?;
        let estimate = estimator.estimate(&workload.network);
        let latency_ms = if *anchor { estimator.anchor_ms(arch) } else { estimate.latency_ms };
        let estimated = latency_ms.ok_or(LutError::Uncovered { network: workload.id })?;
        result.push(Measured {
            arch: arch.clone(),
            anchor: *anchor,
            ms,
            ci,
            processes_ms,
            parts,
            estimated,
            interval: estimate.interval_ms,
            isolated: isolated.and_then(|i| i.latency_ms(&workload.network)),
        });
    }
    Ok((result, disturbed))
}
