//! The level: how fast the machine is now, by the LUT's anchors measured again.

use nasprof_base::statistics::{mean, mean_half_width};
use serde::{Deserialize, Serialize};

use crate::calibration::FIXED_CLOCKS;
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
}

impl CurrentLevel {
    /// `ratios` of each anchor, measured over estimated, by process. Every anchor has the same number. `None` if empty.
    pub(crate) fn of(ratios: &[Vec<f64>], clocks_are_fixed: bool) -> Option<Self> {
        let means: Option<Vec<f64>> = ratios.iter().map(|of_anchor| mean(of_anchor)).collect();
        let Level { level, interval } = Level::of(&means?)?;
        let processes = ratios.first()?.len();
        let of_process =
            |p: usize| mean(&ratios.iter().filter_map(|anchor| Some(anchor.get(p)?.ln())).collect::<Vec<_>>());
        let levels: Vec<f64> = (0..processes).filter_map(of_process).collect();
        let prior = if clocks_are_fixed { FIXED_CLOCKS } else { WITHIN_MINUTES };
        let another_process_half_width = Variance::of(&levels, prior).prediction_half_width();
        Some(Self { level, interval, another_process_half_width, processes })
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
        let alike = CurrentLevel::of(&anchors(&[1.10, 1.11]), false).unwrap();
        let apart = CurrentLevel::of(&anchors(&[1.0, 1.21]), false).unwrap();
        let fixed = CurrentLevel::of(&anchors(&[1.10, 1.11]), true).unwrap();
        assert!((alike.level / 1.106 - 1.0).abs() < 1e-3 && alike.processes == 2, "{alike:?}");
        assert!(apart.another_process_half_width > 1.5 * alike.another_process_half_width);
        // Two that agree do not claim to be exact, and fixed clocks claim more.
        assert!(alike.another_process_half_width > 0.05 && fixed.another_process_half_width < 0.05);
        assert!(alike.half_width() < 0.002 && CurrentLevel::of(&[], false).is_none());
    }
}
