//! The size effect: how a network's size changes its latency relative to the sum of its layers.
//!
//! A layer's time in the LUT is a mean over the networks in which it was timed. In a larger network it has less of the
//! caches and a busier processor, in a smaller one the opposite. This affects all layers alike, so sums are too low for
//! large networks and too high for small ones. On a 2-core Xeon it was more than half of the error's variance over 60
//! new networks of mobilenet-cifar10. The networks that were measured whole show the effect: a ridge regression (Hoerl
//! and Kennard 1970) fits the logarithm of whole over sum to logarithms of static costs.

use nasprof_base::statistics::{mean, standard_deviation};
use nasprof_graph::LoweredNetwork;
use nasprof_graph::size::{self, Slope, sizes};
use serde::{Deserialize, Serialize};

/// Fewest measured networks to fit it to.
const FEWEST: usize = 12;
/// Weight of the ridge, in networks: static costs are correlated, and their common part must not be split into large
/// slopes of opposite signs.
const RIDGE: f64 = 3.0;
/// Left-out networks must be predicted this much better than without: some slope is always a little better by luck.
const WORTH_IT: f64 = 0.95;
/// And it must explain at least this standard deviation. A smaller effect, such as a residue of timers between layers,
/// does not justify that choices no longer contribute independently.
const LEAST: f64 = 0.002;
/// Steepest slope: a factor that grows as fast as a network's cost. The sum of layers already
/// includes all time in proportion to their costs; the rest is small.
pub(crate) const STEEPEST: f64 = 1.0;
pub(crate) const COSTS: usize = 4;

/// The factor of a network by its static costs; 1 for a network of usual size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeEffect {
    /// By trainable parameters.
    pub params: Slope,
    /// By multiply-accumulates.
    pub macs: Slope,
    /// By bytes that layers write.
    pub bytes: Slope,
    /// By number of layers.
    pub layers: Slope,
}

impl SizeEffect {
    /// The factor for a network that is already as the runtime executes it.
    #[must_use]
    pub fn factor(&self, network: &LoweredNetwork) -> f64 {
        self.factor_at(&sizes(network.cost(), network.keyed_layers().len()))
    }

    /// The factor for a network of these sizes.
    pub(crate) fn factor_at(&self, sizes: &[f64; COSTS]) -> f64 {
        size::factor(&self.slopes(), sizes)
    }

    pub(crate) fn slopes(&self) -> [Slope; COSTS] {
        [self.params, self.macs, self.bytes, self.layers]
    }

    fn log_factor(&self, costs: &[f64; COSTS]) -> f64 {
        size::log_factor(&self.slopes(), costs)
    }

    pub(crate) fn from_slopes([params, macs, bytes, layers]: [Slope; COSTS]) -> Self {
        Self { params, macs, bytes, layers }
    }
}

/// Logarithms of a network's sizes, each plus one, so that a network without parameters has a logarithm.
pub(crate) fn log_costs(network: &LoweredNetwork) -> [f64; COSTS] {
    sizes(network.cost(), network.keyed_layers().len()).map(f64::ln_1p)
}

/// A measured network: its costs, and the logarithm of whole over the sum of its layers in the other networks.
pub(crate) type Example = ([f64; COSTS], f64);

/// Fits the effect, and gives for each network its effect as fitted to the others; `None` if that does not predict them
/// clearly better.
pub(crate) fn fit(networks: &[Example]) -> Option<(SizeEffect, Vec<f64>)> {
    if networks.len() < FEWEST {
        return None;
    }
    let without = |i: usize| -> Vec<Example> { [&networks[..i], &networks[i + 1..]].concat() };
    let left_out: Vec<f64> = (0..networks.len()).map(|i| ridge(&without(i)).log_factor(&networks[i].0)).collect();
    let plain: Vec<f64> = networks.iter().map(|(_, log)| *log).collect();
    let corrected: Vec<f64> = plain.iter().zip(&left_out).map(|(log, effect)| log - effect).collect();
    let effect = ridge(networks);
    let is_small = effect.slopes().iter().all(|s| s.slope.abs() <= STEEPEST);
    let (with, without) = (standard_deviation(&corrected)?, standard_deviation(&plain)?);
    let is_better = with < WORTH_IT * without && without.powi(2) - with.powi(2) > LEAST.powi(2);
    (is_better && is_small).then_some((effect, left_out))
}

