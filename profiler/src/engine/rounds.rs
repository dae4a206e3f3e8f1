//! Round values, one for each key and round, and the stop rule.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, median_interval, trimmed_mean};
use nasprof_graph::LayerKey;

use super::Workload;
use crate::protocol::{Run, Visit};

/// Rounds after which the stop rule is tested. Few and fixed: a rule tested all the time stops on lucky samples.
pub const CHECKPOINTS: [u32; 5] = [8, 12, 18, 27, 40];

/// Nominal confidence of the intervals; claimed as 95 %, the rest pays for the repeated tests.
pub(super) const NOMINAL_CONFIDENCE: f64 = 0.99;

/// Clean samples that a key needs before it can be called converged.
const MIN_SAMPLES: usize = 16;

/// Values by round, of one session.
#[derive(Debug, Default, Clone)]
pub struct RoundValues {
    /// For every key, one value (nanoseconds) for every round in which it had a clean sample. Whole networks stand under
    /// [`Workload::whole_key`].
    pub values: BTreeMap<LayerKey, Vec<f64>>,
    /// Clean samples of each key.
    pub samples: BTreeMap<LayerKey, usize>,
}

impl RoundValues {
    /// Adds a complete round. A key's value is the mean over its occurrences, each the trimmed mean of its
    /// clean samples; every occurrence is visited equally often in every round, so rounds are comparable.
    pub fn add_round<'a>(&mut self, visits: impl IntoIterator<Item = (&'a Workload, &'a Visit, u32)>) {
        let mut round: BTreeMap<LayerKey, Vec<f64>> = BTreeMap::new();
        for (workload, visit, repeat) in visits {
            for (key, samples) in clean_samples(workload, visit, repeat) {
                let Some(value) = trimmed_mean(&samples) else { continue };
                *self.samples.entry(key.clone()).or_default() += samples.len();
                round.entry(key).or_default().push(value);
            }
        }
        for (key, occurrences) in round {
            if let Some(value) = mean(&occurrences) {
                self.values.entry(key).or_default().push(value);
            }
        }
    }

    /// How many of `keys` are known to within `target`.
    #[must_use]
    pub fn converged<'a>(&self, keys: impl IntoIterator<Item = &'a LayerKey>, target: f64) -> usize {
        keys.into_iter().filter(|key| self.key_converged(key, target)).count()
    }

    /// Whether one key is known to within `target`.
    #[must_use]
    pub fn key_converged(&self, key: &LayerKey, target: f64) -> bool {
        self.samples.get(key).is_some_and(|&n| n >= MIN_SAMPLES)
            && self.values.get(key).and_then(|v| half_width(v)).is_some_and(|width| width <= target)
    }
}

/// Relative half-width of the interval around the median of round values; `None` below eight rounds, or for values
/// that are not positive.
#[must_use]
pub fn half_width(values: &[f64]) -> Option<f64> {
    let (low, high) = median_interval(values, NOMINAL_CONFIDENCE)?;
    (low > 0.0).then(|| (high / low).ln() / 2.0)
}

/// Clean samples (nanoseconds) of every layer of a workload, and of the workload as a whole.
#[must_use]
pub fn clean_samples(workload: &Workload, visit: &Visit, repeat: u32) -> Vec<(LayerKey, Vec<f64>)> {
    let clean = |runs: &[Run], position: usize, calls: f64| -> Vec<f64> {
        let clean_runs = runs.iter().filter(|r| r.switches == 0);
        clean_runs.filter_map(|r| Some(*r.ns.get(position)? as f64 / calls)).collect()
    };
    let whole = (workload.whole_key(), clean(&visit.whole, 0, f64::from(repeat.max(1))));
    let layers = workload.keys().enumerate().map(|(i, key)| (key.clone(), clean(&visit.layers, i, 1.0)));
    if workload.is_layer() { vec![whole] } else { layers.chain([whole]).collect() }
}
