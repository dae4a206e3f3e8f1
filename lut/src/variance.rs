//! The uncertainty of a mean of few values, with a prior for their variance.

use nasprof_base::statistics::{standard_deviation, student_t_95};
use nasprof_base::variances::lent_variance;

/// A standard deviation seen elsewhere, with its weight in degrees of freedom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VariancePrior {
    /// Standard deviation.
    pub(crate) sd: f64,
    /// Degrees of freedom.
    pub(crate) degrees: usize,
}

/// The degrees of freedom that the variance within few groups counts for when a single group's variance is estimated. Many
/// groups show themselves how alike they are.
const POOLED_DEGREES: usize = 4;

impl VariancePrior {
    /// The common variance of groups of like values, around each group's own mean; `None` if no group has two values.
    /// Among many groups, a few unlike ones neither widen the others nor lend much; few groups are pooled.
    pub(crate) fn within<'a>(groups: impl Iterator<Item = &'a [f64]>) -> Option<Self> {
        let squares = |values: &[f64]| Some((standard_deviation(values)?.powi(2), values.len() - 1));
        let groups: Vec<(f64, usize)> = groups.filter_map(squares).filter(|(_, n)| *n > 0).collect();
        if let Some((variance, degrees)) = lent_variance(&groups) {
            return Some(Self { sd: variance.sqrt(), degrees: (degrees.round() as usize).max(1) });
        }
        let (sum, degrees) =
            groups.iter().fold((0.0, 0), |(sum, all), (variance, n)| (sum + variance * *n as f64, all + n));
        (degrees > 0).then(|| Self { sd: (sum / degrees as f64).sqrt(), degrees: POOLED_DEGREES.min(degrees) })
    }
}

/// The variance of `n` values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variance {
    sd: f64,
    degrees: usize,
    n: usize,
}

impl Variance {
    /// The variance of values, shrunk towards the prior: the posterior of a variance under a scaled inverse
    /// chi-squared prior (Gelman et al., Bayesian Data Analysis, 3rd edition, section 2.6). Few values that happen to
    /// agree prove little: two equal values would otherwise count as exact.
    pub(crate) fn of(values: &[f64], prior: VariancePrior) -> Self {
        let own = values.len().saturating_sub(1);
        let degrees = own + prior.degrees;
        let squares = own as f64 * standard_deviation(values).unwrap_or(0.0).powi(2);
        let variance = (squares + prior.degrees as f64 * prior.sd * prior.sd) / degrees as f64;
        Self { sd: variance.sqrt(), degrees, n: values.len() }
    }

    /// Half-width of the 95 % confidence interval of the mean.
    pub(crate) fn confidence_half_width(self) -> f64 {
        student_t_95(self.degrees) * self.sd / (self.n as f64).sqrt()
    }

    /// Half-width of the 95 % prediction interval for one more value, around the mean.
    pub(crate) fn prediction_half_width(self) -> f64 {
        student_t_95(self.degrees) * self.sd * (1.0 + 1.0 / self.n as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use nasprof_base::statistics::mean;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{Variance, VariancePrior};

    const PRIOR: VariancePrior = VariancePrior { sd: 0.02, degrees: 4 };

    #[test]
    fn values_that_agree_are_not_exact() {
        let agreeing = [0.01; 5];
        assert!(Variance::of(&agreeing, PRIOR).prediction_half_width() > 0.02);
        // Control: without the prior they would be.
        assert_eq!(Variance::of(&agreeing, VariancePrior { sd: 0.02, degrees: 0 }).prediction_half_width(), 0.0);
    }

    #[test]
    fn a_few_groups_unlike_the_others_do_not_widen_them() {
        let groups = |unlike: usize| -> Vec<[f64; 3]> {
            (0..100).map(|i| if i < unlike { 0.3 } else { 0.01 + 1e-5 * i as f64 }).map(|sd| [-sd, 0.0, sd]).collect()
        };
        let prior = |groups: &[[f64; 3]]| VariancePrior::within(groups.iter().map(<[f64; 3]>::as_slice)).unwrap();
        let (alike, some) = (prior(&groups(0)), prior(&groups(5)));
        assert!(some.sd < 1.5 * alike.sd && some.degrees < alike.degrees, "{alike:?} {some:?}");
        // Control: pooled, as few groups are, five of a hundred would be in all.
        let few = prior(&groups(5)[..10]);
        assert!(few.sd > 0.2, "{few:?}");
    }

    #[test]
    fn many_values_speak_for_themselves() {
        let values: Vec<f64> = (0..400).map(|i| if i % 2 == 0 { 0.1 } else { -0.1 }).collect();
        let half = Variance::of(&values, PRIOR).confidence_half_width();
        assert!((half / (1.96 * 0.1 / 20.0) - 1.0).abs() < 0.02, "{half}");
    }

    /// Sessions close together agree better with each other than with a later one. The prior corrects most of that.
    #[test]
    fn a_later_session_is_inside_although_sessions_near_each_other_agree() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut normal = move |sd: f64| sd * (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0 * sd;
        let mut share = |prior: VariancePrior| {
            let inside = (0..2000).filter(|_| {
                // The hour's level, with the sessions around it; then another hour's.
                let hour = normal(0.02);
                let near: Vec<f64> = (0..5).map(|_| hour + normal(0.008)).collect();
                let later = normal(0.02) + normal(0.008);
                (later - mean(&near).unwrap()).abs() < Variance::of(&near, prior).prediction_half_width()
            });
            inside.count() as f64 / 2000.0
        };
        let (with, without) =
            (share(VariancePrior { sd: 0.025, degrees: 4 }), share(VariancePrior { sd: 0.025, degrees: 0 }));
        assert!(with > 0.85 && without < 0.65, "{with} {without}");
    }
}
