//! The level of each visit, estimated from the other layers, and the choice of the level to divide by.
//!
//! The speed of a machine changes over time, for all layers alike. This is not a property of a layer: a row describes a
//! layer's share of a network, and the common level has an interval of its own. Each sample is therefore divided by the
//! level of its visit or of its round before the layer's statistics are computed. A layer is left out of the level that it
//! is divided by; otherwise a layer that dominates its network would cancel itself.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, median, median_absolute_deviation, standard_deviation};
use serde::{Deserialize, Serialize};

/// Minimum number of rounds to choose a form of levelling.
const FEWEST_ROUNDS: usize = 4;
/// Alternations between fitting each layer's usual time and fitting the level of each round.
const ALTERNATIONS: usize = 3;
/// Values are clipped to this many standard deviations of their layer from their visit's level.
const CLIP: f64 = 3.0;
/// Factor from the median absolute deviation to the standard deviation of a normal distribution.
const MAD_TO_SD: f64 = 1.4826;
/// Smaller differences between logarithms of variances are rounding errors.
const TIE: f64 = 1e-9;
/// Added to variances, so that smaller differences do not count: they come from timer steps, not from the machine.
const NEGLIGIBLE: f64 = 1e-10;

/// The level that samples are divided by before a layer's statistics are computed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Levelling {
    /// No level: the machine's level did not vary, or there are too few rounds to know.
    #[default]
    None,
    /// The level of the round.
    Round,
    /// The geometric mean of the levels of round and visit, because the level of a single visit is noisy.
    Shrunk,
    /// The level of the visit.
    Visit,
}

impl Levelling {
    /// All forms, the simplest first.
    pub(super) const ALL: [Self; 4] = [Self::None, Self::Round, Self::Shrunk, Self::Visit];

    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Round => "round",
            Self::Shrunk => "shrunk",
            Self::Visit => "visit",
        }
    }
}

/// One value: a layer at its position in a network, or a network or layer as a whole, in one visit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    /// Index of the visit in the order of visits.
    pub(super) visit: usize,
    /// Round, from 0.
    pub(super) round: usize,
    /// Number of the pair of network and position.
    pub(super) slot: usize,
    /// Number of the layer's key.
    pub(super) key: usize,
    /// Logarithm of the trimmed mean of its clean samples.
    pub(super) log: f64,
    /// Whether it counts in levels. A whole network does not if its layers do.
    pub(super) tells: bool,
}

/// Logarithms of the levels that a value may be divided by.
#[derive(Debug, Clone, Copy)]
pub(super) struct ValueLevel {
    round: f64,
    visit: f64,
}

impl ValueLevel {
    /// The logarithm for one form of levelling.
    pub(super) fn under(self, levelling: Levelling) -> f64 {
        match levelling {
            Levelling::None => 0.0,
            Levelling::Round => self.round,
            Levelling::Shrunk => 0.5 * (self.round + self.visit),
            Levelling::Visit => self.visit,
        }
    }
}

/// Levels of visits and rounds, stored as sums so that a key can be left out.
pub(super) struct Levels {
    visits: Vec<Sums>,
    rounds: Vec<Sums>,
    /// Logarithm of the middle round's level: levels are relative to it.
    center: f64,
}

/// Weighted sums of the deviations from the usual times: in total and by key.
#[derive(Debug, Clone, Default)]
struct Sums {
    all: (f64, f64),
    by_key: BTreeMap<usize, (f64, f64)>,
}

impl Sums {
    fn add(&mut self, key: usize, deviation: f64, weight: f64) {
        self.all = (self.all.0 + weight * deviation, self.all.1 + weight);
        let (sum, weights) = self.by_key.entry(key).or_default();
        (*sum, *weights) = (*sum + weight * deviation, *weights + weight);
    }

    fn mean(&self) -> Option<f64> {
        (self.all.1 > 0.0).then(|| self.all.0 / self.all.1)
    }

    /// The mean over all other keys; `None` if there is no other key.
    fn without(&self, key: usize) -> Option<f64> {
        let Some((sum, weight)) = self.by_key.get(&key) else { return self.mean() };
        (self.by_key.len() > 1).then(|| (self.all.0 - sum) / (self.all.1 - weight))
    }
}

