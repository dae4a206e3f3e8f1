//! The round values of layers over all sessions, and the intervals that they give.

use std::collections::BTreeMap;

use nasprof_base::intervals::MeanInterval;
use nasprof_graph::LayerKey;
use nasprof_profiler::engine::{RoundValues, SessionValues, round_intervals};

use crate::sessions::SessionLevels;
use crate::{Observations, SessionObservations};

/// The round values of one layer, at the mean level of all sessions.
pub(crate) struct LayerRounds {
    /// Nanoseconds, by session; sessions without the layer are left out.
    pub(crate) by_session: Vec<Vec<f64>>,
    /// The logarithm of the trimmed mean of all sessions; `None` below eight rounds.
    pub(crate) interval: Option<MeanInterval>,
}

impl LayerRounds {
    /// The round values of all layers at once, because layers lend each other their variances. `values` is by session.
    pub(crate) fn of<'a>(
        keys: impl Iterator<Item = &'a LayerKey>,
        levels: &SessionLevels,
        values: &[RoundValues],
    ) -> BTreeMap<&'a LayerKey, Self> {
        let by_session: Vec<(&LayerKey, Vec<Vec<f64>>)> = keys.map(|key| (key, levels.rounds(key, values))).collect();
        let all: Vec<Vec<f64>> = by_session.iter().map(|(_, rounds)| rounds.concat()).collect();
        let intervals = round_intervals(all.iter().map(Vec::as_slice));
        let layers = by_session.into_iter().zip(intervals);
        layers.map(|((key, by_session), interval)| (key, Self { by_session, interval })).collect()
    }
}

/// The round values of a session, computed as the engine's looks compute them.
pub(crate) fn round_values(all: &Observations, session: &SessionObservations) -> RoundValues {
    let mut values = SessionValues::default();
    for round in 1..=session.rounds {
        let visits = session.visits.iter().filter(|(r, _)| *r == round).filter_map(|(_, visit)| {
            let repeat = session.repeats.get(&visit.workload).copied().unwrap_or(1);
            Some((all.workloads.get(&visit.workload)?, visit, repeat))
        });
        values.add_round(visits);
    }
    values.levelled()
}
