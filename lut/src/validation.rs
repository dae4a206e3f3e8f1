//! Predicted against measured, with level and shape kept apart.

use nasprof_graph::Arch;
use nasprof_profiler::engine::clean_samples;
use nasprof_profiler::journal::{Event, Role};
use nasprof_profiler::statistics::{mean, median_interval, spearman, standard_deviation, student_t_95, trimmed_mean};
use serde::Serialize;

use crate::noise::{Rounds, noise};
use crate::{Estimator, Level, LutError, Observations};

/// One fresh network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValidationRow {
    /// Its architecture.
    pub arch: Arch,
    /// Measured milliseconds: the trimmed mean of its clean runs, in the mean over the processes that measured it.
    pub measured_ms: f64,
    /// Interval around the median of rounds; of the mean over processes where several measured it.
    pub ci: Option<[f64; 2]>,
    /// The trimmed mean in each process, milliseconds.
    #[serde(skip)]
    pub processes_ms: Vec<f64>,
    /// Estimated milliseconds, before the level is taken out.
    pub estimated_ms: f64,
    /// The estimate's interval.
    pub interval: Option<[f64; 2]>,
}

/// How far predictions are from the truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Validation {
    /// Fresh networks.
    pub n: usize,
    /// Measured over estimated on the anchors, in this run; absent if the LUT has no anchors.
    pub level: Option<f64>,
    /// Its 95 % interval.
    pub level_interval: Option<[f64; 2]>,
    /// Mean absolute relative error after dividing by the level.
    pub mape: f64,
    /// What of it is noise of the measured times, not error of the LUT: it would be left if the estimates had no error at all.
    /// Absent where too little was measured to tell.
    pub noise: Option<f64>,
    /// Mean relative error after dividing by the level.
    pub bias: f64,
    /// Share within 2 %.
    pub within_2: f64,
    /// Share within 5 %.
    pub within_5: f64,
    /// Share within 10 %.
    pub within_10: f64,
    /// Rank correlation.
    pub spearman: Option<f64>,
    /// Mean absolute relative error before the level is taken out.
    pub raw_mape: f64,
    /// What a LUT of isolated layers would have said, as it is.
    pub isolated_mape: Option<f64>,
    /// Share of raw measurements inside the estimates' intervals.
    pub covered: Option<f64>,
    /// Seed of the networks and their order.
    pub seed: u64,
    /// The networks.
    pub rows: Vec<ValidationRow>,
}

struct Measured {
    arch: Arch,
    anchor: bool,
    ms: f64,
    ci: Option<[f64; 2]>,
    processes_ms: Vec<f64>,
    rounds: Rounds,
    estimated: f64,
    interval: Option<[f64; 2]>,
    isolated: Option<f64>,
}