impl Levels {
    /// Fits each layer's usual time and the levels of rounds alternately, then the levels of visits.
    pub(super) fn fit(values: &[Value]) -> Self {
        let told: Vec<Value> = values.iter().filter(|value| value.tells).copied().collect();
        let count = |of: fn(&Value) -> usize| values.iter().map(of).max().map_or(0, |last| last + 1);
        let (visits, rounds, slots, keys) =
            (count(|v| v.visit), count(|v| v.round), count(|v| v.slot), count(|v| v.key));
        let mut of_rounds = vec![0.0; rounds];
        let mut usual = vec![0.0; slots];
        let mut weights = vec![1.0; keys];
        let mut clipped: Vec<f64> = Vec::new();
        for _ in 0..ALTERNATIONS {
            usual = grouped(slots, &told, |v| v.slot, |v| v.log - of_rounds[v.round], median);
            let deviation = |v: &Value| v.log - usual[v.slot];
            // For visits to a single layer, the level comes from the round's other visits.
            let of_visit = grouped(visits, &told, |v| v.visit, deviation, median);
            let of_round = grouped(rounds, &told, |v| v.round, deviation, median);
            let in_visit = grouped(visits, &told, |v| v.visit, |_| 1.0, |ones| Some(ones.len() as f64));
            let near = |v: &Value| if in_visit[v.visit] > 2.0 { of_visit[v.visit] } else { of_round[v.round] };
            let own = grouped(
                keys,
                &told,
                |v| v.key,
                |v| deviation(v) - near(v),
                |own| Some(MAD_TO_SD * median_absolute_deviation(own)?),
            );
            // A layer that agrees with the level by chance must not get all the weight.
            let least = median(&own.iter().copied().filter(|sd| *sd > 0.0).collect::<Vec<_>>()).unwrap_or(1.0);
            weights = own.iter().map(|sd| sd.max(least).powi(-2)).collect();
            clipped = told
                .iter()
                .map(|v| {
                    let limit = CLIP * own[v.key].max(least);
                    near(v) + (deviation(v) - near(v)).clamp(-limit, limit)
                })
                .collect();
            let mut sums = vec![(0.0, 0.0); rounds];
            for (value, deviation) in told.iter().zip(&clipped) {
                let (sum, all) = &mut sums[value.round];
                (*sum, *all) = (*sum + weights[value.key] * deviation, *all + weights[value.key]);
            }
            of_rounds = sums.iter().map(|(sum, all)| if *all > 0.0 { sum / all } else { 0.0 }).collect();
            let center = median(&of_rounds).unwrap_or(0.0);
            of_rounds.iter_mut().for_each(|level| *level -= center);
        }
        let mut fitted =
            Self { visits: vec![Sums::default(); visits], rounds: vec![Sums::default(); rounds], center: 0.0 };
        for (value, deviation) in told.iter().zip(&clipped) {
            fitted.visits[value.visit].add(value.key, *deviation, weights[value.key]);
            fitted.rounds[value.round].add(value.key, *deviation, weights[value.key]);
        }
        fitted.center = median(&fitted.rounds.iter().filter_map(Sums::mean).collect::<Vec<_>>()).unwrap_or(0.0);
        fitted
    }

    /// The levels that a value may be divided by.
    pub(super) fn of(&self, value: &Value) -> ValueLevel {
        let level = |sums: &Sums| if value.tells { sums.without(value.key) } else { sums.mean() };
        let round = level(&self.rounds[value.round]).map_or(0.0, |level| level - self.center);
        let visit = level(&self.visits[value.visit]).map_or(round, |level| level - self.center);
        ValueLevel { round, visit }
    }

    /// Spread of the rounds' levels: standard deviation of their logarithms.
    pub(super) fn spread(&self) -> f64 {
        standard_deviation(&self.rounds.iter().filter_map(Sums::mean).collect::<Vec<_>>()).unwrap_or(0.0)
    }
}

/// The summary of each group of values; 0 for an empty group.
fn grouped(
    groups: usize,
    values: &[Value],
    group: impl Fn(&Value) -> usize,
    figure: impl Fn(&Value) -> f64,
    summary: impl Fn(&[f64]) -> Option<f64>,
) -> Vec<f64> {
    let mut all: Vec<Vec<f64>> = vec![Vec::new(); groups];
    values.iter().for_each(|value| all[group(value)].push(figure(value)));
    all.iter().map(|own| summary(own).unwrap_or(0.0)).collect()
}

