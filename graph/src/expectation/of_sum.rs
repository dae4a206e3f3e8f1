//! The expected value of a function of a sum over layers, such as a latency that is not quite proportional to the sum.
//!
//! The sum's mean is exact, also for a given candidate of a choice. Its variance includes only the main effects of the choices:
//! where choices contribute independently, there are no others. A sum over many choices is nearly normally distributed, so the
//! expected value of the function is that of three nodes of Gauss-Hermite quadrature.

use super::circuit::Circuit;

/// Distance of the outer nodes from the mean in standard deviations, squared.
const OUTER: f64 = 3.0;
/// Weights of the middle node and of each outer node.
const WEIGHTS: [f64; 2] = [2.0 / 3.0, 1.0 / 6.0];

/// A function of a sum.
pub(super) type Function = Box<dyn Fn(f64) -> f64 + Send>;

pub(super) struct OfSum {
    sum: Circuit,
    function: Function,
    /// Work space: the expected sum for each candidate, and the variance that each choice contributes.
    conditional: Vec<Vec<f64>>,
    of_choices: Vec<f64>,
}

impl OfSum {
    /// `candidates` of each choice.
    pub(super) fn new(candidates: &[usize], sum: Circuit, function: Function) -> Self {
        let conditional = candidates.iter().map(|&count| vec![0.0; count]).collect();
        Self { sum, function, conditional, of_choices: vec![0.0; candidates.len()] }
    }

    /// The expected value.
    pub(super) fn value(&mut self, probabilities: &[Vec<f64>]) -> f64 {
        let (mean, variance) = self.moments(probabilities);
        self.expected(mean, variance)
    }

    /// The expected value, and the conditional expected value for each candidate of each choice.
    pub(super) fn conditional(&mut self, probabilities: &[Vec<f64>], conditional: &mut [Vec<f64>]) -> f64 {
        let (mean, variance) = self.moments(probabilities);
        let total = self.expected(mean, variance);
        for (choice, (of_choice, p)) in conditional.iter_mut().zip(probabilities).enumerate() {
            // A choice with a given candidate no longer varies.
            let rest = variance - self.of_choices[choice];
            for (value, &mean) in of_choice.iter_mut().zip(&self.conditional[choice]) {
                *value = self.expected(mean, rest);
            }
            // The values are shifted so that their mean is the expected value, as for exact values.
            let lacking = total - p.iter().zip(of_choice.iter()).map(|(p, value)| p * value).sum::<f64>();
            of_choice.iter_mut().for_each(|value| *value += lacking);
        }
        total
    }

    /// Mean of the sum, and the variance of the main effects of all choices.
    fn moments(&mut self, probabilities: &[Vec<f64>]) -> (f64, f64) {
        let mean = self.sum.conditional(probabilities, &mut self.conditional);
        for ((own, p), means) in self.of_choices.iter_mut().zip(probabilities).zip(&self.conditional) {
            *own = p.iter().zip(means).map(|(p, of_candidate)| p * (of_candidate - mean).powi(2)).sum();
        }
        (mean, self.of_choices.iter().sum())
    }

    fn expected(&self, mean: f64, variance: f64) -> f64 {
        // A difference of variances may be negative by rounding.
        let outer = (OUTER * variance.max(0.0)).sqrt();
        let [middle, side] = WEIGHTS;
        middle * (self.function)(mean) + side * ((self.function)(mean - outer) + (self.function)(mean + outer))
    }
}

impl std::fmt::Debug for OfSum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfSum").field("sum", &self.sum).finish_non_exhaustive()
    }
}
