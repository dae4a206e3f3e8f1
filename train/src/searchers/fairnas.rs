//! FairNAS (Chu, Zhang, Xu 2019): trains every candidate equally often, then ranks architectures with the trained weights.

use nasprof_graph::{Arch, Choice};
use nasprof_search::Costs;
use nasprof_search::config::{Evolution, Paths, Quantity};
use nasprof_search::data::{Purpose, stream};
use nasprof_search::evolution::{Budget, EvolutionError, evolve, sample};
use rand::seq::SliceRandom;
use serde_json::{Value, json};

use super::shrink::Shrinking;
use super::split::choice_that_matters;
use super::{ArchStep, Judge, Searcher};
use crate::batch::{Gradients, MiniBatch};
use crate::error::SearchError;
use crate::loss::Tally;
use crate::session::Session;
use crate::supernet::Path;

/// Strictly fair sampling (Chu, Zhang, Xu 2019): each block of n draws of a choice with n candidates is a permutation.
/// Choices draw independently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FairSampler {
    seed: u64,
    sampled: u64,
}

impl FairSampler {
    /// A sampler that begins with the first sample.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, sampled: 0 }
    }

    /// The next architecture.
    pub fn sample(&mut self, choices: &[Choice]) -> Arch {
        let number = self.sampled;
        self.sampled += 1;
        let one = |(i, choice): (usize, &Choice)| {
            let count = choice.candidates.len() as u64;
            let mut order: Vec<u16> = (0..count as u16).collect();
            order.shuffle(&mut stream(self.seed, Purpose::Architectures, 2 + i as u64, number / count));
            order[(number % count) as usize]
        };
        Arch(choices.iter().enumerate().map(one).collect())
    }
}

/// The searcher.
#[derive(Debug)]
pub struct FairNas {
    networks_per_step: Option<u32>,
    samples: u32,
    evolution: Option<Evolution>,
    sampler: FairSampler,
    paths: Paths,
    sandwich: bool,
    split_after: Option<u32>,
    shrinks: bool,
    /// The phases of progressive shrinking; computed when first needed.
    shrinking: Option<Shrinking>,
    /// Number of steps of the weights so far.
    steps: u64,
    /// The paths with the most and the fewest MACs; computed when first needed.
    ends: Option<[Arch; 2]>,
}

/// Maximum number of draws for a path within the budget.
const PATIENCE: u32 = 100_000;

impl FairNas {
    /// Each update adds up the gradients of `networks_per_step` networks; by default as many as the largest choice has
    /// candidates. At the end it judges `samples` sampled architectures, those of `evolution`, or both.
    #[must_use]
    pub fn new(networks_per_step: Option<u32>, samples: u32, evolution: Option<Evolution>) -> Self {
        let sampler = FairSampler::new(0);
        Self {
            networks_per_step,
            samples,
            evolution,
            sampler,
            paths: Paths::Fair,
            sandwich: false,
            split_after: None,
            shrinks: false,
            shrinking: None,
            steps: 0,
            ends: None,
        }
    }

    /// Selects which paths are trained.
    #[must_use]
    pub fn with_paths(self, paths: Paths) -> Self {
        Self { paths, ..self }
    }

    /// Turns the sandwich rule with in-place distillation on or off (Yu and Huang, ICCV 2019).
    #[must_use]
    pub fn with_sandwich(self, sandwich: bool) -> Self {
        Self { sandwich, ..self }
    }

    /// Splits the supernet after this many epochs by the choice that matters most (Zhao et al., ICML 2021); `None` for
    /// never.
    #[must_use]
    pub fn with_split(self, split_after: Option<u32>) -> Self {
        Self { split_after, ..self }
    }

    /// Turns progressive shrinking on or off (Cai et al., ICLR 2020).
    #[must_use]
    pub fn with_shrinking(self, shrinks: bool) -> Self {
        Self { shrinks, ..self }
    }

    /// The phases of progressive shrinking and the total number of steps; `None` once the whole space is trained.
    fn shrinking(&mut self, session: &Session<'_>) -> Option<(&Shrinking, u64)> {
        let all = session.steps_per_epoch() * u64::from(session.epochs());
        if !self.shrinks || Shrinking::is_over(self.steps, all) {
            return None;
        }
        Some((self.shrinking.get_or_insert_with(|| Shrinking::new(&session.space().choices)), all))
    }

    /// Splits the supernet after `split_after` epochs.
    fn split(&mut self, session: &mut Session<'_>, batch: &[MiniBatch]) -> Result<(), SearchError> {
        let after = self.split_after.map(|epochs| u64::from(epochs) * session.steps_per_epoch());
        if after.is_none_or(|after| self.steps < after) || session.net().split().is_some() {
            return Ok(());
        }
        let paths = [session.sample(), session.sample()];
        match choice_that_matters(session, &paths, batch)? {
            Some(choice) => session.split_by(choice),
            None => Ok(()),
        }
    }

    /// The next path to train.
    fn path(&mut self, session: &mut Session<'_>) -> Result<Arch, SearchError> {
        let step = self.steps;
        if let Some((shrinking, all)) = self.shrinking(session) {
            return Ok(shrinking.path(step, all, &mut session.random()));
        }
        if self.paths == Paths::Fair {
            return Ok(self.sampler.sample(&session.space().choices));
        }
        let mut rng = session.random();
        for _ in 0..PATIENCE {
            let arch = session.space().sample(&mut rng);
            if session.regularizers().admits(&arch)? {
                return Ok(arch);
            }
        }
        Err(EvolutionError::NothingFound { sampled: u64::from(PATIENCE) }.into())
    }

