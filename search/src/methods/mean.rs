//! Means over searches with their 95 % intervals.

use nasprof_base::statistics::{mean, mean_half_width};
use serde::Serialize;

/// 97.5 % quantile of the normal distribution.
const QUANTILE: f64 = 1.959_963_984_540_054;

/// A mean over seeds. Its interval covers the choice of the seeds, not that of the table's networks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
}

impl Mean {
    /// The mean of some values, with Student's interval; it is infinite for fewer than two values.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mean = mean(values).unwrap_or(0.0);
        let half = mean_half_width(values).unwrap_or(f64::INFINITY);
        Self { mean, interval: [mean - half, mean + half] }
    }

    /// The share of successes among values from 0 to 1, with Wilson's interval (1927, JASA 22). It lies within 0 and 1, and is
    /// not empty if all values are equal.
    #[must_use]
    pub fn share(values: &[f64]) -> Self {
        let (count, square) = (values.len().max(1) as f64, QUANTILE * QUANTILE);
        let mean = mean(values).unwrap_or(0.0);
        let center = (mean + square / (2.0 * count)) / (1.0 + square / count);
        let variance = mean * (1.0 - mean) / count + square / (4.0 * count * count);
        let half = QUANTILE * variance.sqrt() / (1.0 + square / count);
        Self { mean, interval: [(center - half).max(0.0), (center + half).min(1.0)] }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn known_intervals() {
        let near = |mean: Mean, low: f64, high: f64| {
            assert!((mean.interval[0] - low).abs() < 5e-4 && (mean.interval[1] - high).abs() < 5e-4, "{mean:?}");
        };
        // Three successes of three: 3 / (3 + 3.8415) = 0.4385. Nine of ten: Brown, Cai and DasGupta's formula by hand.
        near(Mean::share(&[1.0; 3]), 0.4385, 1.0);
        near(Mean::share(&[0.0; 3]), 0.0, 0.5615);
        near(Mean::share(&[&[1.0; 9][..], &[0.0]].concat()), 0.5958, 0.9821);
        // 1, 2, 3 have the deviation 1, and t of two degrees is 4.3027.
        near(Mean::of(&[1.0, 2.0, 3.0]), 2.0 - 4.3027 / 3.0_f64.sqrt(), 2.0 + 4.3027 / 3.0_f64.sqrt());
        assert!(Mean::of(&[1.0]).interval[1].is_infinite());
    }

    /// Few values: both intervals cover in about 95 % of the cases, and those of the normal approximation do not.
    #[test]
    fn intervals_of_few_values_cover() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (mut means, mut shares, mut normal) = (0, 0, [0, 0]);
        let covers = |interval: [f64; 2], value: f64| u32::from(interval[0] <= value && value <= interval[1]);
        for _ in 0..2000 {
            let values: Vec<f64> = (0..3).map(|_| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0).collect();
            let (student, wald) = (Mean::of(&values), 1.96 / 4.3027);
            let half = (student.interval[1] - student.mean) * wald;
            means += covers(student.interval, 0.0);
            normal[0] += covers([student.mean - half, student.mean + half], 0.0);
            let tosses: Vec<f64> = (0..10).map(|_| f64::from(u8::from(rng.random_bool(0.9)))).collect();
            let share = Mean::share(&tosses);
            let half = 1.96 * (share.mean * (1.0 - share.mean) / 10.0).sqrt();
            shares += covers(share.interval, 0.9);
            normal[1] += covers([share.mean - half, share.mean + half], 0.9);
        }
        assert!((1850..1950).contains(&means) && shares > 1800, "of 2000: {means} {shares}");
        assert!(normal.iter().all(|covered| *covered < 1700), "the control, of 2000: {normal:?}");
    }
}
