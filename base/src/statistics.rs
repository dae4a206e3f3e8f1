//! Statistics of samples, visits and rounds. Confidence intervals of medians come from order statistics, as recommended by
//! Hoefler and Belli (2015, "Scientific Benchmarking of Parallel Computing Systems").

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::erfc;

/// Share of the fastest and of the slowest samples that a trimmed mean leaves out.
///
/// The shares are unequal because disturbances only add time. A mean is used because means of parts add up to the mean
/// of the whole; medians do not.
pub const TRIM: (f64, f64) = (0.10, 0.25);

/// Mean after trimming [`TRIM`] from both ends; `None` without values.
#[must_use]
pub fn trimmed_mean(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let low = (sorted.len() as f64 * TRIM.0) as usize;
    let high = (sorted.len() as f64 * TRIM.1) as usize;
    mean(sorted.get(low..sorted.len() - high)?)
}

/// Arithmetic mean; `None` without values.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Quantile by linear interpolation between order statistics; `None` without values.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = q.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let below = position.floor() as usize;
    let above = position.ceil() as usize;
    Some(sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64))
}

/// Median; `None` without values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// Median absolute deviation from the median, not scaled; `None` without values.
#[must_use]
pub fn median_absolute_deviation(values: &[f64]) -> Option<f64> {
    let center = median(values)?;
    median(&values.iter().map(|v| (v - center).abs()).collect::<Vec<_>>())
}

/// Sample standard deviation (n - 1); `None` below two values.
#[must_use]
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let center = mean(values)?;
    let n = values.len();
    (n >= 2).then(|| (values.iter().map(|v| (v - center).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt())
}

/// Half of Student's 95 % confidence interval of the mean; `None` below two values.
#[must_use]
pub fn mean_half_width(values: &[f64]) -> Option<f64> {
    let deviation = standard_deviation(values)?;
    Some(student_t_95(values.len() - 1) * deviation / (values.len() as f64).sqrt())
}

/// Student's 95 % confidence interval of the mean; `None` below two values.
#[must_use]
pub fn mean_interval(values: &[f64]) -> Option<[f64; 2]> {
    let (center, half) = (mean(values)?, mean_half_width(values)?);
    Some([center - half, center + half])
}

/// Distribution-free interval for the median: the order statistics `j..=n+1-j` that cover it with at least
/// `confidence`. `None` when there are too few values for that confidence (8 for 99 %).
#[must_use]
pub fn median_interval(values: &[f64], confidence: f64) -> Option<(f64, f64)> {
    let rank = interval_rank(values.len(), confidence)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some((sorted[rank - 1], sorted[sorted.len() - rank]))
}

/// The largest `j` with P(j <= Binomial(n, 1/2) <= n - j) >= confidence.
fn interval_rank(n: usize, confidence: f64) -> Option<usize> {
    let tail_limit = (1.0 - confidence) / 2.0;
    // P(X = 0), then the recurrence C(n, k+1) = C(n, k) (n - k) / (k + 1). 2^-n is exact far beyond any count of rounds.
    let mut probability = 0.5_f64.powi(i32::try_from(n).ok()?);
    let mut tail = 0.0;
    let mut rank = 0;
    for k in 0..n / 2 {
        tail += probability;
        if tail > tail_limit {
            break;
        }
        rank = k + 1;
        probability *= (n - k) as f64 / (k + 1) as f64;
    }
    (rank > 0).then_some(rank)
}

/// Two-sided p-value of the Mann-Whitney U test in its normal approximation with tie correction; 1 when either side
/// has fewer than four values.
#[must_use]
pub fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    let (n, m) = (a.len() as f64, b.len() as f64);
    if a.len() < 4 || b.len() < 4 {
        return 1.0;
    }
    let mut all: Vec<(f64, bool)> = a.iter().map(|&v| (v, true)).chain(b.iter().map(|&v| (v, false))).collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut rank_sum, mut ties, mut start) = (0.0, 0.0, 0);
    while start < all.len() {
        let end = start + all[start..].iter().take_while(|v| v.0 == all[start].0).count();
        let (count, rank) = ((end - start) as f64, (start + 1 + end) as f64 / 2.0);
        rank_sum += all[start..end].iter().filter(|v| v.1).count() as f64 * rank;
        ties += count.powi(3) - count;
        start = end;
    }
    let u = rank_sum - n * (n + 1.0) / 2.0;
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    2.0 * normal_tail(z)
}