/// Compares what sessions of whole networks measured with what the LUT says.
///
/// # Errors
/// If a network was not measured, or the LUT cannot predict one.
pub fn validate(
    events: &[Event],
    estimator: &Estimator<'_>,
    isolated: Option<&Estimator<'_>>,
    seed: u64,
) -> Result<Validation, LutError> {
    let all = measured(events, estimator, isolated)?;
    let level = level_of(&all);
    let factor = level.as_ref().map_or(1.0, |l| l.level);
    let fresh: Vec<&Measured> = all.iter().filter(|m| !m.anchor).collect();
    let errors: Vec<f64> = fresh.iter().map(|m| m.estimated * factor / m.ms - 1.0).collect();
    let share = |limit: f64| errors.iter().filter(|e| e.abs() <= limit).count() as f64 / errors.len().max(1) as f64;
    let mape_of = |e: &[f64]| mean(&e.iter().map(|e| e.abs()).collect::<Vec<_>>()).unwrap_or(f64::NAN);
    let isolated_errors: Option<Vec<f64>> = fresh.iter().map(|m| Some(m.isolated? / m.ms - 1.0)).collect();
    let inside: Option<Vec<f64>> =
        fresh.iter().map(|m| m.interval.map(|i| f64::from(u8::from(i[0] <= m.ms && m.ms <= i[1])))).collect();
    let estimated: Vec<f64> = fresh.iter().map(|m| m.estimated).collect();
    let times: Vec<f64> = fresh.iter().map(|m| m.ms).collect();
    Ok(Validation {
        n: fresh.len(),
        level: level.as_ref().map(|l| l.level),
        level_interval: level.map(|l| l.interval),
        mape: mape_of(&errors),
        noise: noise(fresh.iter().map(|m| &m.rounds)),
        bias: mean(&errors).unwrap_or(f64::NAN),
        within_2: share(0.02),
        within_5: share(0.05),
        within_10: share(0.10),
        spearman: spearman(&estimated, &times),
        raw_mape: mape_of(&fresh.iter().map(|m| m.estimated / m.ms - 1.0).collect::<Vec<_>>()),
        isolated_mape: isolated_errors.as_deref().filter(|_| isolated.is_some()).map(mape_of),
        covered: inside.as_deref().and_then(mean),
        seed,
        rows: fresh
            .into_iter()
            .map(|m| ValidationRow {
                arch: m.arch.clone(),
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
    Ok(level_of(&measured(events, estimator, None)?))
}

fn level_of(all: &[Measured]) -> Option<Level> {
    Level::of(&all.iter().filter(|m| m.anchor).map(|m| m.ms / m.estimated).collect::<Vec<_>>())
}

fn measured(
    events: &[Event],
    estimator: &Estimator<'_>,
    isolated: Option<&Estimator<'_>>,
) -> Result<Vec<Measured>, LutError> {
    let observations = Observations::new(events)?;
    let mut result = Vec::new();
    for unit in observations.units.values() {
        let Role::Network { arch, anchor } = &unit.role else { continue };
        let mut processes_ms: Vec<f64> = Vec::new();
        let mut rounds: Rounds = Vec::new();
        for session in &observations.sessions {
            let repeat = session.repeats.get(&unit.unit).copied().unwrap_or(1);
            let before = rounds.len();
            for (_, visit) in session.visits.iter().filter(|(_, v)| v.unit == unit.unit) {
                let clean = clean_samples(unit, visit, repeat).into_iter().filter(|(k, _)| *k == unit.whole_key());
                rounds.extend(clean.map(|(_, clean)| clean).filter(|clean| !clean.is_empty()));
            }
            processes_ms.extend(trimmed_mean(&rounds[before..].concat()).map(|ns| ns / 1e6));
        }
        let fail = |problem: &str| LutError::Incomplete(format!("network {}: {problem}", unit.unit));
        let ms = mean(&processes_ms).ok_or_else(|| fail("no clean run was measured"))?;
        let estimate = estimator.estimate(&unit.graph);
        let latency_ms = if *anchor { estimator.anchor_ms(arch) } else { estimate.latency_ms };
        let estimated = latency_ms.ok_or_else(|| fail("the LUT has no entry for one of its layers"))?;
        let of_rounds: Vec<f64> = rounds.iter().filter_map(|clean| trimmed_mean(clean)).collect();
        result.push(Measured {
            arch: arch.clone(),
            anchor: *anchor,
            ms,
            ci: match processes_ms.len() {
                1 => median_interval(&of_rounds, 0.99).map(|(low, high)| [low / 1e6, high / 1e6]),
                _ => interval_of_processes(&processes_ms),
            },
            processes_ms,
            rounds,
            estimated,
            interval: estimate.interval_ms,
            isolated: isolated.and_then(|i| i.latency_ms(&unit.graph)),
        });
    }
    Ok(result)
}

/// Student's 95 % interval of the mean over processes.
fn interval_of_processes(processes_ms: &[f64]) -> Option<[f64; 2]> {
    let n = processes_ms.len();
    let center = mean(processes_ms)?;
    let half = student_t_95(n - 1) * standard_deviation(processes_ms)? / (n as f64).sqrt();
    Some([center - half, center + half])
}
