//! The cost of a mark between two layers, and observations without it.
//!
//! On a GPU a mark (a CUDA event) costs about as much as a small layer, and more inside a running network than between
//! two empty ones. The same visits run a network with and without marks: the difference per layer is the cost of a
//! mark.

use nasprof_base::statistics::{mean, median, trimmed_mean};
use nasprof_profiler::protocol::Run;

use crate::{LutError, Observations, SessionObservations};

/// A layer without its own kernel, such as a flattening, takes no GPU time. A row of zero would be a failed
/// measurement, so the row gets this share of the cost of a mark.
const LEAST: f64 = 0.05;

/// The observations with the cost of marks subtracted from every layer, and that cost, nanoseconds as the mean over
/// sessions; `None` if the device has no queue.
///
/// # Errors
/// If a session of such a device timed no network both with marks and without.
pub(crate) fn without_marks(observations: &Observations) -> Result<Option<(Observations, f64)>, LutError> {
    if !observations.sessions.iter().any(|session| session.has_queue()) {
        return Ok(None);
    }
    let mut without = observations.clone();
    let mut marks = Vec::new();
    for session in without.sessions.iter_mut().filter(|session| session.end.is_some()) {
        let isolated = session.visits.iter().all(|(_, visit)| visit.layers.is_empty());
        if isolated {
            continue;
        }
        let mark = mark_ns(session)
            .ok_or_else(|| LutError::Incomplete("no network was timed both with and without marks".to_owned()))?;
        for run in session.visits.iter_mut().flat_map(|(_, visit)| &mut visit.layers) {
            run.ns.iter_mut().for_each(|ns| *ns = (*ns as f64 - mark).max(mark * LEAST).max(1.0).round() as u64);
        }
        marks.push(mark);
    }
    Ok(Some((without, mean(&marks).unwrap_or(0.0))))
}

/// The median over the networks of one session. A negative cost of a mark counts as zero.
fn mark_ns(session: &SessionObservations) -> Option<f64> {
    let mut of_networks = std::collections::BTreeMap::<u32, (Vec<f64>, Vec<f64>, usize)>::new();
    for (_, visit) in &session.visits {
        let repeat = f64::from(session.repeats.get(&visit.workload).copied().unwrap_or(1).max(1));
        let sums = visit.layers.iter().map(|run| run.ns.iter().sum::<u64>() as f64);
        let wholes = visit.whole.iter().filter_map(|run: &Run| Some(*run.ns.first()? as f64 / repeat));
        let (with, without, layers) = of_networks.entry(visit.workload).or_default();
        with.extend(sums);
        without.extend(wholes);
        *layers = visit.layers.first().map_or(*layers, |run| run.ns.len());
    }
    let mark = |(with, without, layers): &(Vec<f64>, Vec<f64>, usize)| {
        let difference = trimmed_mean(with)? - trimmed_mean(without)?;
        (*layers > 0).then(|| difference / *layers as f64)
    };
    median(&of_networks.values().filter_map(mark).collect::<Vec<_>>()).map(|mark| mark.max(0.0))
}
