//! Round values, one for each key and round, and the stop rule.

use std::collections::BTreeMap;

use nasprof_base::intervals::{MeanInterval, mean_intervals};
use nasprof_base::statistics::{mean, trimmed_mean};
use nasprof_graph::LayerKey;

use super::Workload;
use super::levels::{Levelling, Levels, Value, ValueLevel, choose};
use crate::protocol::{Run, Timing, Visit};

/// Rounds after which the stop rule is tested. They are few and fixed, because a rule tested after every round would stop on
/// lucky samples.
pub const CHECKPOINTS: [u32; 5] = [8, 12, 18, 27, 40];

/// A row is well known if its relative half-width is at most this.
pub const ROW_WIDTH: f64 = 0.03;

/// Minimum number of clean samples of a converged key.
const MIN_SAMPLES: usize = 16;

/// The results of the complete rounds of one session. Both the rows of a LUT and the engine's looks are computed from it.
#[derive(Debug, Default, Clone)]
pub struct SessionValues {
    keys: BTreeMap<LayerKey, usize>,
    slots: BTreeMap<(u32, usize), usize>,
    values: Vec<Value>,
    samples: BTreeMap<LayerKey, usize>,
    visits: usize,
    rounds: usize,
}

impl SessionValues {
    /// Adds a complete round. Rows and looks must add the visits in the same order, because [`RoundValues::factor`]
    /// identifies a visit by its index.
    pub fn add_round<'a>(&mut self, visits: impl IntoIterator<Item = (&'a Workload, &'a Visit, u32)>) {
        for (workload, visit, repeat) in visits {
            let layers = workload.keys().len();
            for (position, (key, samples)) in clean_samples(workload, visit, repeat).into_iter().enumerate() {
                let Some(log) = trimmed_mean(&samples).map(f64::ln).filter(|log| log.is_finite()) else { continue };
                *self.samples.entry(key.clone()).or_default() += samples.len();
                let (keys, slots) = (self.keys.len(), self.slots.len());
                let value = Value {
                    visit: self.visits,
                    round: self.rounds,
                    slot: *self.slots.entry((workload.id, position)).or_insert(slots),
                    key: *self.keys.entry(key).or_insert(keys),
                    log,
                    tells: workload.is_layer() || visit.layers.is_empty() || position < layers,
                };
                self.values.push(value);
            }
            self.visits += 1;
        }
        self.rounds += 1;
    }

    /// The values of all rounds, each sample divided by its level. The form of levelling is the one that best predicts
    /// left-out rounds.
    #[must_use]
    pub fn levelled(&self) -> RoundValues {
        let levels = Levels::fit(&self.values);
        let of_values: Vec<ValueLevel> = self.values.iter().map(|value| levels.of(value)).collect();
        let told = self.told();
        let levelling = choose(|levelling| {
            let rounds = self.by_round(&of_values, levelling).into_iter().zip(&told);
            rounds.filter(|(_, told)| **told).map(|(own, _)| own).collect()
        });
        self.under(&levels, &of_values, levelling)
    }

    /// The values of all rounds under a given form of levelling.
    #[must_use]
    pub fn levelled_by(&self, levelling: Levelling) -> RoundValues {
        let levels = Levels::fit(&self.values);
        let of_values: Vec<ValueLevel> = self.values.iter().map(|value| levels.of(value)).collect();
        self.under(&levels, &of_values, levelling)
    }

    fn under(&self, levels: &Levels, of_values: &[ValueLevel], levelling: Levelling) -> RoundValues {
        let rounds = self.by_round(of_values, levelling);
        let own = |number: usize| rounds[number].iter().map(|log| log.exp()).collect::<Vec<f64>>();
        let mut factors: Vec<BTreeMap<usize, f64>> = vec![BTreeMap::new(); self.visits];
        if levelling != Levelling::None {
            for (value, level) in self.values.iter().zip(of_values) {
                factors[value.visit].insert(value.slot, level.under(levelling).exp());
            }
        }
        RoundValues {
            values: self.keys.iter().map(|(key, &number)| (key.clone(), own(number))).collect(),
            samples: self.samples.clone(),
            levelling,
            level_spread: if levelling == Levelling::None { 0.0 } else { levels.spread() },
            factors,
            slots: self.slots.clone(),
        }
    }

    /// For each key number: whether the key counts in levels.
    fn told(&self) -> Vec<bool> {
        let mut told = vec![false; self.keys.len()];
        self.values.iter().filter(|value| value.tells).for_each(|value| told[value.key] = true);
        told
    }

    /// For each key number, one logarithm a round: that of the key's mean time over all occurrences, plus the mean deviation
    /// of the occurrences visited in the round from their usual times. So a round that visits only some occurrences is
    /// comparable with one that visits all.
    fn by_round(&self, of_values: &[ValueLevel], levelling: Levelling) -> Vec<Vec<f64>> {
        let logs: Vec<f64> =
            self.values.iter().zip(of_values).map(|(value, level)| value.log - level.under(levelling)).collect();
        let mut slots: Vec<Vec<f64>> = vec![Vec::new(); self.slots.len()];
        let mut key_of_slot = vec![0; self.slots.len()];
        for (value, log) in self.values.iter().zip(&logs) {
            slots[value.slot].push(*log);
            key_of_slot[value.slot] = value.key;
        }
        let usual: Vec<f64> = slots.iter().map(|own| mean(own).unwrap_or(0.0)).collect();
        let mut occurrences: Vec<Vec<f64>> = vec![Vec::new(); self.keys.len()];
        for ((own, usual), key) in slots.iter().zip(&usual).zip(&key_of_slot) {
            if !own.is_empty() {
                occurrences[*key].push(usual.exp());
            }
        }
        let center: Vec<f64> = occurrences.iter().map(|own| mean(own).map_or(0.0, f64::ln)).collect();
        let mut rounds = vec![vec![(0.0, 0.0); self.rounds]; self.keys.len()];
        for (value, log) in self.values.iter().zip(&logs) {
            let (sum, count) = &mut rounds[value.key][value.round];
            (*sum, *count) = (*sum + log - usual[value.slot], *count + 1.0);
        }
        let one = |(own, center): (Vec<(f64, f64)>, f64)| {
            own.into_iter().filter(|(_, count)| *count > 0.0).map(|(sum, count)| center + sum / count).collect()
        };
        rounds.into_iter().zip(center).map(one).collect()
    }
}

