//! Intervals of groups of values, of which each group has few: trimmed means, with variances that similar groups lend each
//! other.
//!
//! Eight values tell their own variance to within a third or so. An interval made of them alone is therefore wide, and the
//! widest of a hundred are wide by chance. Groups that scatter alike lend each other degrees of freedom
//! ([`crate::variances`]); groups that do not keep their own variance.

use crate::statistics::{mean, standard_deviation, student_t_99};
use crate::variances::lent_variance;

/// Fewest values of an interval.
const FEWEST_VALUES: usize = 8;
/// Share of the values that is left out at either end.
const TRIM: f64 = 0.2;

/// A trimmed mean with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanInterval {
    /// Trimmed mean of the values.
    pub center: f64,
    /// Half-width of the interval, nominal confidence 99 %.
    pub half_width: f64,
}

/// The interval of each group's trimmed mean; `None` for groups of fewer than eight values or with one that is not finite.
///
/// The variance of a trimmed mean is that of the Winsorized values (Tukey and McLaughlin, 1963, "Less Vulnerable Confidence
/// and Significance Procedures for Location"), shrunk towards the common variance of the groups as a scaled inverse chi-squared
/// prior (Smyth, 2004, "Linear Models and Empirical Bayes Methods").
#[must_use]
pub fn mean_intervals<'a>(groups: impl IntoIterator<Item = &'a [f64]>) -> Vec<Option<MeanInterval>> {
    let groups: Vec<Option<Trimmed>> = groups.into_iter().map(Trimmed::of).collect();
    let own: Vec<(f64, usize)> = groups.iter().flatten().map(|group| (group.variance, group.degrees)).collect();
    let common = lent_variance(&own);
    groups.into_iter().map(|group| group.map(|group| group.interval(common))).collect()
}

/// What the values of one group say.
struct Trimmed {
    center: f64,
    /// Variance of one value, such that the trimmed mean of `count` values has the variance `variance / count`.
    variance: f64,
    count: usize,
    degrees: usize,
}

impl Trimmed {
    fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count < FEWEST_VALUES || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let cut = (TRIM * count as f64) as usize;
        let kept = count - 2 * cut;
        let center = mean(&sorted[cut..count - cut])?;
        let (low, high) = (sorted[cut], sorted[count - 1 - cut]);
        let winsorized: Vec<f64> = sorted.iter().map(|value| value.clamp(low, high)).collect();
        let squares = (count - 1) as f64 * standard_deviation(&winsorized)?.powi(2);
        let variance = count as f64 * squares / (kept * (kept - 1)) as f64;
        Some(Self { center, variance, count, degrees: kept - 1 })
    }

    fn interval(&self, common: Option<(f64, f64)>) -> MeanInterval {
        let own = self.degrees as f64;
        let (variance, degrees) = match common {
            Some((variance, lent)) => ((own * self.variance + lent * variance) / (own + lent), own + lent),
            None => (self.variance, own),
        };
        MeanInterval { center: self.center, half_width: student_t_99(degrees) * (variance / self.count as f64).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Normal values around 0, with the deviation that `sd` gives for a group.
    fn groups(seed: u64, count: usize, sd: impl Fn(usize) -> f64) -> Vec<Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        (0..100).map(|group| (0..count).map(|_| sd(group) * normal()).collect()).collect()
    }

    fn intervals(groups: &[Vec<f64>]) -> Vec<MeanInterval> {
        mean_intervals(groups.iter().map(Vec::as_slice)).into_iter().map(Option::unwrap).collect()
    }

    #[test]
    fn a_worked_example() {
        // 0 to 9: without two at either end the mean of 2..=7 is 4.5. Winsorized: three 2, 3, 4, 5, 6, three 7 with the squares 2 *
        // (3 * 6.25 + 2.25 + 0.25) = 42.5; six are kept, so the mean has the variance 42.5 / 30. t of 5 degrees is 4.032.
        let values: Vec<f64> = (0..10).map(f64::from).collect();
        let own = mean_intervals([values.as_slice()])[0].unwrap();
        assert!((own.center - 4.5).abs() < 1e-12, "{own:?}");
        assert!((own.half_width / (4.032 * (42.5_f64 / 30.0).sqrt()) - 1.0).abs() < 0.01, "{own:?}");
    }

    #[test]
    fn groups_alike_are_known_better_and_as_truly() {
        let (mut covered, mut alone, mut narrower) = (0, 0, 0);
        for seed in 0..20 {
            let groups = groups(seed, 8, |_| 0.02);
            for (lent, group) in intervals(&groups).iter().zip(&groups) {
                let own = mean_intervals([group.as_slice()])[0].unwrap();
                covered += u32::from(lent.center.abs() <= lent.half_width);
                alone += u32::from(own.center.abs() <= own.half_width);
                narrower += u32::from(lent.half_width < own.half_width);
            }
        }
        assert!(covered >= 1960 && alone >= 1960, "of 2000: {covered} {alone}");
        assert!(narrower > 1400, "of 2000: {narrower}");
    }

    #[test]
    fn a_group_unlike_the_others_keeps_its_own_variance() {
        // Each tenth group scatters ten times as much.
        let unlike = |group: usize| group.is_multiple_of(10);
        let (mut covered, mut all) = (0, 0);
        for seed in 0..20 {
            let groups = groups(seed, 8, |group| if unlike(group) { 0.2 } else { 0.02 });
            for (_, own) in intervals(&groups).iter().enumerate().filter(|(group, _)| unlike(*group)) {
                all += 1;
                covered += u32::from(own.center.abs() <= own.half_width);
            }
        }
        assert!(covered * 100 >= all * 95, "{covered} of {all}");
        // Control: with the variance of the others they would not be.
        let groups = groups(1, 8, |group| if unlike(group) { 0.2 } else { 0.02 });
        let alike: Vec<Vec<f64>> = groups.iter().skip(1).step_by(10).cycle().take(100).cloned().collect();
        let pooled = intervals(&alike)[0].half_width;
        let outside = intervals(&groups).iter().step_by(10).filter(|own| own.center.abs() > pooled).count();
        assert!(outside > 3, "{outside} of 10");
    }

    #[test]
    fn a_disturbed_value_counts_for_little() {
        let calm: Vec<f64> = (0..12).map(|i| f64::from(i % 4)).collect();
        let disturbed: Vec<f64> = calm.iter().enumerate().map(|(i, v)| if i == 3 { 100.0 } else { *v }).collect();
        let center = |values: &[f64]| mean_intervals([values])[0].unwrap().center;
        assert!((center(&calm) - center(&disturbed)).abs() < 0.3);
    }

    #[test]
    fn what_tells_no_interval_has_none() {
        let short = [1.0; 7];
        let broken = [1.0, 2.0, f64::NAN, 4.0, 5.0, 6.0, 7.0, 8.0];
        assert_eq!(mean_intervals([short.as_slice(), broken.as_slice()]), [None, None]);
        assert_eq!(mean_intervals([[3.0; 8].as_slice()]), [Some(MeanInterval { center: 3.0, half_width: 0.0 })]);
    }
}
