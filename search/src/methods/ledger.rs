//! The account of a search: what it looked at, what that cost, and what came out.

use std::collections::{BTreeMap, HashMap};

use nasprof_graph::Arch;
use rand_chacha::ChaCha8Rng;

use super::{Candidate, Fate, Fault, Found, MethodError, Networks, Progress, Trainings};

/// Draws for a network that was not looked at yet, before there seem to be no more.
const PATIENCE: u32 = 1000;

/// What a search has looked at and paid for.
pub struct Ledger<'a> {
    pub(super) networks: &'a mut dyn Networks,
    pub(super) trainings: &'a mut dyn Trainings,
    limit: u64,
    spent: u64,
    candidates: Vec<Candidate>,
    index: HashMap<Arch, usize>,
}

impl<'a> Ledger<'a> {
    /// Nothing spent of the cost of so many full trainings.
    pub(super) fn new(networks: &'a mut dyn Networks, trainings: &'a mut dyn Trainings, cost: f64) -> Self {
        // A little more, so that 0.1 * 30 epochs are 3.
        let limit = (cost.max(0.0) * f64::from(trainings.epochs()) + 1e-6) as u64;
        Self { networks, trainings, limit, spent: 0, candidates: Vec::new(), index: HashMap::new() }
    }

    /// Epochs that can still be trained.
    pub(super) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.spent)
    }

    /// Whether one more full training can be paid.
    pub(super) fn affords_one(&self) -> bool {
        self.left() >= u64::from(self.trainings.epochs())
    }

    /// A drawn network that was not looked at before; `None` if there seem to be no more.
    pub(super) fn draw_new(&mut self, rng: &mut ChaCha8Rng) -> Result<Option<Arch>, Fault> {
        for _ in 0..PATIENCE {
            match self.networks.draw(rng)? {
                Some(arch) if self.index.contains_key(&arch) => {}
                other => return Ok(other),
            }
        }
        Ok(None)
    }

    /// Whether a network was looked at.
    pub(super) fn knows(&self, arch: &Arch) -> bool {
        self.index.contains_key(arch)
    }

    /// A network that is looked at, and its place.
    pub(super) fn look(&mut self, arch: &Arch) -> usize {
        let candidates = &mut self.candidates;
        *self.index.entry(arch.clone()).or_insert_with(|| {
            let (scores, progress, fate) = (BTreeMap::new(), None, Fate::Ranked);
            candidates.push(Candidate { arch: arch.clone(), scores, progress, fate });
            candidates.len() - 1
        })
    }

    /// The cheap score of a network.
    pub(super) fn score(&mut self, at: usize, name: &str) -> Result<Option<f64>, Fault> {
        let score = self.trainings.score(&self.candidates[at].arch, name)?;
        if let Some(score) = score {
            self.candidates[at].scores.insert(name.to_owned(), score);
        }
        Ok(score)
    }

    /// Trains networks until each has had so many epochs; of each how far it is.
    pub(super) fn train(&mut self, at: &[usize], epochs: u32) -> Result<Vec<Option<Progress>>, Fault> {
        let archs: Vec<Arch> = at.iter().map(|&at| self.candidates[at].arch.clone()).collect();
        for &at in at {
            let done = self.candidates[at].progress.map_or(0, |progress| progress.epochs);
            self.spent += u64::from(epochs.saturating_sub(done));
        }
        let progress = self.trainings.train(&archs, epochs)?;
        let full = self.trainings.epochs();
        for (&at, progress) in at.iter().zip(&progress) {
            let candidate = &mut self.candidates[at];
            candidate.fate = match progress {
                None => Fate::Failed,
                Some(progress) if progress.epochs >= full => Fate::Trained,
                Some(_) => Fate::Stopped,
            };
            candidate.progress = progress.or(candidate.progress);
        }
        Ok(progress)
    }

    /// Trains one network in full, if that can be paid: its validation accuracy, 0 if the training failed.
    pub(super) fn train_in_full(&mut self, arch: &Arch) -> Result<Option<f64>, Fault> {
        if !self.affords_one() {
            return Ok(None);
        }
        let at = self.look(arch);
        let progress = self.train(&[at], self.trainings.epochs())?;
        Ok(Some(progress.first().copied().flatten().map_or(0.0, |progress| progress.valid)))
    }

    /// The best of the networks that were trained in full; of equal ones the first.
    pub(super) fn found(mut self) -> Result<Found, MethodError> {
        let full = self.candidates.iter().enumerate().filter(|(_, c)| c.fate == Fate::Trained);
        let valid = |candidate: &Candidate| candidate.progress.map_or(0.0, |progress| progress.valid);
        let best = full.reduce(|a, b| if valid(b.1) > valid(a.1) { b } else { a }).map(|(at, _)| at);
        let Some(at) = best else {
            let networks = self.candidates.iter().filter(|c| c.fate == Fate::Failed).count();
            return Err(match networks {
                0 => MethodError::NoNetwork,
                networks => MethodError::NoSurvivor { networks, at: "in full".to_owned() },
            });
        };
        self.candidates[at].fate = Fate::Chosen;
        let (best, valid) = (self.candidates[at].arch.clone(), valid(&self.candidates[at]));
        Ok(Found { best, valid, epochs: self.spent, candidates: self.candidates })
    }
}
