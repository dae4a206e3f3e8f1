//! The spread of variances over similar groups: how much a group borrows from the others.
//!
//! Variances of groups are modelled as draws from a scaled inverse chi-squared distribution, which is fitted to the
//! moments of the logarithms of the groups' sample variances (Smyth, Linear Models and Empirical Bayes Methods, 2004,
//! section 6.2). Similar groups lend each other many degrees of freedom, different groups few.

use statrs::function::gamma::digamma;

use crate::statistics::{mean, standard_deviation};

/// Most degrees of freedom that groups lend each other.
const MOST_DEGREES: f64 = 1000.0;
/// Bisections: each halves an interval in logarithms.
const BISECTIONS: u32 = 60;

/// The common variance of groups and its degrees of freedom, from each group's variance and degrees of freedom. Groups
/// whose values are all equal are left out; `None` if fewer than two groups are left.
#[must_use]
fn common_variance(groups: &[(f64, usize)]) -> Option<(f64, f64)> {
    let told: Vec<(f64, f64)> = groups
        .iter()
        .filter(|(variance, n)| *variance > 0.0 && *n > 0)
        .map(|&(v, n)| (v.ln(), n as f64 / 2.0))
        .collect();
    if told.len() < 2 {
        return None;
    }
    let logs: Vec<f64> = told.iter().map(|(log, half)| log - digamma(*half) + half.ln()).collect();
    let by_chance = mean(&told.iter().map(|(_, half)| trigamma(*half)).collect::<Vec<_>>())?;
    let (center, spread) = (mean(&logs)?, standard_deviation(&logs)?.powi(2) - by_chance);
    let half = if spread > 0.0 { trigamma_inverse(spread).min(MOST_DEGREES / 2.0) } else { MOST_DEGREES / 2.0 };
    Some(((center + digamma(half) - half.ln()).exp(), 2.0 * half))
}

/// Fewest groups that tell how alike they are.
const FEWEST_GROUPS: usize = 20;

/// [`common_variance`], if at least twenty groups have values that differ: fewer do not tell how much they should lend each other.
#[must_use]
pub fn lent_variance(groups: &[(f64, usize)]) -> Option<(f64, f64)> {
    let told = groups.iter().filter(|(variance, n)| *variance > 0.0 && *n > 0).count();
    (told >= FEWEST_GROUPS).then(|| common_variance(groups)).flatten()
}

/// Derivative of the digamma function, by recurrence and its asymptotic series.
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 20.0 {
        sum += x.powi(-2);
        x += 1.0;
    }
    sum + 1.0 / x + 0.5 / x.powi(2) + 1.0 / (6.0 * x.powi(3)) - 1.0 / (30.0 * x.powi(5))
}

fn trigamma_inverse(value: f64) -> f64 {
    let (mut low, mut high) = (1e-3_f64, MOST_DEGREES);
    for _ in 0..BISECTIONS {
        let middle = (low * high).sqrt();
        if trigamma(middle) > value { low = middle } else { high = middle }
    }
    low
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Variances of groups of values; `sd` gives the group's deviation.
    fn groups(seed: u64, values: usize, sd: impl Fn(usize) -> f64) -> Vec<(f64, usize)> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let mut variance =
            |sd: f64| standard_deviation(&(0..values).map(|_| sd * normal()).collect::<Vec<_>>()).unwrap();
        (0..200).map(|i| (variance(sd(i)).powi(2), values - 1)).collect()
    }

    #[test]
    fn groups_that_are_alike_lend_each_other_much_and_unlike_ones_little() {
        for seed in 0..10 {
            let (variance, degrees) = common_variance(&groups(seed, 2, |_| 0.02)).unwrap();
            assert!((variance.sqrt() / 0.02 - 1.0).abs() < 0.35 && degrees > 5.0, "{seed}: {variance} {degrees}");
            let (variance, degrees) =
                common_variance(&groups(seed, 2, |i| if i % 10 == 0 { 0.2 } else { 0.02 })).unwrap();
            assert!(variance.sqrt() < 0.035 && degrees < 8.0, "{seed}: {variance} {degrees}");
            let (_, even) = common_variance(&groups(seed, 12, |_| 0.02)).unwrap();
            let (_, uneven) = common_variance(&groups(seed, 12, |i| 0.02 * (1.0 + (i % 5) as f64))).unwrap();
            assert!(even > 50.0 && uneven < 10.0, "{even} {uneven}");
        }
    }

    #[test]
    fn what_tells_nothing_is_left_out() {
        assert_eq!(common_variance(&[]), None);
        assert_eq!(common_variance(&[(0.0, 3), (1.0, 0), (1.0, 5)]), None);
        let alike = [[(1.0, 5); 19].as_slice(), &[(0.0, 5)]].concat();
        assert_eq!(lent_variance(&alike), None);
        assert_eq!(lent_variance(&[alike.as_slice(), &[(1.0, 5)]].concat()), common_variance(&[(1.0, 5); 20]));
        assert!((trigamma(1.0) - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-9);
        assert!((trigamma_inverse(trigamma(3.7)) - 3.7).abs() < 1e-9);
    }
}
