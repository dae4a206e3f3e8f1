//! Times of a whole network in sessions.

use nasprof_base::statistics::{mean, mean_interval};
use nasprof_profiler::engine::{WholeRounds, Workload};
use nasprof_profiler::protocol::Timing;

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
        let processes: Vec<WholeRounds> =
            observations.sessions.iter().filter_map(|session| rounds(workload, session, timing)).collect();
        // The level differs from process to process: a mean over some of them is not comparable with one over all.
        let processes_ms: Option<Vec<f64>> = processes.iter().map(|rounds| Some(rounds.mean()? / 1e6)).collect();
        let (ms, processes_ms) = processes_ms
            .and_then(|processes_ms| Some((mean(&processes_ms)?, processes_ms)))
            .ok_or(LutError::NoCleanRun { network: workload.id })?;
        let (interval, parts) = match processes.as_slice() {
            [one] => (one.interval().map(|ends| ends.map(|ns| ns / 1e6)), halves(one.rounds())),
            _ => (mean_interval(&processes_ms), Some(processes_ms.clone())),
        };
        Ok(Self { ms, interval, processes_ms, parts })
    }
}

/// The rounds of a network in a process; `None` if the process did not visit it.
pub(crate) fn rounds(workload: &Workload, session: &SessionObservations, timing: Timing) -> Option<WholeRounds> {
    let repeat = session.repeats.get(&workload.id).copied().unwrap_or(1);
    let mut visits = session.visits.iter().map(|(_, visit)| visit).filter(|v| v.workload == workload.id).peekable();
    visits.peek()?;
    let mut rounds = WholeRounds::default();
    visits.for_each(|visit| rounds.add(visit, timing, repeat));
    Some(rounds)
}
