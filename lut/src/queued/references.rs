//! What depends on the processor beside a GPU, as if that had always been equally fast.
//!
//! On a virtual machine with an H200, launches became faster and slower by a fifth within a second, and a network's wall time with them.
//! Each run that depends on the processor stands between two runs of the same launches, which show how fast the processor was. Divided by
//! that, such times vary by 2 % instead of 20 %, and 45 networks fitted the sum of their launches to within 2.2 % instead of 4.2 to 5.6 %.

use nasprof_base::statistics::median;
use nasprof_profiler::protocol::{QueuedRuns, Run};

use crate::{Observations, SessionObservations};

/// Brings the wall times and launches of each session to the session's usual speed of the processor: the median one.
pub(crate) fn at_usual_speed(observations: &mut Observations) {
    observations.sessions.iter_mut().chain(&mut observations.level_sessions).for_each(session_at_usual_speed);
}

fn session_at_usual_speed(session: &mut SessionObservations) {
    let queued = || session.visits.iter().filter_map(|(_, visit)| visit.queued.as_ref());
    let all: Vec<f64> = queued().flat_map(|queued| &queued.references).filter_map(reference_ns).collect();
    // Journals before version 0.3 have none.
    let Some(usual) = median(&all) else { return };
    for QueuedRuns { wall, launches, references, .. } in
        session.visits.iter_mut().filter_map(|(_, visit)| visit.queued.as_mut())
    {
        for runs in [wall, launches] {
            for (run, reference) in runs.iter_mut().zip(&*references) {
                let Some(reference) = reference_ns(reference) else {
                    // It does not show how fast the processor was: the run does not count.
                    run.switches = run.switches.max(1);
                    continue;
                };
                run.ns.iter_mut().for_each(|ns| *ns = (*ns as f64 * usual / reference).round() as u64);
            }
        }
    }
}

/// Both runs of the launches together; `None` if another program had the processor meanwhile, or if the clock did not advance.
fn reference_ns(run: &Run) -> Option<f64> {
    let sum = run.ns.iter().map(|&ns| ns as f64).sum::<f64>();
    (run.switches == 0 && sum > 0.0).then_some(sum)
}