fn ridge(networks: &[Example]) -> SizeEffect {
    let target = mean(&networks.iter().map(|(_, log)| *log).collect::<Vec<_>>()).unwrap_or(0.0);
    let columns: [Vec<f64>; COSTS] = std::array::from_fn(|c| networks.iter().map(|(costs, _)| costs[c]).collect());
    let low = columns.each_ref().map(|column| column.iter().copied().fold(f64::INFINITY, f64::min));
    let high = columns.each_ref().map(|column| column.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    // The rounded mean of equal values may differ from them.
    let usual: [f64; COSTS] = std::array::from_fn(|c| mean(&columns[c]).unwrap_or(0.0).max(low[c]).min(high[c]));
    // A cost that is equal in all networks has no information; its slope stays 0.
    let scale: [f64; COSTS] =
        std::array::from_fn(|c| standard_deviation(&columns[c]).filter(|sd| *sd > 1e-9).unwrap_or(f64::INFINITY));
    let standard: [Vec<f64>; COSTS] =
        std::array::from_fn(|c| columns[c].iter().map(|cost| (cost - usual[c]) / scale[c]).collect());
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let logs: Vec<f64> = networks.iter().map(|(_, log)| log - target).collect();
    let normal = std::array::from_fn(|i| {
        std::array::from_fn(|j| product(&standard[i], &standard[j]) + if i == j { RIDGE } else { 0.0 })
    });
    let slopes = solve(&normal, std::array::from_fn(|c| product(&standard[c], &logs)));
    SizeEffect::from_slopes(std::array::from_fn(|c| Slope {
        slope: slopes[c] / scale[c],
        usual: usual[c],
        low: low[c],
        high: high[c],
    }))
}

/// Solves a symmetric positive definite system, such as a ridge's normal equations, by Cholesky decomposition.
fn solve(matrix: &[[f64; COSTS]; COSTS], right: [f64; COSTS]) -> [f64; COSTS] {
    let mut lower = [[0.0; COSTS]; COSTS];
    for i in 0..COSTS {
        for j in 0..=i {
            let rest = matrix[i][j] - (0..j).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
            lower[i][j] = if i == j { rest.sqrt() } else { rest / lower[j][j] };
        }
    }
    let mut solution = right;
    for i in 0..COSTS {
        solution[i] = (solution[i] - (0..i).map(|k| lower[i][k] * solution[k]).sum::<f64>()) / lower[i][i];
    }
    for i in (0..COSTS).rev() {
        solution[i] = (solution[i] - (i + 1..COSTS).map(|k| lower[k][i] * solution[k]).sum::<f64>()) / lower[i][i];
    }
    solution
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Networks whose costs are correlated; whole over sum grows with the multiply-accumulates by a power.
    fn networks(seed: u64, count: usize, power: f64, noise: f64) -> Vec<Example> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let network = |_| {
            let size = 0.2 * normal();
            let costs = [15.0, 17.0, 14.0, 5.0].map(|usual| usual + size + 0.1 * normal());
            (costs, 0.03 + power * (costs[1] - 17.0) + noise * normal())
        };
        (0..count).map(network).collect()
    }

    fn scatter(values: impl Iterator<Item = f64>) -> f64 {
        standard_deviation(&values.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_system_is_solved_to_the_last_digits() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..100 {
            // The products of correlated columns, as costs are, with the ridge that separates them.
            let columns: [[f64; 30]; COSTS] =
                std::array::from_fn(|_| std::array::from_fn(|row| row as f64 / 15.0 - 1.0 + 0.1 * rng.random::<f64>()));
            let matrix: [[f64; COSTS]; COSTS] = std::array::from_fn(|i| {
                std::array::from_fn(|j| {
                    let ridge = if i == j { RIDGE } else { 0.0 };
                    ridge + columns[i].iter().zip(&columns[j]).map(|(x, y)| x * y).sum::<f64>()
                })
            });
            let wanted: [f64; COSTS] = std::array::from_fn(|_| rng.random::<f64>() - 0.5);
            let right = matrix.map(|row| row.iter().zip(wanted).map(|(x, y)| x * y).sum::<f64>());
            let solution = solve(&matrix, right);
            assert!(solution.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-13), "{solution:?} {wanted:?}");
            // Control: without the ridge it is another system.
            let plain: [[f64; COSTS]; COSTS] =
                std::array::from_fn(|i| std::array::from_fn(|j| matrix[i][j] - if i == j { 0.5 * RIDGE } else { 0.0 }));
            assert!(solve(&plain, right).iter().zip(wanted).any(|(a, b)| (a - b).abs() > 1e-3));
        }
    }

    #[test]
    fn networks_that_were_not_measured_are_predicted_better() {
        for seed in 0..10 {
            let (effect, left_out) = fit(&networks(seed, 30, 0.06, 0.004)).unwrap();
            let holdout = networks(seed + 100, 200, 0.06, 0.0);
            let corrected = scatter(holdout.iter().map(|(costs, log)| log - effect.log_factor(costs)));
            // Control: without the effect, the error that the power causes over different sizes.
            let plain = scatter(holdout.iter().map(|(_, log)| *log));
            assert!(corrected < 0.35 * plain, "seed {seed}: {corrected} {plain}");
            assert_eq!(left_out.len(), 30);
        }
    }

    #[test]
    fn noise_and_too_few_networks_have_no_effect() {
        let found = (0..100).filter(|&seed| fit(&networks(seed, 30, 0.0, 0.01)).is_some()).count();
        assert!(found <= 5, "{found} of 100");
        assert_eq!(fit(&networks(1, FEWEST - 1, 0.06, 0.0)), None);
        // An effect that is too small to matter, though no noise hides it.
        assert_eq!(fit(&networks(1, 30, 0.005, 0.0)), None);
        // One network many times over: no cost differs.
        assert_eq!(fit(&vec![([1.0; COSTS], 0.1); 30]), None);
    }

    /// A left-out network does not help to predict itself: its errors are those of holdout networks, not of a fit.
    #[test]
    fn the_left_out_are_not_flattered() {
        let (mut left, mut fitted, mut holdout) = (0.0, 0.0, 0.0);
        for seed in 0..20 {
            let measured = networks(seed, 16, 0.06, 0.01);
            let Some((effect, left_out)) = fit(&measured) else { continue };
            left += scatter(measured.iter().zip(&left_out).map(|((_, log), effect)| log - effect));
            fitted += scatter(measured.iter().map(|(costs, log)| log - effect.log_factor(costs)));
            let others = networks(seed + 100, 200, 0.06, 0.01);
            holdout += scatter(others.iter().map(|(costs, log)| log - effect.log_factor(costs)));
        }
        assert!((left / holdout - 1.0).abs() < 0.12, "{left} {holdout}");
        assert!(fitted < 0.93 * holdout, "the control: {fitted} {holdout}");
    }

    /// A LUT whose usual network were outside its smallest and largest would be unreadable.
    #[test]
    fn a_cost_that_all_networks_share_counts_for_nothing() {
        for seed in 0..50 {
            let mut measured = networks(seed, 30, 0.06, 0.0);
            let shared = (100.0 + seed as f64).ln_1p();
            measured.iter_mut().for_each(|(costs, _)| costs[3] = shared);
            let (effect, _) = fit(&measured).unwrap();
            assert_eq!(effect.layers, Slope { slope: 0.0, usual: shared, low: shared, high: shared });
        }
    }

    #[test]
    fn beyond_what_was_measured_nothing_is_extrapolated() {
        let measured = networks(1, 30, 0.06, 0.0);
        let (effect, _) = fit(&measured).unwrap();
        let highest: [f64; COSTS] = effect.slopes().map(|s| s.high);
        assert_eq!(effect.log_factor(&highest), effect.log_factor(&highest.map(|cost| cost + 5.0)));
        assert!(effect.log_factor(&highest) > effect.log_factor(&effect.slopes().map(|s| s.low)));
    }
}
