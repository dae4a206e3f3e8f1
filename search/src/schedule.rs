//! Learning rates over the steps of a training, with the formulas of NNabla's learning rate schedulers.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How the learning rate changes from its base value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Constant.
    #[default]
    Constant,
    /// Half a cosine from the base to zero at the end: `base / 2 * (1 + cos(pi * step / steps))`.
    Cosine,
    /// Linear up to the base, then half a cosine over the remaining steps.
    CosineWarmUp {
        /// Length of the linear part in epochs.
        warm_up_epochs: u32,
        /// Learning rate at the start; a negative number stands for the base.
        warm_up_learning_rate: f64,
    },
    /// Multiplied by a rate every `every_epochs` epochs.
    Step {
        /// The factor.
        rate: f64,
        /// Epochs between two multiplications.
        every_epochs: u32,
    },
    /// Multiplied by a rate after each of the given numbers of epochs.
    MultiStep {
        /// The factor.
        rate: f64,
        /// Numbers of epochs after which the rate is multiplied.
        epochs: Vec<u32>,
    },
    /// `base * (1 - step / steps) ^ power`; linear to zero for a power of 1.
    Polynomial {
        /// The power.
        power: f64,
    },
    /// `base * rate ^ epoch`, with a whole number of epochs.
    Exponential {
        /// The factor.
        rate: f64,
    },
}

impl Schedule {
    /// What is wrong with it for a training of `epochs` epochs, if anything.
    #[must_use]
    pub fn problem(&self, epochs: u32) -> Option<String> {
        let positive = |name: &str, value: f64| {
            let fine = value > 0.0 && value.is_finite();
            (!fine).then(|| format!("`{name}` must be a positive number, not {value}"))
        };
        match self {
            Self::Constant | Self::Cosine => None,
            Self::CosineWarmUp { warm_up_epochs, .. } if *warm_up_epochs >= epochs => Some(format!(
                "`warm_up_epochs` must be below the {epochs} epochs of the training, not {warm_up_epochs}"
            )),
            Self::CosineWarmUp { warm_up_learning_rate, .. } => {
                (!warm_up_learning_rate.is_finite()).then(|| "`warm_up_learning_rate` must be a number".to_owned())
            }
            Self::Step { every_epochs: 0, .. } => Some("`every_epochs` must be at least 1".to_owned()),
            Self::Step { rate, .. } | Self::Exponential { rate } => positive("rate", *rate),
            Self::MultiStep { rate, epochs: steps } => positive("rate", *rate).or_else(|| {
                let late = steps.iter().find(|&&at| at == 0 || at >= epochs)?;
                Some(format!("`epochs` has {late}, but the training has only {epochs} epochs"))
            }),
            Self::Polynomial { power } => positive("power", *power),
        }
    }
}

/// A schedule with the numbers of one training filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningRate {
    schedule: Schedule,
    base: f64,
    steps_per_epoch: u64,
    steps: u64,
}

impl LearningRate {
    /// The learning rates of a training with `steps_per_epoch` optimizer steps per epoch.
    #[must_use]
    pub fn new(schedule: Schedule, base: f64, steps_per_epoch: u64, epochs: u32) -> Self {
        let steps_per_epoch = steps_per_epoch.max(1);
        Self { schedule, base, steps_per_epoch, steps: steps_per_epoch.saturating_mul(u64::from(epochs)) }
    }

