//! Times of a whole network in sessions.

use nasprof_base::statistics::{mean, mean_half_width, median_interval, trimmed_mean};
use nasprof_profiler::engine::{Workload, timed_samples};
use nasprof_profiler::protocol::{Timing, Visit};

use crate::noise_floor::halves;
use crate::{LutError, Observations, SessionObservations};

/// A network's time, as the mean over the processes that measured it.
pub(crate) struct WholeTimes {
    /// Milliseconds: the trimmed mean of clean runs in each process, as the mean over processes.
    pub(crate) ms: f64,
    /// Around the median of rounds; of the mean over processes where several measured it.
    pub(crate) interval: Option<[f64; 2]>,
    pub(crate) processes_ms: Vec<f64>,
    /// Its time in comparable parts of the measurement: processes, or halves of the rounds of one process.
    pub(crate) parts: Option<Vec<f64>>,
}

impl WholeTimes {
    /// # Errors
    /// If a process has no clean run of the network, or if there is no process.
    pub(crate) fn of(workload: &Workload, observations: &Observations, timing: Timing) -> Result<Self, LutError> {
        let fail = |problem: &str| LutError::Incomplete(format!("network {}: {problem}", workload.id));
        let processes: Vec<Rounds> =
            observations.sessions.iter().filter_map(|session| clean_rounds(workload, session, timing)).collect();
        // The level differs from process to process: a mean over some of them is not comparable with one over all.
        let of_process = |rounds: &Rounds| trimmed_mean(&rounds.concat()).map(|ns| ns / 1e6);
        let processes_ms: Option<Vec<f64>> = processes.iter().map(of_process).collect();
        let processes_ms = processes_ms.ok_or_else(|| fail("one of the processes has no clean run"))?;
        let ms = mean(&processes_ms).ok_or_else(|| fail("there is no clean run"))?;
        let (interval, parts) = match processes.as_slice() {
            [rounds] => {
                let of_rounds: Vec<f64> = rounds.iter().filter_map(|clean| trimmed_mean(clean)).collect();
                let interval = median_interval(&of_rounds, 0.99).map(|(low, high)| [low / 1e6, high / 1e6]);
                (interval, halves(rounds))
            }
            _ => (interval_of_processes(&processes_ms), Some(processes_ms.clone())),
        };
        Ok(Self { ms, interval, processes_ms, parts })
    }
}

/// The clean samples of a network as a whole, by round.
type Rounds = Vec<Vec<f64>>;

/// The times of a network in a process; `None` if the process did not visit it.
fn clean_rounds(workload: &Workload, session: &SessionObservations, timing: Timing) -> Option<Rounds> {
    let repeat = session.repeats.get(&workload.id).copied().unwrap_or(1);
    let visits: Vec<&Visit> =
        session.visits.iter().map(|(_, visit)| visit).filter(|v| v.workload == workload.id).collect();
    let whole = |visit: &&Visit| Some(timed_samples(visit, timing, repeat)).filter(|clean| !clean.is_empty());
    (!visits.is_empty()).then(|| visits.iter().filter_map(whole).collect())
}

/// Student's 95 % interval of the mean over processes.
fn interval_of_processes(processes_ms: &[f64]) -> Option<[f64; 2]> {
    let (center, half) = (mean(processes_ms)?, mean_half_width(processes_ms)?);
    Some([center - half, center + half])
}
