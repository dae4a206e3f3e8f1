//! Predicted against measured, with level and shape kept apart.

use nasprof_base::statistics::{mean, median_interval, spearman, standard_deviation, student_t_95, trimmed_mean};
use nasprof_graph::Arch;
use nasprof_profiler::engine::{Workload, clean_samples};
use nasprof_profiler::journal::{Event, Role};
use nasprof_profiler::protocol::Visit;
use serde::Serialize;

use crate::noise_floor::{halves, noise_floor};
use crate::{Estimator, Level, LutError, Observations, SessionObservations};

/// One holdout network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValidationRow {
    /// Its architecture.
    pub arch: Arch,
    /// Measured milliseconds: the trimmed mean of its clean runs, in the mean over the processes that measured it.
    pub measured_ms: f64,
    /// Interval around the median of rounds; of the mean over processes where several measured it.
    pub ci: Option<[f64; 2]>,
    /// The trimmed mean in each process, milliseconds, where several measured it.
    #[serde(skip_serializing_if = "is_one_process")]
    pub processes_ms: Vec<f64>,
    /// Estimated milliseconds, before the level is taken out.
    pub estimated_ms: f64,
    /// The estimate's interval.
    pub interval: Option<[f64; 2]>,
}

fn is_one_process(processes_ms: &[f64]) -> bool {
    processes_ms.len() < 2
}

/// How far predictions are from the truth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Validation {
    /// Holdout networks.
    pub n: usize,
    /// Measured over estimated on the anchors, in this run; absent if the LUT has no anchors.
    pub level: Option<f64>,
    /// Its 95 % interval.
    pub level_interval: Option<[f64; 2]>,
    /// Mean absolute relative error after dividing by the level.
    pub mape: f64,
    /// The noise floor: what of it is noise of the measured times, not error of the LUT. It would be left if the estimates
    /// had no error at all. With one process, what differs from process to process is not seen. Absent where too little was measured to tell.
    pub noise_floor: Option<f64>,
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
    /// Its time in parts of the measurement that can be compared: processes, or halves of the rounds of one.
    parts: Option<Vec<f64>>,
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
    let holdout: Vec<&Measured> = all.iter().filter(|m| !m.anchor).collect();
    let errors: Vec<f64> = holdout.iter().map(|m| m.estimated * factor / m.ms - 1.0).collect();
    let share = |limit: f64| errors.iter().filter(|e| e.abs() <= limit).count() as f64 / errors.len().max(1) as f64;
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
        within_2: share(0.02),
        within_5: share(0.05),
        within_10: share(0.10),
        spearman: spearman(&estimated, &times),
        raw_mape: mape_of(&holdout.iter().map(|m| m.estimated / m.ms - 1.0).collect::<Vec<_>>()),
        isolated_mape: isolated_errors.as_deref().filter(|_| isolated.is_some()).map(mape_of),
        covered: inside.as_deref().and_then(mean),
        seed,
        rows: holdout
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
    for workload in observations.workloads.values() {
        let Role::Network { arch, anchor } = &workload.role else { continue };
        let fail = |problem: &str| LutError::Incomplete(format!("network {}: {problem}", workload.id));
        let processes: Vec<Rounds> =
            observations.sessions.iter().filter_map(|session| clean_rounds(workload, session)).collect();
        // The level differs from process to process: a mean over some of them is not comparable with one over all.
        let of_process = |rounds: &Rounds| trimmed_mean(&rounds.concat()).map(|ns| ns / 1e6);
        let processes_ms: Option<Vec<f64>> = processes.iter().map(of_process).collect();
        let processes_ms = processes_ms.ok_or_else(|| fail("no clean run was measured in one of the processes"))?;
        let ms = mean(&processes_ms).ok_or_else(|| fail("no clean run was measured"))?;
        let estimate = estimator.estimate(&workload.graph);
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
            isolated: isolated.and_then(|i| i.latency_ms(&workload.graph)),
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