/// The form of levelling under which a layer's other rounds best predict a left-out round, with equal weight for all layers.
/// The criterion is the mean logarithm of the variance of rounds. Leaving a round out increases each error by the same
/// factor, so comparing variances is equivalent. A layer is never part of the level that it is divided by, so no form is
/// favoured. `rounds` returns the logarithms of the layers' rounds under a form.
pub(super) fn choose(rounds: impl Fn(Levelling) -> Vec<Vec<f64>>) -> Levelling {
    let error = |levelling: Levelling| {
        let variances = rounds(levelling).into_iter().filter(|own| own.len() >= FEWEST_ROUNDS);
        let logs: Vec<f64> =
            variances.filter_map(|own| Some((standard_deviation(&own)?.powi(2) + NEGLIGIBLE).ln())).collect();
        mean(&logs).unwrap_or(f64::INFINITY)
    };
    let errors = Levelling::ALL.map(|levelling| (levelling, error(levelling)));
    let least = errors.iter().map(|(_, error)| *error).fold(f64::INFINITY, f64::min);
    // Differences due to rounding are a tie, and the simplest form wins: logarithms differ in the last bit between
    // platforms.
    errors.into_iter().find(|(_, error)| *error <= least + TIE).map_or(Levelling::None, |best| best.0)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Networks of twenty layers in rounds; `noise` gives the logarithm of a layer's factor from its key and round.
    fn values(seed: u64, level: f64, own: f64, noise: impl Fn(usize, usize) -> f64) -> Vec<Value> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = |sd: f64| sd * ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0);
        let mut values = Vec::new();
        for (visit, (round, network)) in (0..12).flat_map(|r| (0..6).map(move |n| (r, n))).enumerate() {
            let level = normal(level);
            for key in 0..20 {
                let log = 10.0 + key as f64 / 7.0 + level + noise(key, round) + normal(own);
                values.push(Value { visit, round, slot: 20 * network + key, key, log, tells: true });
            }
        }
        values
    }

    /// Leaves a third of the layers out of each network. If every network had all layers, a round's mean would be that of
    /// its visits, and the simplest form would do.
    fn unbalanced(mut values: Vec<Value>) -> Vec<Value> {
        values.retain(|v| (v.key + v.slot / 20) % 3 != 0);
        values
    }

    /// Logarithms by key and round, without what is usual.
    fn by_round(values: &[Value], log: impl Fn(&Value) -> f64) -> Vec<Vec<f64>> {
        let of = |key: usize, round: usize| {
            mean(&values.iter().filter(|v| (v.key, v.round) == (key, round)).map(&log).collect::<Vec<_>>()).unwrap()
        };
        (0..20).map(|key| (0..12).map(|round| of(key, round)).collect()).collect()
    }

    fn chosen(values: &[Value]) -> Levelling {
        let levels = Levels::fit(values);
        choose(|levelling| by_round(values, |v| v.log - levels.of(v).under(levelling)))
    }

    fn spread(logs: &[f64]) -> f64 {
        standard_deviation(logs).unwrap()
    }

    #[test]
    fn what_all_layers_share_is_divided_out_and_only_that() {
        for seed in 0..10 {
            let wandering = unbalanced(values(seed, 0.1, 0.01, |_, _| 0.0));
            assert_eq!(chosen(&wandering), Levelling::Visit);
            let levels = Levels::fit(&wandering);
            let left = by_round(&wandering, |v| v.log - levels.of(v).under(Levelling::Visit));
            let raw = by_round(&wandering, |v| v.log);
            assert!(left.iter().zip(&raw).all(|(left, raw)| spread(left) < 0.3 * spread(raw)));
            // Rounds of one level each: the mean over a round's visits is better known than each of them.
            assert_eq!(chosen(&values(seed, 0.0, 0.03, |_, round| 0.05 * (round as f64).sin())), Levelling::Round);
        }
        // Layers that have nothing in common are left as they are, but for luck.
        let none = (0..40).filter(|&seed| chosen(&values(seed, 0.0, 0.02, |_, _| 0.0)) == Levelling::None).count();
        assert!(none >= 36, "{none} of 40");
    }

    /// One layer drifts by half while the machine wanders; its drift stays its own, and no other layer gets any of it.
    #[test]
    fn a_layer_that_moves_alone_keeps_its_movement() {
        for seed in 0..10 {
            let values = values(seed, 0.05, 0.005, |key, round| if key == 3 { 0.04 * round as f64 } else { 0.0 });
            let levels = Levels::fit(&values);
            let left = by_round(&values, |v| v.log - levels.of(v).under(Levelling::Visit));
            let change = |own: &[f64]| own[11] - own[0];
            assert!((change(&left[3]) - 0.44).abs() < 0.02, "seed {seed}: {}", change(&left[3]));
            for (key, own) in left.iter().enumerate().filter(|(key, _)| *key != 3) {
                assert!(change(own).abs() < 0.012, "seed {seed}, layer {key}: {}", change(own));
            }
            // Control: a plain mean over all layers would give every other layer part of it.
            let plain: Vec<f64> = (0..12)
                .map(|round| {
                    mean(&values.iter().filter(|v| v.round == round).map(|v| v.log).collect::<Vec<_>>()).unwrap()
                })
                .collect();
            let raw = by_round(&values, |v| v.log);
            let of_plain: Vec<f64> = raw[0].iter().zip(&plain).map(|(own, plain)| own - plain).collect();
            assert!(change(&of_plain) < -0.012, "seed {seed}: {}", change(&of_plain));
        }
    }

    /// A network of two layers, one of which is known to a hair: with itself in its level it would seem to be exact.
    #[test]
    fn a_layer_does_not_divide_itself_away() {
        let two: Vec<Value> = values(1, 0.0, 0.01, |_, _| 0.0).into_iter().filter(|v| v.key < 2).collect();
        let levels = Levels::fit(&two);
        let value = two[0];
        let moved: Vec<Value> = two
            .iter()
            .map(|v| if v.key == 0 { Value { log: v.log + 0.001 * v.round as f64, ..*v } } else { *v })
            .collect();
        // However its own times are, what they are divided by stays the same but for how rounds are centred.
        let levels_moved = Levels::fit(&moved);
        let last = two.iter().rev().find(|v| v.key == 0).unwrap();
        let level = |levels: &Levels, v: &Value| levels.of(v).under(Levelling::Visit);
        let difference = |levels: &Levels| level(levels, last) - level(levels, &value);
        assert!((difference(&levels) - difference(&levels_moved)).abs() < 0.004);
    }
}
