//! The level: how fast the machine is now, by the LUT's anchors measured again.

use nasprof_base::statistics::{mean, mean_half_width};
use serde::{Deserialize, Serialize};

use crate::SizeEffect;
use crate::calibration::FIXED_CLOCKS;
use crate::size_effect::{Example, fit_change};
use crate::variance::{Variance, VariancePrior};

/// How much the level differs between processes within minutes: ten on a shared virtual machine had a standard deviation of 5 %.
const WITHIN_MINUTES: VariancePrior = VariancePrior { sd: 0.05, degrees: 4 };

/// Measured over estimated, on the anchors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The common factor.
    pub level: f64,
    /// Its 95 % interval, for other networks of the space in the same process.
    pub interval: [f64; 2],
}

impl Level {
    /// The level from the ratios of anchors, measured over estimated.
    #[must_use]
    pub fn of(ratios: &[f64]) -> Option<Self> {
        let logs: Vec<f64> = ratios.iter().map(|r| r.ln()).collect();
        let (center, half) = (mean(&logs)?, mean_half_width(&logs)?);
        Some(Self { level: center.exp(), interval: [(center - half).exp(), (center + half).exp()] })
    }
}

/// The current level, for current estimates ([`crate::Estimator::at_level`]).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurrentLevel {
    /// Measured over estimated, on the anchors, as the mean over the processes that measured them.
    pub level: f64,
    /// Its 95 % interval, for networks of the space in the same processes.
    pub interval: [f64; 2],
    /// Relative half-width, 95 %, for one more process now: processes minutes apart differ.
    pub another_process_half_width: f64,
    /// Processes that measured the anchors.
    pub processes: usize,
    /// How the size effect differs from the LUT's: the level of a network is `level` times its factor. Absent for too few anchors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_effect: Option<SizeEffect>,
}

impl CurrentLevel {
    /// `ratios` of each anchor, measured over estimated, by process; every anchor has the same number. `sums_ns` are the anchors'
    /// sums of layers. `None` without anchors.
    pub(crate) fn of(ratios: &[Vec<f64>], sums_ns: &[f64], clocks_are_fixed: bool) -> Option<Self> {
        let means = ratios.iter().map(|of_anchor| mean(of_anchor)).collect::<Option<Vec<f64>>>()?;
        let Level { level, interval } = Level::of(&means)?;
        let networks: Vec<Example> = sums_ns.iter().zip(&means).map(|(sum, ratio)| (sum.ln(), ratio.ln())).collect();
        let size_effect = fit_change(&networks);
        let processes = ratios.first()?.len();
        let of_process =
            |p: usize| mean(&ratios.iter().filter_map(|anchor| Some(anchor.get(p)?.ln())).collect::<Vec<_>>());
        let levels: Vec<f64> = (0..processes).filter_map(of_process).collect();
        let prior = if clocks_are_fixed { FIXED_CLOCKS } else { WITHIN_MINUTES };
        let another_process_half_width = Variance::of(&levels, prior).prediction_half_width();
        Some(Self { level, interval, another_process_half_width, processes, size_effect })
    }

    /// Relative half-width of the level itself.
    pub(crate) fn half_width(&self) -> f64 {
        (self.interval[1] / self.interval[0]).ln() / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_differ_widen_the_interval_of_one_more() {
        let anchors = |levels: &[f64]| -> Vec<Vec<f64>> {
            (0..10).map(|i| levels.iter().map(|level| level * (1.0 + 0.001 * f64::from(i % 3))).collect()).collect()
        };
        let of = |levels: &[f64], fixed| CurrentLevel::of(&anchors(levels), &[5e6; 10], fixed).unwrap();
        let (alike, apart, fixed) = (of(&[1.10, 1.11], false), of(&[1.0, 1.21], false), of(&[1.10, 1.11], true));
        assert!((alike.level / 1.106 - 1.0).abs() < 1e-3 && alike.processes == 2, "{alike:?}");
        assert!(apart.another_process_half_width > 1.5 * alike.another_process_half_width);
        // Two that agree do not claim to be exact, and fixed clocks claim more.
        assert!(alike.another_process_half_width > 0.05 && fixed.another_process_half_width < 0.05);
        assert!(alike.half_width() < 0.002 && CurrentLevel::of(&[], &[], false).is_none());
        // Networks of one size show no size effect.
        assert_eq!(alike.size_effect, None);
    }

    /// Large networks are slower now than small ones, by a power of their sums.
    #[test]
    fn the_size_effect_of_now_is_found() {
        let sums: Vec<f64> = (0..10).map(|i| 4e6 * (0.05 * f64::from(i)).exp()).collect();
        let ratios = |power: f64| -> Vec<Vec<f64>> {
            sums.iter().enumerate().map(|(i, sum)| vec![1.1 * (sum / 5e6).powf(power) * [1.0, 1.003][i % 2]]).collect()
        };
        let now = |power| CurrentLevel::of(&ratios(power), &sums, false).unwrap();
        let effect = now(0.06).size_effect.unwrap();
        assert!((effect.slope - 0.06).abs() < 0.01, "{effect:?}");
        let at = |sum: f64| now(0.06).level * effect.factor(sum);
        assert!((at(4.2e6) / (1.1 * (4.2_f64 / 5.0).powf(0.06)) - 1.0).abs() < 0.004, "{}", at(4.2e6));
        // Control: the level alone is off by more at the ends.
        assert!((now(0.06).level / (1.1 * (4.2_f64 / 5.0).powf(0.06)) - 1.0).abs() > 0.01);
        assert!(now(0.0).size_effect.unwrap().slope.abs() < 0.005);
        assert!(CurrentLevel::of(&ratios(0.06)[..5], &sums[..5], false).unwrap().size_effect.is_none());
    }
}
