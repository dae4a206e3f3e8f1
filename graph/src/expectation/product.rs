//! The expected product of a sum over layers and a factor that depends on the network's size.
//!
//! The sum and the sizes are sums over choices, so their expected values are exact, also for a given candidate of a choice.
//! The factor's logarithm is linear in the logarithms of the sizes, which vary little from network to network. Statistical
//! linearisation (Booton 1954) replaces it by the straight line that fits best in the mean over the networks, for sizes that
//! are normally distributed around their exact means. Variances and covariances include only the main effects of the
//! choices: where choices contribute independently, there are no others.

use nasprof_base::statistics::clamped_normal;

use super::circuit::Circuit;
use crate::size::{SIZES, Slope};

/// The sum, then the sizes.
const PARTS: usize = SIZES + 1;

type Covariance = [[f64; PARTS]; PARTS];

#[derive(Debug)]
pub(super) struct Product {
    parts: [Circuit; PARTS],
    slopes: [Slope; SIZES],
    /// Work space: the expected parts for each candidate, and the covariance that each choice contributes.
    conditional: [Vec<Vec<f64>>; PARTS],
    of_choices: Vec<Covariance>,
}

impl Product {
    /// `candidates` of each choice; `parts` are the circuits of the sum and of [`crate::size::sizes`].
    pub(super) fn new(candidates: &[usize], parts: [Circuit; PARTS], slopes: [Slope; SIZES]) -> Self {
        let form: Vec<Vec<f64>> = candidates.iter().map(|&count| vec![0.0; count]).collect();
        let conditional = std::array::from_fn(|_| form.clone());
        Self { parts, slopes, conditional, of_choices: vec![[[0.0; PARTS]; PARTS]; candidates.len()] }
    }

    /// The expected product.
    pub(super) fn value(&mut self, probabilities: &[Vec<f64>]) -> f64 {
        let (means, covariance) = self.moments(probabilities);
        self.product(&means, &covariance)
    }

    /// The expected product, and the conditional expected product for each candidate of each choice.
    pub(super) fn conditional(&mut self, probabilities: &[Vec<f64>], conditional: &mut [Vec<f64>]) -> f64 {
        let (means, covariance) = self.moments(probabilities);
        let total = self.product(&means, &covariance);
        for (choice, (of_choice, p)) in conditional.iter_mut().zip(probabilities).enumerate() {
            // A choice with a given candidate no longer varies.
            let own = &self.of_choices[choice];
            let rest = std::array::from_fn(|i| std::array::from_fn(|j| covariance[i][j] - own[i][j]));
            for (candidate, value) in of_choice.iter_mut().enumerate() {
                let means = self.conditional.each_ref().map(|part| part[choice][candidate]);
                *value = self.product(&means, &rest);
            }
            // The values are shifted so that their mean is the expected value, as for exact values.
            let lacking = total - p.iter().zip(of_choice.iter()).map(|(p, value)| p * value).sum::<f64>();
            of_choice.iter_mut().for_each(|value| *value += lacking);
        }
        total
    }

    /// Means of the parts, and the covariance of the main effects of all choices.
    fn moments(&mut self, probabilities: &[Vec<f64>]) -> ([f64; PARTS], Covariance) {
        let mut means = [0.0; PARTS];
        for ((part, conditional), mean) in self.parts.iter_mut().zip(&mut self.conditional).zip(&mut means) {
            *mean = part.conditional(probabilities, conditional);
        }
        let mut total = [[0.0; PARTS]; PARTS];
        for (choice, p) in probabilities.iter().enumerate() {
            let mut own = [[0.0; PARTS]; PARTS];
            for (candidate, p) in p.iter().enumerate() {
                let effect: [f64; PARTS] =
                    std::array::from_fn(|part| self.conditional[part][choice][candidate] - means[part]);
                for i in 0..PARTS {
                    for j in 0..PARTS {
                        own[i][j] += p * effect[i] * effect[j];
                    }
                }
            }
            for (total, own) in total.as_flattened_mut().iter_mut().zip(own.as_flattened()) {
                *total += own;
            }
            self.of_choices[choice] = own;
        }
        (means, total)
    }

    /// Mean of `sum * factor`, where the factor is the exponential of a straight line.
    fn product(&self, means: &[f64; PARTS], covariance: &Covariance) -> f64 {
        let mut log_factor = 0.0;
        // The line's slope in each part; 0 for the sum.
        let mut line = [0.0; PARTS];
        for (part, slope) in (1..PARTS).zip(&self.slopes) {
            let size = 1.0 + means[part].max(0.0);
            // A difference of main effects may be negative by rounding.
            let variance = covariance[part][part].max(0.0) / (size * size);
            let (log_size, inside) = clamped_normal(size.ln() - variance / 2.0, variance.sqrt(), slope.low, slope.high);
            log_factor += slope.slope * (log_size - slope.usual);
            line[part] = slope.slope * inside / size;
        }
        let with = |i: usize| (0..PARTS).map(|j| line[j] * covariance[i][j]).sum::<f64>();
        let variance: f64 = (0..PARTS).map(|i| line[i] * with(i)).sum();
        (log_factor + variance / 2.0).exp() * (means[0] + with(0))
    }
}