    /// The learning rate of a step, counted from 0. After the last step it keeps the final value of the formula.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        let step = step.min(self.steps);
        let epoch = step / self.steps_per_epoch;
        let warm_up = |epochs: u32| self.steps_per_epoch * u64::from(epochs);
        match &self.schedule {
            Schedule::Constant => self.base,
            Schedule::Cosine => half_cosine(self.base, step, self.steps),
            Schedule::CosineWarmUp { warm_up_epochs, warm_up_learning_rate } if step < warm_up(*warm_up_epochs) => {
                let start = if *warm_up_learning_rate < 0.0 { self.base } else { *warm_up_learning_rate };
                let share = (step + 1) as f64 / warm_up(*warm_up_epochs) as f64;
                (self.base - start) * share + start
            }
            Schedule::CosineWarmUp { warm_up_epochs, .. } => {
                let warm_up = warm_up(*warm_up_epochs);
                half_cosine(self.base, step - warm_up, self.steps.saturating_sub(warm_up))
            }
            Schedule::Step { rate, every_epochs } => self.base * power(*rate, epoch / u64::from(*every_epochs).max(1)),
            Schedule::MultiStep { rate, epochs } => {
                self.base * power(*rate, epochs.iter().filter(|&&at| u64::from(at) <= epoch).count() as u64)
            }
            Schedule::Polynomial { power } => self.base * (1.0 - step as f64 / self.steps.max(1) as f64).powf(*power),
            Schedule::Exponential { rate } => self.base * power(*rate, epoch),
        }
    }
}

fn half_cosine(base: f64, step: u64, steps: u64) -> f64 {
    0.5 * base * (1.0 + (PI * step as f64 / steps.max(1) as f64).cos())
}

fn power(rate: f64, exponent: u64) -> f64 {
    rate.powf(exponent as f64)
}

/// How the base learning rate scales with the batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScalingRule {
    /// `learning_rate * batch / base_batch` (Goyal et al., "Accurate, Large Minibatch SGD").
    Linear,
    /// `learning_rate * sqrt(batch / base_batch)` (Krizhevsky, "One weird trick").
    SquareRoot,
}

/// Scaling of a learning rate that is given for a batch size of `base_batch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchScaling {
    /// The batch size of the given learning rate.
    pub base_batch: usize,
    /// The rule.
    pub rule: ScalingRule,
}

