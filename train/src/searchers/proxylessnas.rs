//! ProxylessNAS (Cai, Zhu, Han 2019): one sampled network runs at a time.

use nasprof_graph::Arch;
use nasprof_search::config::ArchitectureGradient;
use serde_json::{Value, json};

use super::{ArchStep, Searcher, gate};
use crate::batch::{Gradients, MiniBatch};
use crate::error::SearchError;
use crate::loss::Tally;
use crate::session::Session;
use crate::supernet::{Distribution, Path};

/// The searcher.
#[derive(Debug)]
pub struct ProxylessNas {
    gradient: ArchitectureGradient,
    samples: u32,
    /// Weight of the newest mean reward in the baseline.
    baseline_rate: f64,
    baseline: f64,
}

impl ProxylessNas {
    /// For REINFORCE, `samples` is the number of networks in one step, and `baseline_rate` is the weight of their mean
    /// reward in the new baseline (10 and 0.9 in the reference).
    #[must_use]
    pub fn new(gradient: ArchitectureGradient, samples: u32, baseline_rate: f64) -> Self {
        Self { gradient, samples: samples.max(1), baseline_rate, baseline: 0.0 }
    }

    /// The baseline after the last step.
    #[must_use]
    pub fn baseline(&self) -> f64 {
        self.baseline
    }

    /// The gradient of the expected negative reward: `1 / M * sum over m of (reward_m - baseline) * (p - onehot(arch_m))`.
    /// Then moves the baseline towards the mean reward.
    pub fn reinforce(&mut self, distribution: &Distribution, rewards: &[(Arch, f64)]) -> Vec<Vec<f64>> {
        let count = rewards.len().max(1) as f64;
        let mut sum: Vec<Vec<f64>> = distribution.probabilities().iter().map(|row| vec![0.0; row.len()]).collect();
        for (arch, reward) in rewards {
            let weight = (reward - self.baseline) / count;
            for (row, score) in sum.iter_mut().zip(distribution.score_gradient(arch)) {
                row.iter_mut().zip(score).for_each(|(s, g)| *s += weight * g);
            }
        }
        let mean = rewards.iter().map(|(_, reward)| reward).sum::<f64>() / count;
        self.baseline = self.baseline_rate * mean + (1.0 - self.baseline_rate) * self.baseline;
        sum
    }

    fn reinforce_step(&mut self, session: &mut Session<'_>, valid: &[MiniBatch]) -> Result<ArchStep, SearchError> {
        let mut judged = Vec::new();
        let mut rejected = 0_u32;
        for _ in 0..self.samples {
            let arch = session.sample();
            // An architecture out of bounds has reward 0 and does not run.
            let tally = match session.regularizers().reward(1.0, &arch)? {
                None => {
                    rejected += 1;
                    None
                }
                Some(_) => Some(session.judge_later(&arch, valid)?),
            };
            judged.push((arch, tally));
        }
        let mut all = Tally::default();
        let mut rewards = Vec::new();
        // Reads the results after launching all networks, so that a GPU does not pause between them.
        for (arch, tally) in judged {
            let mut reward = 0.0;
            if let Some(mut tally) = tally {
                let accuracy = tally.score()?.accuracy();
                reward = session.regularizers().reward(accuracy, &arch)?.unwrap_or(0.0);
                all = all.and(tally);
            }
            rewards.push((arch, reward));
        }
        let gradient = self.reinforce(session.distribution(), &rewards);
        session.update_architecture(gradient)?;
        let rejected = f64::from(rejected) / f64::from(self.samples);
        let curves = vec![("reward".to_owned(), self.baseline), ("rejected".to_owned(), rejected)];
        Ok(ArchStep { tally: all, curves })
    }
}

impl Searcher for ProxylessNas {
    fn train_step(&mut self, session: &mut Session<'_>, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        let arch = session.sample();
        let mut gradients = Gradients::new();
        let tally = session.weight_gradients(Path::Selected(&arch), batch, &mut gradients)?;
        session.update_weights(gradients)?;
        Ok(tally)
    }

    fn arch_step(
        &mut self,
        session: &mut Session<'_>,
        _train: &[MiniBatch],
        valid: &[MiniBatch],
    ) -> Result<ArchStep, SearchError> {
        match self.gradient {
            ArchitectureGradient::Reinforce => self.reinforce_step(session, valid),
            ArchitectureGradient::Gate => gate::step(session, valid),
        }
    }

    fn state(&self) -> Value {
        json!({ "baseline": self.baseline })
    }

    fn restore(&mut self, state: &Value) -> Result<(), String> {
        self.baseline = state["baseline"].as_f64().ok_or("the searcher's baseline")?;
        Ok(())
    }
}