/// A straight line through values at equal distances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Change from the first value to the last, along the line.
    pub change: f64,
    /// Two-sided p-value of the t test against no slope.
    pub p: f64,
}

/// The least-squares line through values and the test of its slope (Draper and Smith, Applied Regression Analysis, 3rd
/// edition, section 1.4); `None` below five values.
#[must_use]
pub fn trend(values: &[f64]) -> Option<Trend> {
    let n = values.len();
    let (center, middle) = (mean(values)?, (n - 1) as f64 / 2.0);
    let places = (0..n).map(|i| i as f64 - middle);
    let squares: f64 = places.clone().map(|x| x * x).sum();
    let slope = places.clone().zip(values).map(|(x, y)| x * (y - center)).sum::<f64>() / squares;
    let rest: f64 = places.zip(values).map(|(x, y)| (y - center - slope * x).powi(2)).sum();
    let change = slope * (n - 1) as f64;
    if n < 5 || !change.is_finite() {
        return None;
    }
    let error = (rest / (n - 2) as f64 / squares).sqrt();
    // Without scatter, any slope is significant, and no slope is not.
    let p = match (slope == 0.0, error > 0.0) {
        (true, _) => 1.0,
        (false, false) => 0.0,
        (false, true) => {
            let t = StudentsT::new(0.0, 1.0, (n - 2) as f64).ok()?;
            2.0 * t.sf((slope / error).abs())
        }
    };
    Some(Trend { change, p })
}

/// P(Z > z) of the standard normal.
fn normal_tail(z: f64) -> f64 {
    erfc(z / std::f64::consts::SQRT_2) / 2.0
}

/// Two-sided 95 % quantile of Student's t distribution with `degrees` of freedom (table to 30, then the Cornish-Fisher
/// expansion); infinite for 0. A table instead of a library, because LUTs are rebuilt from old journals to the same
/// bytes.
#[must_use]
pub fn student_t_95(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    match degrees {
        0 => f64::INFINITY,
        1..=30 => TABLE[degrees - 1],
        _ => {
            let (z, n) = (1.959_964_f64, degrees as f64);
            z + (z.powi(3) + z) / (4.0 * n) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
        }
    }
}

