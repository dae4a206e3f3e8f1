//! Expected values by sampling, if no exact method applies.

use std::fmt;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::distributions::sample;
use super::error::ExpectationError;
use super::network_cost::NetworkCost;

/// How to sample where no exact method applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Architectures for each evaluation. With a gradient, each takes one network cost for every candidate of the
    /// space.
    pub samples: u32,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { samples: 16, seed: 0 }
    }
}

/// Draws new architectures for every evaluation, from one seeded random stream.
pub(super) struct Sampled {
    cost: Box<dyn NetworkCost>,
    samples: u32,
    rng: ChaCha8Rng,
    arch: Vec<u16>,
}

impl Sampled {
    pub(super) fn new(choices: usize, sampling: Sampling, cost: Box<dyn NetworkCost>) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(sampling.seed);
        Self { cost, samples: sampling.samples.max(1), rng, arch: vec![0; choices] }
    }

    /// Mean over the drawn architectures, and for each candidate the mean over the same architectures with that
    /// candidate in place of the drawn one. The effect of the other choices is then the same for all candidates and
    /// does not blur their differences.
    pub(super) fn conditional(
        &mut self,
        probabilities: &[Vec<f64>],
        conditional: &mut [Vec<f64>],
    ) -> Result<f64, ExpectationError> {
        conditional.iter_mut().for_each(|c| c.fill(0.0));
        let mut total = 0.0;
        let share = 1.0 / f64::from(self.samples);
        for _ in 0..self.samples {
            self.sample(probabilities);
            let drawn_cost = self.cost.of(&self.arch)?;
            total += share * drawn_cost;
            for (i, costs) in conditional.iter_mut().enumerate() {
                let drawn = self.arch[i];
                for (candidate, mean) in costs.iter_mut().enumerate() {
                    self.arch[i] = candidate as u16;
                    let is_drawn = candidate == usize::from(drawn);
                    *mean += share * if is_drawn { drawn_cost } else { self.cost.of(&self.arch)? };
                }
                self.arch[i] = drawn;
            }
        }
        Ok(total)
    }

    /// Mean over the drawn architectures.
    pub(super) fn value(&mut self, probabilities: &[Vec<f64>]) -> Result<f64, ExpectationError> {
        let mut total = 0.0;
        for _ in 0..self.samples {
            self.sample(probabilities);
            total += self.cost.of(&self.arch)?;
        }
        Ok(total / f64::from(self.samples))
    }

    fn sample(&mut self, probabilities: &[Vec<f64>]) {
        for (selected, p) in self.arch.iter_mut().zip(probabilities) {
            *selected = sample(p, &mut self.rng) as u16;
        }
    }
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampled").field("samples", &self.samples).finish_non_exhaustive()
    }
}