impl BatchScaling {
    /// The factor on the learning rate at a batch size.
    #[must_use]
    pub fn factor(self, batch: usize) -> f64 {
        let ratio = batch as f64 / self.base_batch.max(1) as f64;
        match self.rule {
            ScalingRule::Linear => ratio,
            ScalingRule::SquareRoot => ratio.sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64) {
        assert!((actual - expected).abs() <= 5e-9, "{actual} is not {expected}");
    }

    fn rates(schedule: Schedule, base: f64, steps_per_epoch: u64, epochs: u32, steps: &[u64]) -> Vec<f64> {
        let rate = LearningRate::new(schedule, base, steps_per_epoch, epochs);
        steps.iter().map(|&step| rate.at(step)).collect()
    }

    /// Measured on NNabla's scheduler.
    #[test]
    fn cosine_of_the_reference() {
        let actual = rates(Schedule::Cosine, 0.025, 1, 100, &[0, 25, 50, 99, 100]);
        for (actual, expected) in actual.into_iter().zip([0.025, 0.021_338_83, 0.0125, 6.17e-6, 0.0]) {
            close(actual, expected);
        }
        // The same steps in epochs of ten give the same values: the schedule is by step and not by epoch.
        close(rates(Schedule::Cosine, 0.025, 10, 10, &[25])[0], 0.021_338_83);
    }

    /// Measured on NNabla's scheduler.
    #[test]
    fn cosine_with_warm_up_of_the_reference() {
        let schedule = Schedule::CosineWarmUp { warm_up_epochs: 10, warm_up_learning_rate: 0.01 };
        let actual = rates(schedule.clone(), 0.1, 1, 110, &[0, 8, 9, 10, 60]);
        for (actual, expected) in actual.into_iter().zip([0.019, 0.091, 0.1, 0.1, 0.05]) {
            close(actual, expected);
        }
        // Ten steps of warm-up, whether as ten epochs of one step or as two of five.
        let in_epochs = Schedule::CosineWarmUp { warm_up_epochs: 2, warm_up_learning_rate: 0.01 };
        let fives = rates(in_epochs, 0.1, 5, 22, &[0, 8, 9, 10, 60]);
        assert_eq!(fives, rates(schedule, 0.1, 1, 110, &[0, 8, 9, 10, 60]));
        let from_the_base = Schedule::CosineWarmUp { warm_up_epochs: 10, warm_up_learning_rate: -1.0 };
        close(rates(from_the_base, 0.1, 1, 110, &[0])[0], 0.1);
    }

    /// The schedule of NNabla-NAS' OFA Xception: 0.94 every two epochs from 0.045.
    #[test]
    fn steps_come_at_whole_epochs() {
        let schedule = Schedule::Step { rate: 0.94, every_epochs: 2 };
        let actual = rates(schedule, 0.045, 10, 50, &[0, 19, 20, 39, 40]);
        let expected = [0.045, 0.045, 0.0423, 0.0423, 0.039_762];
        for (actual, expected) in actual.into_iter().zip(expected) {
            close(actual, expected);
        }
        let at = Schedule::MultiStep { rate: 0.1, epochs: vec![3, 6] };
        for (actual, expected) in rates(at, 1.0, 2, 9, &[5, 6, 11, 12]).into_iter().zip([1.0, 0.1, 0.1, 0.01]) {
            close(actual, expected);
        }
    }

    #[test]
    fn the_other_formulas() {
        close(rates(Schedule::Constant, 0.3, 7, 9, &[62])[0], 0.3);
        for (actual, expected) in
            rates(Schedule::Polynomial { power: 1.0 }, 0.4, 1, 4, &[0, 1, 4]).into_iter().zip([0.4, 0.3, 0.0])
        {
            close(actual, expected);
        }
        close(rates(Schedule::Polynomial { power: 2.0 }, 0.4, 1, 4, &[2])[0], 0.1);
        close(rates(Schedule::Exponential { rate: 0.5 }, 0.8, 3, 4, &[8])[0], 0.2);
    }

    #[test]
    fn past_the_end_nothing_turns_around() {
        // Without the limit the cosine would rise again.
        close(rates(Schedule::Cosine, 0.1, 1, 10, &[1000])[0], 0.0);
        close(LearningRate::new(Schedule::Cosine, 0.1, 0, 0).at(0), 0.1);
    }

    #[test]
    fn learning_rates_follow_the_batch() {
        let linear = BatchScaling { base_batch: 256, rule: ScalingRule::Linear };
        let root = BatchScaling { base_batch: 256, rule: ScalingRule::SquareRoot };
        assert_eq!([linear.factor(1024), root.factor(1024), linear.factor(64)], [4.0, 2.0, 0.25]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let fine = [
            Schedule::Cosine,
            Schedule::CosineWarmUp { warm_up_epochs: 9, warm_up_learning_rate: -1.0 },
            Schedule::MultiStep { rate: 0.1, epochs: vec![9] },
        ];
        assert!(fine.iter().all(|s| s.problem(10).is_none()));
        for (bad, naming) in [
            (Schedule::CosineWarmUp { warm_up_epochs: 10, warm_up_learning_rate: 0.0 }, "warm_up_epochs"),
            (Schedule::CosineWarmUp { warm_up_epochs: 1, warm_up_learning_rate: f64::NAN }, "warm_up_learning_rate"),
            (Schedule::Step { rate: 0.5, every_epochs: 0 }, "every_epochs"),
            (Schedule::Step { rate: -0.5, every_epochs: 1 }, "rate"),
            (Schedule::Exponential { rate: f64::INFINITY }, "rate"),
            (Schedule::MultiStep { rate: 0.1, epochs: vec![10] }, "epochs"),
            (Schedule::Polynomial { power: 0.0 }, "power"),
        ] {
            let problem = bad.problem(10).unwrap_or_default();
            assert!(problem.contains(naming), "{bad:?}: {problem}");
        }
    }
}
