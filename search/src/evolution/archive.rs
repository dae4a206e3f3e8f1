//! The archive: all distinct architectures that a search has scored.

use std::collections::HashSet;

use nasprof_graph::Arch;
use nasprof_spaces::Space;

use super::{Budget, Candidate, EvolutionError, Outcome, Sampling, Scorer, front};

pub(super) struct Archive<'a> {
    pub(super) space: &'a Space,
    budget: &'a Budget<'a>,
    scorer: &'a mut dyn Scorer,
    known: HashSet<Arch>,
    evaluated: Vec<Candidate>,
    sampled: u64,
    wanted: usize,
}

impl<'a> Archive<'a> {
    /// An archive of at most `wanted` architectures, and no more than the space has.
    pub(super) fn new(space: &'a Space, budget: &'a Budget<'a>, scorer: &'a mut dyn Scorer, wanted: usize) -> Self {
        let wanted = usize::try_from(space.architectures()).map_or(wanted, |all| wanted.min(all));
        Self { space, budget, scorer, known: HashSet::new(), evaluated: Vec::new(), sampled: 0, wanted }
    }

    /// Scores an architecture if it is new and within the budget. Returns whether it was.
    pub(super) fn offer(&mut self, arch: Arch) -> Result<bool, EvolutionError> {
        self.sampled += 1;
        let sampling = Sampling { evaluated: self.evaluated.len(), wanted: self.wanted, sampled: self.sampled };
        if !self.scorer.goes_on(&sampling) {
            return Err(EvolutionError::Interrupted { evaluated: self.evaluated.len() });
        }
        if self.known.contains(&arch) {
            return Ok(false);
        }
        let Some(values) = self.budget.values(&arch)? else { return Ok(false) };
        let score = self.scorer.score(&arch).map_err(EvolutionError::Scorer)?;
        if !score.is_finite() {
            return Err(EvolutionError::NoNumber(score));
        }
        self.known.insert(arch.clone());
        self.evaluated.push(Candidate { arch, score, values });
        Ok(true)
    }

    /// Whether it holds the wanted number of architectures.
    pub(super) fn is_full(&self) -> bool {
        self.evaluated.len() >= self.wanted
    }

    pub(super) fn patience(&self) -> u64 {
        self.budget.patience()
    }

    pub(super) fn len(&self) -> usize {
        self.evaluated.len()
    }

    /// The `count` best by score, and at most `count` of the front, evenly spread.
    pub(super) fn parents(&self, count: usize) -> Vec<Arch> {
        let mut by_score: Vec<&Candidate> = self.evaluated.iter().collect();
        by_score.sort_by(|a, b| b.score.total_cmp(&a.score));
        let front = front(&self.evaluated);
        let step = front.len().div_ceil(count.max(1)).max(1);
        let best = by_score.into_iter().take(count).map(|candidate| candidate.arch.clone());
        best.chain(front.into_iter().step_by(step).map(|candidate| candidate.arch)).collect()
    }

    /// The result of the search.
    pub(super) fn outcome(self) -> Result<Outcome, EvolutionError> {
        let front = front(&self.evaluated);
        let best = front.last().cloned().ok_or(EvolutionError::NothingFound { sampled: self.sampled })?;
        Ok(Outcome { best, front, evaluated: self.evaluated.len(), sampled: self.sampled })
    }
}
