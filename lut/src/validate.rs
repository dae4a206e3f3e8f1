//! Predicted against measured, with level and shape kept apart.

use nasprof_base::statistics::{mean, median_interval, spearman, standard_deviation, student_t_95, trimmed_mean};
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_profiler::engine::{Workload, clean_samples};
use nasprof_profiler::journal::{Event, Role};
use nasprof_profiler::protocol::Visit;
use nasprof_spaces::Space;

use crate::noise_floor::{halves, noise_floor};
use crate::validation::share_within;
use crate::{Estimator, Level, LutError, Observations, SessionObservations, Validation, ValidationRow};

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
    let all = measured(events, estimator, isolated)?;
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
    for workload in observations.workloads.values() {
        let Role::Network { arch, anchor } = &workload.role else { continue };
        let fail = |problem: &str| LutError::Incomplete(format!("network {}: {problem}", workload.id));
        let processes: Vec<Rounds> =
            observations.sessions.iter().filter_map(|session| clean_rounds(workload, session)).collect();
        // The level differs from process to process: a mean over some of them is not comparable with one over all.
        let of_process = |rounds: &Rounds| trimmed_mean(&rounds.concat()).map(|ns| ns / 1e6);
        let processes_ms: Option<Vec<f64>> = processes.iter().map(of_process).collect();
        let processes_ms = processes_ms.ok_or_else(|| fail("one of the processes has no clean run"))?;
        let ms = mean(&processes_ms).ok_or_else(|| fail("there is no clean run"))?;
        let estimate = estimator.estimate(&workload.network);
        let latency_ms = if *anchor { estimator.anchor_ms(arch) } else { estimate.latency_ms };
        let estimated = latency_ms.ok_or_else(|| fail("the LUT has no entry for one of its layers"))?;
        let (ci, parts) = match processes.as_slice() {
            [rounds] => {
                let of_rounds: Vec<f64> = rounds.iter().filter_map(|clean| trimmed_mean(clean)).collect();
                let ci = median_interval(&of_rounds, 0.99).map(|(low, high)| [low / 1e6, high / 1e6]);
                (ci, halves(rounds))
            }
            _ => (interval_of_processes(&processes_ms), Some(processes_ms.clone())),
        };
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
    Ok(result)
}

/// The clean samples of a network as a whole, by round.
type Rounds = Vec<Vec<f64>>;

/// What a process measured of a network; nothing if it did not visit it.
fn clean_rounds(workload: &Workload, session: &SessionObservations) -> Option<Rounds> {
    let repeat = session.repeats.get(&workload.id).copied().unwrap_or(1);
    let visits: Vec<&Visit> =
        session.visits.iter().map(|(_, visit)| visit).filter(|v| v.workload == workload.id).collect();
    let whole = |visit: &&Visit| {
        let samples = clean_samples(workload, visit, repeat).into_iter();
        samples.filter(|(key, clean)| *key == workload.whole_key() && !clean.is_empty()).map(|(_, clean)| clean).next()
    };
    (!visits.is_empty()).then(|| visits.iter().filter_map(whole).collect())
}

/// Student's 95 % interval of the mean over processes.
fn interval_of_processes(processes_ms: &[f64]) -> Option<[f64; 2]> {
    let n = processes_ms.len();
    let center = mean(processes_ms)?;
    let half = student_t_95(n - 1) * standard_deviation(processes_ms)? / (n as f64).sqrt();
    Some([center - half, center + half])
}