/// Values by round, of one session.
#[derive(Debug, Default, Clone)]
pub struct RoundValues {
    /// For every key, one value (nanoseconds) for every round with a clean sample. Whole networks have the key
    /// [`Workload::whole_key`].
    pub values: BTreeMap<LayerKey, Vec<f64>>,
    /// Number of clean samples of each key.
    pub samples: BTreeMap<LayerKey, usize>,
    /// The level that samples were divided by.
    pub levelling: Levelling,
    /// Standard deviation of the logarithms of the rounds' levels; 0 where nothing was divided.
    pub level_spread: f64,
    /// By index of the visit, then by number of the slot.
    factors: Vec<BTreeMap<usize, f64>>,
    slots: BTreeMap<(u32, usize), usize>,
}

impl RoundValues {
    /// The divisor for samples at a position of a visit. `visit` is the index among all visits of the session. The position
    /// after the last layer is the network as a whole.
    #[must_use]
    pub fn factor(&self, visit: usize, workload: u32, position: usize) -> f64 {
        let slot = self.slots.get(&(workload, position));
        slot.and_then(|slot| self.factors.get(visit)?.get(slot)).copied().unwrap_or(1.0)
    }

    /// How many of `keys` have converged to the half-width `target`.
    #[must_use]
    pub fn converged<'a>(&self, keys: impl IntoIterator<Item = &'a LayerKey>, target: f64) -> usize {
        let has_samples = |key: &LayerKey| self.samples.get(key).is_some_and(|&n| n >= MIN_SAMPLES);
        self.half_widths(keys).into_iter().filter(|(key, width)| *width <= target && has_samples(key)).count()
    }

    /// Relative half-widths of `keys`, which lend each other their variances; keys without an interval are left out.
    #[must_use]
    pub fn half_widths<'a>(&self, keys: impl IntoIterator<Item = &'a LayerKey>) -> BTreeMap<&'a LayerKey, f64> {
        let keys: Vec<&LayerKey> = keys.into_iter().filter(|key| self.values.contains_key(*key)).collect();
        let widths = round_intervals(keys.iter().map(|key| self.values[*key].as_slice()));
        keys.into_iter().zip(widths).filter_map(|(key, interval)| Some((key, interval?.half_width))).collect()
    }
}

/// For the round values of each layer (nanoseconds): the logarithm of their trimmed mean, and the relative half-width of its
/// interval. `None` for fewer than eight rounds or for values that are not positive.
///
/// The nominal confidence is 99 %, the claimed one 95 %. The difference compensates for the repeated tests, and for machines
/// that drift: there, neighbouring rounds are more alike than distant ones.
#[must_use]
pub fn round_intervals<'a>(layers: impl IntoIterator<Item = &'a [f64]>) -> Vec<Option<MeanInterval>> {
    let logs: Vec<Vec<f64>> = layers.into_iter().map(|rounds| rounds.iter().map(|ns| ns.ln()).collect()).collect();
    mean_intervals(logs.iter().map(Vec::as_slice))
}

/// The whole runs of a visit for one of the device's latencies. A device without a queue has only `queue`.
#[must_use]
pub fn timed_runs(visit: &Visit, timing: Timing) -> &[Run] {
    match (timing, &visit.queued) {
        (Timing::Queue, _) => &visit.whole,
        (Timing::Graph, Some(queued)) => &queued.graph,
        (Timing::Wall, Some(queued)) => &queued.wall,
        (Timing::Graph | Timing::Wall, None) => &[],
    }
}

/// Their clean samples, nanoseconds.
#[must_use]
pub fn timed_samples(visit: &Visit, timing: Timing, repeat: u32) -> Vec<f64> {
    let clean = timed_runs(visit, timing).iter().filter(|run| run.switches == 0);
    clean.filter_map(|run| Some(*run.ns.first()? as f64 / f64::from(repeat.max(1)))).collect()
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
