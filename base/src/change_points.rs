//! Change points: positions at which a series of measured times changes its mean or its variance.

use crate::statistics::{mean, standard_deviation};

/// Fewest values of a segment: one has no scatter.
const SHORTEST: usize = 2;
/// Penalty of a segment, to be multiplied by the logarithm of the number of values (Barrett et al., Virtual Machine
/// Warmup Blows Hot and Cold, OOPSLA 2017).
const PENALTY: f64 = 15.0;
/// A segment's variance counts as at least this share of the variance of all values. A coarse timer gives a few equal
/// values, and the logarithm of a zero variance would pay for any number of segments.
const LEAST_VARIANCE: f64 = 0.01;

/// Splits values into segments, each normally distributed with its own mean and variance, and returns the starts of all
/// segments but the first. Empty if there is a single segment, or if all values are equal.
///
/// Optimal partitioning (Jackson et al. 2005) finds the cheapest of all divisions. A session has only tens of rounds,
/// so the faster PELT (Killick, Fearnhead and Eckley 2012) is not needed.
#[must_use]
pub fn change_points(values: &[f64]) -> Vec<usize> {
    let n = values.len();
    let Some(scatter) = standard_deviation(values).filter(|sd| *sd > 0.0 && sd.is_finite()) else { return Vec::new() };
    let costs = Costs::new(values, scatter * scatter * LEAST_VARIANCE);
    let penalty = PENALTY * (n as f64).ln();
    // The cost of the cheapest division of the first `end` values, and the start of its last segment.
    let mut best = vec![(f64::INFINITY, 0); n + 1];
    best[0] = (0.0, 0);
    for end in SHORTEST..=n {
        let starts = 0..=end - SHORTEST;
        let divisions = starts.map(|start| (best[start].0 + costs.of(start, end) + penalty, start));
        best[end] = divisions.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or(best[end]);
    }
    let mut points = Vec::new();
    let mut end = n;
    while best[end].1 > 0 {
        end = best[end].1;
        points.push(end);
    }
    points.reverse();
    points
}

/// Twice the negative log-likelihoods of segments, without the terms that all divisions share.
struct Costs {
    /// Sums and sums of squares of the first values, around the mean of all.
    sums: Vec<(f64, f64)>,
    least_variance: f64,
}

impl Costs {
    fn new(values: &[f64], least_variance: f64) -> Self {
        let center = mean(values).unwrap_or(0.0);
        let mut sums = vec![(0.0, 0.0)];
        let (mut sum, mut squares) = (0.0, 0.0);
        for value in values.iter().map(|value| value - center) {
            sum += value;
            squares += value * value;
            sums.push((sum, squares));
        }
        Self { sums, least_variance }
    }

    fn of(&self, start: usize, end: usize) -> f64 {
        let n = (end - start) as f64;
        let sum = self.sums[end].0 - self.sums[start].0;
        let squares = self.sums[end].1 - self.sums[start].1;
        let variance = (squares / n - (sum / n).powi(2)).max(self.least_variance);
        n * variance.ln()
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::statistics::mann_whitney;

    /// Times around 1000 with a standard deviation of 10; `added` is added to each.
    fn series(seed: u64, n: usize, added: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        (0..n).map(|i| 1000.0 + 10.0 * normal() + added(i)).collect()
    }

    #[test]
    fn a_series_of_one_kind_has_no_change() {
        let false_alarms = (0..1000).filter(|&seed| !change_points(&series(seed, 40, |_| 0.0)).is_empty()).count();
        assert_eq!(false_alarms, 0);
        assert!(change_points(&[1.0; 40]).is_empty());
        assert!(change_points(&[]).is_empty());
        assert!(change_points(&[1.0, f64::NAN, 2.0]).is_empty());
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        for seed in 0..100 {
            let points = change_points(&series(seed, 40, |i| if i < 13 { 100.0 } else { 0.0 }));
            assert_eq!(points, [13], "seed {seed}");
        }
    }

    /// A slow stretch that covers as much of the first half as of the second; the halves are alike, the stretches are not.
    #[test]
    fn a_slow_stretch_in_the_middle_is_found_that_halves_do_not_show() {
        for seed in 0..100 {
            let values = series(seed, 40, |i| if (10..30).contains(&i) { 150.0 } else { 0.0 });
            assert_eq!(change_points(&values), [10, 30], "seed {seed}");
        }
        // Control: the test of the two halves sees next to none of them.
        let found = |seed: &u64| {
            let values = series(*seed, 40, |i| if (10..30).contains(&i) { 150.0 } else { 0.0 });
            mann_whitney(&values[..20], &values[20..]) < 0.01
        };
        assert!((0..100).filter(found).count() < 10);
    }

    #[test]
    fn a_change_of_scatter_is_found() {
        let mut calm_first = series(1, 20, |_| 0.0);
        calm_first.extend(series(2, 20, |_| 0.0).iter().map(|v| 1000.0 + 12.0 * (v - 1000.0)));
        let points = change_points(&calm_first);
        assert!(points.len() == 1 && (18..=22).contains(&points[0]), "{points:?}");
    }

    #[test]
    fn no_division_into_three_is_cheaper() {
        for seed in 0..30 {
            let values = series(seed, 24, |i| if (6..15).contains(&i) { 8.0 * seed as f64 } else { 0.0 });
            let scatter = standard_deviation(&values).unwrap();
            let costs = Costs::new(&values, scatter * scatter * LEAST_VARIANCE);
            let penalty = PENALTY * 24_f64.ln();
            let price = |points: &[usize]| {
                let ends: Vec<usize> = [0].iter().chain(points).chain(&[24]).copied().collect();
                ends.windows(2).map(|w| costs.of(w[0], w[1])).sum::<f64>() + penalty * points.len() as f64
            };
            let found = price(&change_points(&values));
            for first in 2..=22 {
                assert!(found <= price(&[first]) + 1e-9, "seed {seed}");
                for second in first + 2..=22 {
                    assert!(found <= price(&[first, second]) + 1e-9, "seed {seed}");
                }
            }
        }
    }
}
