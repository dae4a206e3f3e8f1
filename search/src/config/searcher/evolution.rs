//! Table `evolution` of a searcher.

use serde::{Deserialize, Serialize};

/// Evolution by mutation and crossover (Real et al., "Regularized Evolution"; Cai et al., "Once-for-All").
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evolution {
    /// Architectures of a generation.
    #[serde(default = "hundred")]
    pub population: u32,
    /// Generations after the first.
    #[serde(default = "twenty")]
    pub generations: u32,
    /// Share of a generation whose members become parents of the next one.
    #[serde(default = "quarter")]
    pub parents: f64,
    /// Share of children that are mutations of one parent; the others mix two parents.
    #[serde(default = "half")]
    pub mutated: f64,
    /// Probability that a choice of a mutated child is redrawn.
    #[serde(default = "tenth")]
    pub mutation: f64,
}

impl Default for Evolution {
    fn default() -> Self {
        Self { population: hundred(), generations: twenty(), parents: quarter(), mutated: half(), mutation: tenth() }
    }
}

impl Evolution {
    /// Maximum number of architectures that it scores.
    #[must_use]
    pub fn evaluated(&self) -> usize {
        (self.population as usize).saturating_mul(1 + self.generations as usize)
    }

    /// What is wrong with it, with the key at fault.
    pub(in crate::config) fn problem(&self, most: u32) -> Option<(&'static str, String)> {
        if !(2..=most).contains(&self.population) {
            return Some(("population", format!("{} is not in 2 to {most}", self.population)));
        }
        if self.evaluated() > most as usize {
            let Self { population, generations, .. } = self;
            let problem = format!(
                "the first generation and {generations} more of {population} are {} architectures (limit {most})",
                self.evaluated()
            );
            return Some(("generations", problem));
        }
        for (key, value) in [("parents", self.parents), ("mutation", self.mutation)] {
            if !(value > 0.0 && value <= 1.0) {
                return Some((key, format!("{value} is not in (0, 1]")));
            }
        }
        if !(0.0..=1.0).contains(&self.mutated) {
            return Some(("mutated", format!("{} is not in [0, 1]", self.mutated)));
        }
        None
    }
}

fn hundred() -> u32 {
    100
}

fn twenty() -> u32 {
    20
}

fn quarter() -> f64 {
    0.25
}

fn half() -> f64 {
    0.5
}

fn tenth() -> f64 {
    0.1
}