/// Two-sided 99 % quantile of Student's t distribution with `degrees` of freedom, which need not be whole, by the first four
/// terms of the Cornish-Fisher expansion (Abramowitz and Stegun, 26.7.5): 1 % too small at 5 degrees, less with more.
#[must_use]
pub fn student_t_99(degrees: f64) -> f64 {
    const Z: f64 = 2.575_829;
    let first = (Z.powi(3) + Z) / 4.0;
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0;
    let third = (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / 384.0;
    Z + first / degrees + second / degrees.powi(2) + third / degrees.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{Binomial, DiscreteCDF};

    #[test]
    fn trimming_drops_a_tenth_below_and_a_quarter_above() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        // Drops 1, 2 and 16..=20: the mean of 3..=15.
        assert_eq!(trimmed_mean(&values), Some(9.0));
        assert_eq!(trimmed_mean(&[5.0]), Some(5.0));
        assert_eq!(trimmed_mean(&[]), None);
    }

    #[test]
    fn quantiles() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(median(&values), Some(2.5));
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&values, 1.0), Some(4.0));
        assert_eq!(median_absolute_deviation(&[1.0, 2.0, 3.0, 100.0, 3.0]), Some(1.0));
        assert_eq!(median(&[]), None);
    }

    /// From the binomial distribution: n=6 [min, max] at 95 %, n=10 ranks 2-9, n=20 ranks 6-15, and none below 6.
    #[test]
    fn interval_ranks_match_the_binomial() {
        assert_eq!(interval_rank(5, 0.95), None);
        assert_eq!(interval_rank(6, 0.95), Some(1));
        assert_eq!(interval_rank(10, 0.95), Some(2));
        assert_eq!(interval_rank(20, 0.95), Some(6));
        assert_eq!(interval_rank(7, 0.99), None);
        assert_eq!(interval_rank(8, 0.99), Some(1));
        for n in 8..200_u64 {
            let rank = interval_rank(n as usize, 0.99).unwrap() as u64;
            let binomial = Binomial::new(0.5, n).unwrap();
            assert!(1.0 - 2.0 * binomial.cdf(rank - 1) >= 0.99, "n {n}");
            assert!(1.0 - 2.0 * binomial.cdf(rank) < 0.99, "n {n} could be narrower");
        }
    }

    #[test]
    fn tails_match_published_tables_and_an_independent_library() {
        // Abramowitz and Stegun, table 26.1.
        for (z, expected) in [(0.0, 0.5), (0.5, 0.308_537_539), (1.0, 0.158_655_254), (3.0, 0.001_349_898)] {
            assert!((normal_tail(z) - expected).abs() < 1e-9, "{z}");
        }
        for n in [1, 2, 5, 30, 31, 60, 200] {
            let expected = StudentsT::new(0.0, 1.0, n as f64).unwrap().inverse_cdf(0.975);
            assert!((student_t_95(n) / expected - 1.0).abs() < 1e-3, "{n}: {} {expected}", student_t_95(n));
        }
        for n in [5.0, 7.5, 12.0, 40.0, 1000.0] {
            let expected = StudentsT::new(0.0, 1.0, n).unwrap().inverse_cdf(0.995);
            assert!((student_t_99(n) / expected - 1.0).abs() < 0.01, "{n}: {} {expected}", student_t_99(n));
        }
    }

    #[test]
    fn mann_whitney_tells_shifted_from_equal() {
        let a: Vec<f64> = (0..12).map(f64::from).collect();
        let b: Vec<f64> = (0..12).map(|i| f64::from(i) + 8.0).collect();
        // By hand: U = 8, mean 72, four ties of two, variance 299.48, z = 63.5 / 17.305 = 3.6694, p = 0.000243.
        assert!((mann_whitney(&a, &b) - 0.000_243).abs() < 2e-6, "{}", mann_whitney(&a, &b));
        assert!(mann_whitney(&a, &a) > 0.9);
        assert_eq!(mann_whitney(&[1.0; 5], &[1.0; 5]), 1.0);
    }

    #[test]
    fn a_line_is_tested_as_in_a_textbook() {
        // By hand: slope 0.5, residuals -0.2, 0.3, -0.2, 0.3, -0.2, error sqrt(0.3 / 3 / 10) = 0.1, t = 5 with 3 degrees.
        let line = trend(&[0.8, 1.8, 1.8, 2.8, 2.8]).unwrap();
        assert!((line.change - 2.0).abs() < 1e-12 && (line.p - 0.015_392).abs() < 1e-5, "{line:?}");
        assert_eq!(trend(&[1.0; 8]).unwrap(), Trend { change: 0.0, p: 1.0 });
        assert_eq!(trend(&[1.0, 2.0, 3.0, 4.0]), None);
        assert_eq!(trend(&[1.0, f64::NAN, 3.0, 4.0, 5.0]), None);
    }

    #[test]
    fn the_interval_of_a_mean_is_students() {
        // 4.3027 times a deviation of 1 over the root of 3.
        assert!((mean_half_width(&[1.0, 2.0, 3.0]).unwrap() - 2.484_1).abs() < 1e-3);
        assert_eq!((mean_half_width(&[1.0]), mean_half_width(&[])), (None, None));
        let [low, high] = mean_interval(&[1.0, 2.0, 3.0]).unwrap();
        assert!((low + 0.484_1).abs() < 1e-3 && (high - 4.484_1).abs() < 1e-3);
        assert_eq!((mean_interval(&[1.0]), mean_interval(&[])), (None, None));
    }
}
