//! The ledger of a search: the networks that it considered, their cost, and the result.

use std::collections::{BTreeMap, HashMap};

use nasprof_graph::Arch;
use rand_chacha::ChaCha8Rng;

use super::promotions::Promotions;
use super::{Candidate, Fate, Fault, Found, MethodError, Networks, Progress, Trainings, Work, best};
use crate::config::FinalChoice;

/// Maximum number of draws for a new network, before the search assumes that there is none.
const PATIENCE: u32 = 1000;

/// The networks that a search has considered, and the epochs that it has spent.
pub struct Ledger<'a> {
    pub(super) networks: &'a mut dyn Networks,
    pub(super) trainings: &'a mut dyn Trainings,
    limit: u64,
    book: Book,
}

/// What is known of each network, and what it cost.
struct Book {
    /// Epochs of a full training.
    full: u32,
    spent: u64,
    candidates: Vec<Candidate>,
    index: HashMap<Arch, usize>,
}

impl Book {
    /// Pays for the training of a network until it has `epochs` epochs.
    fn begin(&mut self, at: usize, epochs: u32) -> Arch {
        let candidate = &self.candidates[at];
        let done = candidate.progress.map_or(0, |progress| progress.epochs);
        self.spent += u64::from(epochs.saturating_sub(done));
        candidate.arch.clone()
    }

    /// Takes the progress of a network.
    fn end(&mut self, at: usize, progress: Option<Progress>) {
        let candidate = &mut self.candidates[at];
        candidate.fate = match progress {
            None => Fate::Failed,
            Some(progress) if progress.epochs >= self.full => Fate::Trained,
            Some(_) => Fate::Stopped,
        };
        candidate.progress = progress.or(candidate.progress);
    }
}

/// The promotions' trainings, which are paid for.
struct Booked<'b> {
    book: &'b mut Book,
    promotions: &'b mut Promotions,
}

impl Work for Booked<'_> {
    fn next(&mut self) -> Option<(Arch, u32)> {
        let (at, epochs) = self.promotions.next()?;
        Some((self.book.begin(at, epochs), epochs))
    }

    fn ended(&mut self, arch: &Arch, progress: Option<Progress>) {
        let Some(&at) = self.book.index.get(arch) else { return };
        self.book.end(at, progress);
        self.promotions.ended(at, progress.as_ref());
    }
}

impl<'a> Ledger<'a> {
    /// A ledger with a budget of `cost` full trainings, of which nothing is spent.
    pub(super) fn new(networks: &'a mut dyn Networks, trainings: &'a mut dyn Trainings, cost: f64) -> Self {
        // The small extra makes 0.1 * 30 epochs 3 despite rounding.
        let limit = (cost.max(0.0) * f64::from(trainings.epochs()) + 1e-6) as u64;
        let book = Book { full: trainings.epochs(), spent: 0, candidates: Vec::new(), index: HashMap::new() };
        Self { networks, trainings, limit, book }
    }

    /// Epochs left in the budget.
    pub(super) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.book.spent)
    }

    /// Whether the budget allows one more full training.
    pub(super) fn affords_one(&self) -> bool {
        self.left() >= u64::from(self.trainings.epochs())
    }

    /// Draws a network that the search has not considered yet; `None` if there seem to be no more.
    pub(super) fn draw_new(&mut self, rng: &mut ChaCha8Rng) -> Result<Option<Arch>, Fault> {
        for _ in 0..PATIENCE {
            match self.networks.draw(rng)? {
                Some(arch) if self.book.index.contains_key(&arch) => {}
                other => return Ok(other),
            }
        }
        Ok(None)
    }

    /// Whether the search has considered a network.
    pub(super) fn knows(&self, arch: &Arch) -> bool {
        self.book.index.contains_key(arch)
    }

    /// Adds a network, if it is new, and returns its index.
    pub(super) fn look(&mut self, arch: &Arch) -> usize {
        let candidates = &mut self.book.candidates;
        *self.book.index.entry(arch.clone()).or_insert_with(|| {
            let (scores, progress, fate) = (BTreeMap::new(), None, Fate::Ranked);
            candidates.push(Candidate { arch: arch.clone(), scores, progress, fate });
            candidates.len() - 1
        })
    }

    /// The cheap score of a network.
    pub(super) fn score(&mut self, at: usize, name: &str) -> Result<Option<f64>, Fault> {
        let score = self.trainings.score(&self.book.candidates[at].arch, name)?;
        if let Some(score) = score {
            self.book.candidates[at].scores.insert(name.to_owned(), score);
        }
        Ok(score)
    }

    /// Trains networks until each has `epochs` epochs, and returns the progress of each.
    pub(super) fn train(&mut self, at: &[usize], epochs: u32) -> Result<Vec<Option<Progress>>, Fault> {
        let archs: Vec<Arch> = at.iter().map(|&at| self.book.begin(at, epochs)).collect();
        let progress = self.trainings.train(&archs, epochs)?;
        at.iter().zip(&progress).for_each(|(&at, progress)| self.book.end(at, *progress));
        Ok(progress)
    }

    /// The last epoch of a network that was trained before the search was resumed; 0 if there is none.
    pub(super) fn begun(&self, at: usize) -> u32 {
        self.trainings.begun(&self.book.candidates[at].arch)
    }

    /// Trains what the promotions hand out, until there is no more.
    pub(super) fn train_as_scheduled(&mut self, promotions: &mut Promotions) -> Result<(), Fault> {
        self.trainings.train_as_scheduled(&mut Booked { book: &mut self.book, promotions })
    }

    /// Fully trains one network and returns its validation accuracy, or 0 if the training failed. `None` if the budget does
    /// not allow it.
    pub(super) fn train_in_full(&mut self, arch: &Arch) -> Result<Option<f64>, Fault> {
        if !self.affords_one() {
            return Ok(None);
        }
        let at = self.look(arch);
        let progress = self.train(&[at], self.trainings.epochs())?;
        Ok(Some(progress.first().copied().flatten().map_or(0.0, |progress| progress.valid)))
    }

    /// The result: the best of the fully trained networks.
    pub(super) fn found(mut self, by: FinalChoice) -> Result<Found, MethodError> {
        let full = self.book.candidates.iter().enumerate().filter(|(_, c)| c.fate == Fate::Trained);
        let full: Vec<(usize, Progress)> = full.filter_map(|(at, c)| Some((at, c.progress?))).collect();
        let Some((at, progress)) = best(&full, by) else {
            let networks = self.book.candidates.iter().filter(|c| c.fate == Fate::Failed).count();
            return Err(match networks {
                0 => MethodError::NoNetwork,
                networks => MethodError::NoSurvivor { networks, at: "in full".to_owned() },
            });
        };
        self.book.candidates[at].fate = Fate::Chosen;
        let best = self.book.candidates[at].arch.clone();
        Ok(Found { best, valid: progress.valid, epochs: self.book.spent, candidates: self.book.candidates })
    }
}
