//! The uncertainty of a mean of few values, with a prior for their variance.

use nasprof_base::statistics::{standard_deviation, student_t_95};

/// A standard deviation seen elsewhere, and how many degrees of freedom it is worth.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usual {
    /// Standard deviation.
    pub(crate) sd: f64,
    /// Degrees of freedom.
    pub(crate) degrees: usize,
}

/// How many degrees of freedom the spread within all groups is worth when that of one group is asked for.
const POOLED_DEGREES: usize = 4;

impl Usual {
    /// The spread within groups of like values, around each group's own mean; `None` if no group has two values.
    pub(crate) fn within<'a>(groups: impl Iterator<Item = &'a [f64]>) -> Option<Self> {
        let squares = |values: &[f64]| Some((standard_deviation(values)?.powi(2), values.len() - 1));
        let (sum, degrees) =
            groups.filter_map(squares).fold((0.0, 0), |(sum, all), (variance, n)| (sum + variance * n as f64, all + n));
        (degrees > 0).then(|| Self { sd: (sum / degrees as f64).sqrt(), degrees: POOLED_DEGREES.min(degrees) })
    }
}

/// The spread of `n` values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    sd: f64,
    degrees: usize,
    n: usize,
}

impl Spread {
    /// The spread of values, drawn towards the usual one: the posterior of a variance under a scaled inverse
    /// chi-squared prior (Gelman et al., Bayesian Data Analysis, 3rd edition, section 2.6). Few values that happen to
    /// agree say little: two that are equal would otherwise claim to be exact.
    pub(crate) fn of(values: &[f64], usual: Usual) -> Self {
        let own = values.len().saturating_sub(1);
        let degrees = own + usual.degrees;
        let squares = own as f64 * standard_deviation(values).unwrap_or(0.0).powi(2);
        let variance = (squares + usual.degrees as f64 * usual.sd * usual.sd) / degrees as f64;
        Self { sd: variance.sqrt(), degrees, n: values.len() }
    }

    /// Half-width, 95 %, of the values' mean.
    pub(crate) fn of_mean(self) -> f64 {
        student_t_95(self.degrees) * self.sd / (self.n as f64).sqrt()
    }

    /// Half-width, 95 %, of one more value around their mean.
    pub(crate) fn of_next(self) -> f64 {
        student_t_95(self.degrees) * self.sd * (1.0 + 1.0 / self.n as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use nasprof_base::statistics::mean;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::{Spread, Usual};

    const USUAL: Usual = Usual { sd: 0.02, degrees: 4 };

    #[test]
    fn values_that_agree_are_not_exact() {
        let agreeing = [0.01; 5];
        assert!(Spread::of(&agreeing, USUAL).of_next() > 0.02);
        // Control: without what is usual they would be.
        assert_eq!(Spread::of(&agreeing, Usual { sd: 0.02, degrees: 0 }).of_next(), 0.0);
    }

    #[test]
    fn many_values_speak_for_themselves() {
        let values: Vec<f64> = (0..400).map(|i| if i % 2 == 0 { 0.1 } else { -0.1 }).collect();
        let half = Spread::of(&values, USUAL).of_mean();
        assert!((half / (1.96 * 0.1 / 20.0) - 1.0).abs() < 0.02, "{half}");
    }

    /// Sessions close together agree better with one another than with a later one. The usual spread mends most of that.
    #[test]
    fn a_later_session_is_inside_although_sessions_near_each_other_agree() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut normal = move |sd: f64| sd * (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0 * sd;
        let mut share = |usual: Usual| {
            let inside = (0..2000).filter(|_| {
                // The hour's level, with the sessions around it; then another hour's.
                let hour = normal(0.02);
                let near: Vec<f64> = (0..5).map(|_| hour + normal(0.008)).collect();
                let later = normal(0.02) + normal(0.008);
                (later - mean(&near).unwrap()).abs() < Spread::of(&near, usual).of_next()
            });
            inside.count() as f64 / 2000.0
        };
        let (with, without) = (share(Usual { sd: 0.025, degrees: 4 }), share(Usual { sd: 0.025, degrees: 0 }));
        assert!(with > 0.85 && without < 0.65, "{with} {without}");
    }
}
