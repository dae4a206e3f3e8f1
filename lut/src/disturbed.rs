//! Processes in which the machine was disturbed, by the anchors that all processes of a measurement time.
//!
//! Five processes on a shared virtual machine timed one network at 0.91, 0.89, 0.88, 1.05 and 1.23 ms. The anchors in the last two were slower by
//! as much: another virtual machine needed the processor. A mean over all five says little about the network.

use nasprof_base::statistics::{mean, median};
use nasprof_profiler::journal::Role;
use nasprof_profiler::protocol::Timing;

use crate::whole_times::rounds;
use crate::{Observations, SessionObservations};

/// A process whose anchors take this many times as long as in the median process was disturbed. Undisturbed processes differ by 5 % or
/// less.
const DISTURBED: f64 = 1.1;
/// Fewest processes to tell which of them was disturbed.
const FEWEST: usize = 3;

/// Leaves out the disturbed processes, and returns how many they are. Processes that did not all time the same anchors are not judged.
pub(crate) fn leave_out(observations: &mut Observations, timing: Timing) -> usize {
    let level = |session: &SessionObservations| -> Option<f64> {
        let anchors = observations.workloads.values().filter(|w| matches!(w.role, Role::Network { anchor: true, .. }));
        let logs = anchors.map(|anchor| Some(rounds(anchor, session, timing)?.mean()?.ln()));
        mean(&logs.collect::<Option<Vec<f64>>>()?)
    };
    let levels: Option<Vec<f64>> = observations.sessions.iter().map(level).collect();
    let Some(levels) = levels.filter(|levels| levels.len() >= FEWEST) else { return 0 };
    let limit = median(&levels).unwrap_or(f64::INFINITY) + DISTURBED.ln();
    let all = levels.len();
    let mut levels = levels.into_iter();
    observations.sessions.retain(|_| levels.next().is_none_or(|level| level <= limit));
    all - observations.sessions.len()
}