    /// The path with the most MACs and the one with the fewest. During progressive shrinking: the largest path, and the
    /// smallest one that is trained now.
    fn ends(&mut self, session: &Session<'_>) -> Result<[Arch; 2], SearchError> {
        let step = self.steps;
        if let Some((shrinking, all)) = self.shrinking(session) {
            return Ok([true, false].map(|largest| shrinking.end(step, all, largest)));
        }
        if let Some(ends) = &self.ends {
            return Ok(ends.clone());
        }
        let costs = Costs::new(session.space(), Quantity::Macs, None)?;
        let most = costs.find_at_least(session.space(), f64::INFINITY)?.arch;
        let ends = [most, costs.minimum(session.space())?.arch];
        Ok(self.ends.insert(ends).clone())
    }

    /// The largest path learns from the labels, and all others learn from its outputs. Then the weights are updated once.
    fn sandwich_step(
        &mut self,
        session: &mut Session<'_>,
        batch: &[MiniBatch],
        networks: u32,
    ) -> Result<Tally, SearchError> {
        let [most, least] = self.ends(session)?;
        let mut gradients = Gradients::new();
        let (mut tally, teacher) = session.taught_gradients(Path::Selected(&most), batch, None, &mut gradients)?;
        for number in 1..networks.max(2) {
            let arch = if number == 1 { least.clone() } else { self.path(session)? };
            let taught = session.taught_gradients(Path::Selected(&arch), batch, Some(&teacher), &mut gradients)?;
            tally = tally.and(taught.0);
        }
        session.update_weights(gradients)?;
        Ok(tally)
    }

    /// The best of the sampled and the evolved architectures within a budget, by the trained weights.
    fn best(
        &self,
        session: &Session<'_>,
        judge: &mut Judge<'_>,
        budget: &Budget<'_>,
    ) -> Result<Option<Arch>, SearchError> {
        let (space, seed) = (session.space(), session.seed());
        let mut scorer = |arch: &Arch| {
            let accuracy = judge(session, arch)?.accuracy();
            // The search does not score architectures outside the bounds, so `None` does not occur.
            Ok(session.regularizers().reward(accuracy, arch)?.unwrap_or(0.0))
        };
        let mut found = Vec::new();
        if self.samples > 0 {
            found.push(sample(space, budget, self.samples, seed, &mut scorer)?.best);
        }
        if let Some(evolution) = &self.evolution {
            found.push(evolve(space, budget, evolution, seed, &mut scorer)?.best);
        }
        let best = found.into_iter().reduce(|a, b| if b.score > a.score { b } else { a });
        Ok(best.map(|candidate| candidate.arch))
    }
}

impl Searcher for FairNas {
    fn on_start(&mut self, session: &mut Session<'_>) -> Result<(), SearchError> {
        self.sampler = FairSampler::new(session.seed());
        Ok(())
    }

    /// Adds up the gradients of all networks on the same batch, then updates the weights once.
    fn train_step(&mut self, session: &mut Session<'_>, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        let largest = session.space().choices.iter().map(|c| c.candidates.len()).max().unwrap_or(1);
        let networks = self.networks_per_step.unwrap_or(largest as u32);
        self.split(session, batch)?;
        if self.sandwich {
            let tally = self.sandwich_step(session, batch, networks)?;
            self.steps += 1;
            return Ok(tally);
        }
        let mut gradients = Gradients::new();
        let mut tally = Tally::default();
        for _ in 0..networks {
            let arch = self.path(session)?;
            tally = tally.and(session.weight_gradients(Path::Selected(&arch), batch, &mut gradients)?);
        }
        session.update_weights(gradients)?;
        self.steps += 1;
        Ok(tally)
    }

    fn arch_step(
        &mut self,
        _session: &mut Session<'_>,
        _train: &[MiniBatch],
        _valid: &[MiniBatch],
    ) -> Result<ArchStep, SearchError> {
        Ok(ArchStep::default())
    }

    fn on_finish(&mut self, session: &mut Session<'_>, judge: &mut Judge<'_>) -> Result<Option<Arch>, SearchError> {
        let budget = || Budget::new(session.space(), session.bounds(), |_| 1.0);
        // A winner must be near the target. Another one would be repaired to an architecture that was never judged.
        match self.best(session, judge, &budget()?.near_target()) {
            Err(SearchError::Evolution(EvolutionError::NothingFound { .. })) => self.best(session, judge, &budget()?),
            found => found,
        }
    }

    fn state(&self) -> Value {
        json!({ "seed": self.sampler.seed, "drawn": self.sampler.sampled, "steps": self.steps })
    }

    fn restore(&mut self, state: &Value) -> Result<(), String> {
        let number = |key: &str| state[key].as_u64().ok_or_else(|| format!("the searcher's {key}"));
        self.sampler = FairSampler { seed: number("seed")?, sampled: number("drawn")? };
        // Searches of earlier versions neither split nor shrink, so their checkpoints do not need it.
        self.steps = state["steps"].as_u64().unwrap_or(0);
        Ok(())
    }
}
